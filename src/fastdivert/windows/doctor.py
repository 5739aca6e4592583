# SPDX-License-Identifier: MIT
"""Whether live capture works on this Windows; if not, why, and what to do about it.

The verdict is that of a real try: a handle that matches nothing is opened and
closed. The checks before it say why it fails where it does.
"""

from __future__ import annotations

import platform
import sys
from typing import Any, Final

from fastdivert.live.report import Check, Report, Result

_CONTROL: Final = r"SYSTEM\CurrentControlSet\Control"
_BCDEDIT: Final = "bcdedit /set testsigning on, as administrator, and restart"


def examine() -> Report:
    """Looks at everything, and tries it."""
    looked = (_platform, _extension, _administrator, _driver, _test_signing, _secure_boot, _service)
    checks = [look() for look in looked]
    opened = _open_here()
    tier = "testing" if _allows_test_signatures() else "signed"
    return Report(opened.result is Result.OK, tier, [*checks, opened])


def _platform() -> Check:
    return Check("platform", Result.OK, f"{platform.platform()}, {platform.machine()}")


def _extension() -> Check:
    try:
        from fastdivert.windows import _windows
    except ImportError as error:
        return Check("extension", Result.FAILED, f"cannot be loaded: {error}", "install a wheel")
    return Check("extension", Result.OK, (_windows.__file__ or "built in").rpartition("\\")[2])


def _administrator() -> Check:
    import ctypes

    if sys.platform == "win32" and ctypes.windll.shell32.IsUserAnAdmin():
        return Check("administrator", Result.OK, "yes")
    cure = "start the terminal with Run as administrator"
    return Check("administrator", Result.FAILED, "no: only administrators may take packets", cure)


def _driver() -> Check:
    from fastdivert.windows.driver_file import DRIVER_VARIABLE, driver_file

    file = driver_file()
    if file.is_file():
        return Check("driver file", Result.OK, f"{file}, {file.stat().st_size:,} bytes")
    cure = f"install a wheel, or name a fastdivert.sys in {DRIVER_VARIABLE}"
    return Check("driver file", Result.FAILED, f"{file}: no such file", cure)


def _registry(path: str, name: str) -> Any:
    """A value below HKEY_LOCAL_MACHINE, or None."""
    if sys.platform != "win32":
        return None
    import winreg

    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:
            return winreg.QueryValueEx(key, name)[0]
    except OSError:
        return None


def _allows_test_signatures() -> bool:
    options = _registry(_CONTROL, "SystemStartOptions")
    return "TESTSIGNING" in str(options).upper()


def _test_signing() -> Check:
    if _allows_test_signatures():
        return Check("test signing", Result.OK, "on: drivers with a test signature load")
    found = "off: only drivers that Microsoft has signed load"
    return Check("test signing", Result.NOTE, f"{found}; for a test machine: {_BCDEDIT}")


def _secure_boot() -> Check:
    state = _registry(_CONTROL + r"\SecureBoot\State", "UEFISecureBootEnabled")
    if state is None:
        return Check("Secure Boot", Result.SKIPPED, "this machine does not tell")
    if state:
        return Check("Secure Boot", Result.NOTE, "on: test signing cannot be switched on with it")
    return Check("Secure Boot", Result.OK, "off")


def _service() -> Check:
    from fastdivert.windows.errors import DriverError

    try:
        from fastdivert.windows import _windows

        state, path = _windows.query_service()
    except (ImportError, DriverError) as error:
        return Check("service", Result.SKIPPED, str(error))
    return Check("service", Result.OK, f"{state}, {path}" if path else state)


def _open_here() -> Check:
    import fastdivert as fd

    name = "a handle here"
    try:
        fd.open("false", flags=fd.Flag.SNIFF).close()
    except (fd.FastDivertError, NotImplementedError, OSError, MemoryError) as error:
        # The driver's messages say the cause, and after it the cure.
        cause, _, cure = str(error).partition("; ")
        kind = getattr(error, "kind", type(error).__name__)
        return Check(name, Result.FAILED, f"refused ({kind}): {cause}", cure)
    return Check(name, Result.OK, "opened and closed")
