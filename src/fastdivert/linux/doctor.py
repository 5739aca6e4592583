# SPDX-License-Identifier: MIT
"""Whether live capture works here; if not, why, and what to do about it.

The verdict is that of a real try, not of a list: a handle is opened and closed,
and a datagram is diverted in a namespace that goes away. The checks before it
say why it fails where it does.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Callable
from typing import Final

from fastdivert.live.report import Check, Report, Result

__all__ = ["TIERS", "Check", "Report", "Result", "examine"]

_BTF: Final = "/sys/kernel/btf/vmlinux"

#: Tiers of kernels, newest first, and what each would divert by.
TIERS: Final = (
    ((6, 6), "full", "tcx"),
    ((5, 18), "clsact", "clsact with live frames"),
    ((5, 5), "clone", "clsact with clone_redirect"),
    ((0, 0), "none", "nothing that fastdivert could use"),
)

#: The tier that this build has a driver for.
_NEEDED: Final = "full"

#: Capabilities by bit, and those that imply others: capabilities(7).
_CAPABILITIES: Final = {"CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13, "CAP_PERFMON": 38, "CAP_BPF": 39}
_SYS_ADMIN: Final = 21
_IN_SYS_ADMIN: Final = ("CAP_BPF", "CAP_PERFMON")


def examine() -> Report:
    """Looks at everything, and tries it."""
    if not sys.platform.startswith("linux"):
        found = f"{platform.system()} {platform.machine()}: this build has no live driver for it"
        cure = "use Linux 6.6 or later, or the replay driver, which needs neither"
        return Report(False, "none", [Check("platform", Result.FAILED, found, cure)])
    looked: tuple[Callable[[], Check], ...] = (
        _platform,
        _kernel,
        _extension,
        _capabilities,
        _user_namespace,
        _btf,
        _cast,
        _lockdown,
        _unprivileged,
        _compiler,
        _locked_memory,
        _handles,
        _programs,
    )
    checks = [look() for look in looked]
    opened = _open_here()
    diverted = _divert_one(opened)
    works = opened.result is Result.OK and diverted.result is not Result.FAILED
    return Report(works, _tier(platform.release())[0], [*checks, opened, diverted])


# ---- the system --------------------------------------------------------------


def _platform() -> Check:
    return Check("platform", Result.OK, f"Linux, {platform.machine()}")


def _tier(release: str) -> tuple[str, str]:
    match = re.match(r"(\d+)\.(\d+)", release)
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    return next((name, means) for since, name, means in TIERS if version >= since)


def _kernel() -> Check:
    release = platform.release()
    tier, means = _tier(release)
    found = f"{release}, tier {tier}: {means}"
    if tier == _NEEDED:
        return Check("kernel", Result.OK, found)
    return Check("kernel", Result.FAILED, found, "boot Linux 6.6 or later: this build needs tcx")


def _extension() -> Check:
    try:
        from fastdivert.linux import _linux
    except ImportError as error:
        cure = "install clang 15 or later and build fastdivert again, or use its wheel"
        return Check("driver", Result.FAILED, f"cannot be loaded: {error}", cure)
    return Check("driver", Result.OK, os.path.basename(_linux.__file__ or "built in"))


# ---- what this process may -----------------------------------------------------


def _capabilities() -> Check:
    try:
        with open("/proc/thread-self/status", encoding="ascii", errors="replace") as status:
            match = re.search(r"^CapEff:\s*([0-9a-f]+)$", status.read(), re.MULTILINE)
    except OSError as error:
        return Check("capabilities", Result.SKIPPED, f"/proc/thread-self/status: {error.strerror}")
    held = int(match[1], 16) if match else 0
    admin = held >> _SYS_ADMIN & 1
    missing = [
        name
        for name, bit in _CAPABILITIES.items()
        if not held >> bit & 1 and not (admin and name in _IN_SYS_ADMIN)
    ]
    if not missing:
        return Check("capabilities", Result.OK, ", ".join(_CAPABILITIES))
    return Check(
        "capabilities",
        Result.FAILED,
        f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing",
        "run as root, or give these capabilities to the process or to its container",
    )


def _user_namespace() -> Check:
    """Capabilities in a user namespace of one's own are not those that the kernel asks for."""
    try:
        with open("/proc/self/uid_map", encoding="ascii") as table:
            rows = [line.split() for line in table]
    except OSError as error:
        return Check("user namespace", Result.SKIPPED, f"/proc/self/uid_map: {error.strerror}")
    if rows == [["0", "0", "4294967295"]]:
        return Check("user namespace", Result.OK, "the host's")
    return Check(
        "user namespace",
        Result.FAILED,
        "one of its own (a rootless container?): eBPF needs capabilities on the host",
        "run outside of it, or in a container of root's",
    )


# ---- the kernel ----------------------------------------------------------------


def _read_btf() -> bytes:
    with open(_BTF, "rb") as file:
        return file.read()


def _btf() -> Check:
    try:
        size = len(_read_btf())
    except OSError as error:
        return Check(
            "BTF",
            Result.FAILED,
            f"{_BTF}: {error.strerror}",
            "mount sysfs, or boot a kernel that was built with CONFIG_DEBUG_INFO_BTF",
        )
    return Check("BTF", Result.OK, f"{_BTF}, {size:,} bytes")


