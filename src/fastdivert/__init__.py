# SPDX-License-Identifier: MIT
"""fastdivert: the packets of a running host in bulk.

WinDivert's model (filter language, layers, flags, priorities, queue parameters)
on batches of packets: ``fastdivert.open(...)`` gives a handle, the handle gives
batches, a batch is numpy.
"""

from typing import TYPE_CHECKING, Any

from fastdivert._version import __version__
from fastdivert.batch import Batch
from fastdivert.dtypes import (
    ADDRESS_DTYPE,
    CHECKSUM_DTYPE,
    FAULT_DTYPE,
    HEADER_DTYPE,
    PARSED_DTYPE,
)
from fastdivert.enums import (
    AddressFlag,
    ChecksumFlag,
    Event,
    Flag,
    HeaderFlag,
    Layer,
    Link,
    Param,
    Shutdown,
    Verdict,
)
from fastdivert.errors import (
    CaptureError,
    FastDivertError,
    FilterError,
    HandleClosedError,
    HandleError,
    ReleasedError,
    RingError,
    SendError,
    ShutdownError,
)
from fastdivert.filter import Filter, compile
from fastdivert.filter.address import format_ipv4, format_ipv6, parse_ipv4, parse_ipv6
from fastdivert.handle import Handle
from fastdivert.opening import PRIORITY_HIGHEST, PRIORITY_LOWEST, open
from fastdivert.packet import Packet

if TYPE_CHECKING:
    from fastdivert.pcap import CaptureReader, CaptureWriter, read_pcap, write_pcap
    from fastdivert.replay import Replay

__all__ = [
    "ADDRESS_DTYPE",
    "CHECKSUM_DTYPE",
    "FAULT_DTYPE",
    "HEADER_DTYPE",
    "PARSED_DTYPE",
    "PRIORITY_HIGHEST",
    "PRIORITY_LOWEST",
    "AddressFlag",
    "Batch",
    "CaptureError",
    "CaptureReader",
    "CaptureWriter",
    "ChecksumFlag",
    "Event",
    "FastDivertError",
    "Filter",
    "FilterError",
    "Flag",
    "Handle",
    "HandleClosedError",
    "HandleError",
    "HeaderFlag",
    "Layer",
    "Link",
    "Packet",
    "Param",
    "ReleasedError",
    "Replay",
    "RingError",
    "SendError",
    "Shutdown",
    "ShutdownError",
    "Verdict",
    "__version__",
    "compile",
    "format_ipv4",
    "format_ipv6",
    "open",
    "parse_ipv4",
    "parse_ipv6",
    "read_pcap",
    "write_pcap",
]

# Captures are loaded when they are first asked for: live programs need none of it.
_LATER = {
    "CaptureReader": "pcap",
    "CaptureWriter": "pcap",
    "Replay": "replay",
    "read_pcap": "pcap",
    "write_pcap": "pcap",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
