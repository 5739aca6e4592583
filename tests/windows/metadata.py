# SPDX-License-Identifier: MIT
"""Microsoft's own metadata of the Windows API and the kernel's, as win32more carries it.

The packages are meant for Windows, where importing one loads its libraries. Here
only the structures are of interest, which are plain ctypes: so their package is
put in place without what it does at import, and with stand-ins for the names of
ctypes that only Windows has. Run as a program, in a process of its own, it
prints what it found as JSON.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import json
import sys
import types
from typing import Any
from unittest import mock

WFP = "win32more.Windows.Win32.NetworkManagement.WindowsFilteringPlatform"
FOUNDATION = "win32more.Windows.Win32.Foundation"
KERNEL = "win32more.Windows.Wdk.Foundation"
SERVICES = "win32more.Windows.Wdk.System.SystemServices"
NDIS = "win32more.Windows.Wdk.NetworkManagement.Ndis"

STRUCTURES = {
    WFP: (
        "FWP_BYTE_BLOB",
        "FWP_VALUE0",
        "FWPM_DISPLAY_DATA0",
        "FWPM_SESSION0",
        "FWPM_SUBLAYER0",
        "FWPM_CALLOUT0",
        "FWPM_ACTION0",
        "FWPM_FILTER0",
    ),
    NDIS: ("NDIS_OBJECT_HEADER",),
    # Not ours: mingw's, of which the driver uses these, and which for ARM64 were never meant.
    KERNEL: (
        "MDL",
        "IRP",
        "IO_STACK_LOCATION",
        "FILE_OBJECT",
        "DRIVER_OBJECT",
        "DEVICE_OBJECT",
        "KEVENT",
    ),
    SERVICES: ("KLOCK_QUEUE_HANDLE",),
}
CONSTANTS = {
    WFP: (
        "FWPM_SESSION_FLAG_DYNAMIC",
        "FWP_CONDITION_FLAG_IS_LOOPBACK",
        "FWP_CONDITION_FLAG_IS_FRAGMENT",
        "FWP_CONDITION_FLAG_IS_FRAGMENT_GROUP",
        "FWP_CONDITION_FLAG_IS_REASSEMBLED",
        "FWP_ACTION_FLAG_TERMINATING",
        "FWP_ACTION_FLAG_NON_TERMINATING",
        "FWP_ACTION_FLAG_CALLOUT",
        "FWP_ACTION_BLOCK",
        "FWP_ACTION_PERMIT",
        "FWP_ACTION_CALLOUT_UNKNOWN",
        "FWP_ACTION_CONTINUE",
        "FWP_EMPTY",
        "FWP_UINT8",
        "FWP_UINT16",
        "FWP_UINT32",
        "FWP_UINT64",
    ),
}


def missing() -> str | None:
    if importlib.util.find_spec("win32more") is None:
        return "win32more-microsoft-windows-wdk-win32metadata is not installed"
    return None


def _prepare(architecture: str) -> None:
    for name in ("FormatError", "GetLastError", "WinError", "windll"):
        setattr(ctypes, name, mock.MagicMock())
    ctypes.WINFUNCTYPE = ctypes.CFUNCTYPE  # type: ignore[misc]
    ctypes.HRESULT = ctypes.c_int32  # type: ignore[assignment,misc]
    sys.version += f" ({architecture})"  # how win32more knows what it runs on
    found = importlib.util.find_spec("win32more")
    assert found is not None and found.submodule_search_locations is not None
    package = types.ModuleType("win32more")
    package.__path__ = list(found.submodule_search_locations)
    sys.modules["win32more"] = package


def _fields(structure: Any) -> dict[str, int]:
    """Offsets by name; what is anonymous in C is looked into."""
    offsets = {}
    for name, kind, *_ in structure._fields_:
        offset = getattr(structure, name).offset
        if name.startswith("Anonymous"):
            for inner, at in _fields(kind).items():
                offsets[inner] = offset + at
        else:
            offsets[name] = offset
    return offsets


def _constant(module: Any, name: str) -> int:
    value = getattr(module, name)
    return int(getattr(value, "value", value))


def read(statuses: list[str]) -> dict[str, Any]:
    layouts, constants, keys = {}, {}, {}
    for place, names in STRUCTURES.items():
        module = importlib.import_module(place)
        for name in names:
            structure = getattr(module, name)
            layouts[name] = {"size": ctypes.sizeof(structure), "fields": _fields(structure)}
    for place, names in CONSTANTS.items():
        module = importlib.import_module(place)
        for name in names:
            constants[name] = _constant(module, name)
    module = importlib.import_module(WFP)
    for name in dir(module):
        if name.startswith("FWPM_LAYER_"):
            value = getattr(module, name)
            if type(value).__name__ == "Guid":
                keys[name] = str(value).strip("{}").lower()
    foundation = importlib.import_module(FOUNDATION)
    for name in statuses:
        constants[name] = _constant(foundation, name) & 0xFFFFFFFF
    return {"layouts": layouts, "constants": constants, "keys": keys}


if __name__ == "__main__":
    _prepare(sys.argv[1])
    json.dump(read(sys.argv[2:]), sys.stdout)