def _cast() -> Check:
    name = "bpf_cast_to_kern_ctx"
    try:
        there = b"\0" + name.encode() + b"\0" in _read_btf()
    except OSError:
        return Check(name, Result.SKIPPED, "without BTF nobody can tell")
    if there:
        return Check(name, Result.OK, "in BTF")
    return Check(name, Result.FAILED, "not in BTF", "boot Linux 6.2 or later, built with it")


def _lockdown() -> Check:
    state = _setting("/sys/kernel/security/lockdown")
    if state is None:
        return Check("lockdown", Result.OK, "none, or securityfs is not mounted")
    match = re.search(r"\[(\w+)\]", state)
    mode = match[1] if match else state
    if mode != "confidentiality":
        return Check("lockdown", Result.OK, mode)
    cure = "boot with lockdown=integrity or without lockdown"
    return Check("lockdown", Result.FAILED, f"{mode}: eBPF may not read kernel memory", cure)


def _unprivileged() -> Check:
    meaning = {"0": "allowed", "1": "forbidden until the next boot", "2": "forbidden"}
    state = _setting("/proc/sys/kernel/unprivileged_bpf_disabled")
    found = "not known" if state is None else f"{meaning.get(state, 'unknown')} ({state})"
    return Check("unprivileged eBPF", Result.OK, f"{found}; live capture needs capabilities anyway")


def _compiler() -> Check:
    state = _setting("/proc/sys/net/core/bpf_jit_enable")
    if state is None:
        return Check("eBPF compiler", Result.SKIPPED, "not told in this network namespace")
    if state != "0":
        return Check("eBPF compiler", Result.OK, f"on ({state})")
    cure = "sysctl net.core.bpf_jit_enable=1: programs that call kernel functions need it"
    return Check("eBPF compiler", Result.FAILED, "off", cure)


def _locked_memory() -> Check:
    import resource  # not on Windows

    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    text = "unlimited" if limit == resource.RLIM_INFINITY else f"{limit >> 10:,} KiB"
    found = f"limit {text}; eBPF maps do not count since Linux 5.11"
    return Check("locked memory", Result.OK, found)


def _setting(path: str) -> str | None:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return None


# ---- other handles ---------------------------------------------------------------


def _handles() -> Check:
    from fastdivert.linux import namespaces, open_handles
    from fastdivert.linux.errors import DriverError

    try:
        found = open_handles.handles()
        here = namespaces.inode()
    except (DriverError, ModuleNotFoundError, OSError) as error:
        return Check("open handles", Result.SKIPPED, f"cannot be listed: {error}")
    near = [f"{each.command} ({each.pid_here})" for each in found if each.net_namespace == here]
    elsewhere = f"{len(found) - len(near)} in others"
    if not near:
        return Check("open handles", Result.OK, f"none in this network namespace, {elsewhere}")
    text = f"{len(near)} in this network namespace: {', '.join(near)}; {elsewhere}"
    return Check("open handles", Result.NOTE, text)


def _programs() -> Check:
    from fastdivert.linux import loaded

    try:
        found = loaded.priorities()
    except PermissionError:
        return Check("loaded programs", Result.SKIPPED, "only CAP_SYS_ADMIN may list them")
    except (OSError, NotImplementedError) as error:
        return Check("loaded programs", Result.SKIPPED, f"cannot be listed: {error}")
    if not found:
        return Check("loaded programs", Result.OK, "none of fastdivert's in any namespace")
    named = ", ".join(map(str, sorted(set(found), reverse=True)))
    text = f"{len(found)} of fastdivert's in all namespaces, priorities {named}"
    return Check("loaded programs", Result.NOTE, text)


# ---- tried -----------------------------------------------------------------------


def _open_here() -> Check:
    from fastdivert.errors import FastDivertError
    from fastdivert.linux import trial

    try:
        stats = trial.open_here()
    except (FastDivertError, NotImplementedError, OSError, MemoryError) as error:
        # The driver's messages say the cause, and after it the cure.
        cause, _, cure = str(error).partition("; ")
        kind = getattr(error, "kind", type(error).__name__)
        return Check("a handle here", Result.FAILED, f"refused ({kind}): {cause}", cure)
    count = stats["interfaces"]
    attached = f"attached to {count} interface{'s' * (count != 1)}"
    if stats["attach_failures"]:
        failed = f"{attached}, but not to {stats['attach_failures']}"
        cure = "packets of those pass by: see which are special with ip -d link"
        return Check("a handle here", Result.FAILED, failed, cure)
    return Check("a handle here", Result.OK, f"opened, {attached}, closed")


def _divert_one(opened: Check) -> Check:
    from fastdivert.errors import FastDivertError
    from fastdivert.linux import trial

    name = "a packet diverted"
    if opened.result is not Result.OK:
        return Check(name, Result.SKIPPED, "without a handle there is nothing to try")
    try:
        trial.divert_one()
    except PermissionError as error:
        text = f"a namespace to try it in needs CAP_SYS_ADMIN: {error}"
        return Check(name, Result.SKIPPED, text)
    except (FastDivertError, NotImplementedError, OSError, MemoryError) as error:
        cure = "if every other check is ok, please report this"
        return Check(name, Result.FAILED, f"{type(error).__name__}: {error}", cure)
    return Check(name, Result.OK, "taken, edited and delivered in a namespace of its own")
