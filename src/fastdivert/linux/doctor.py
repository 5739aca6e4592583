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
from typing import Any, Final

from fastdivert.live.report import Check, Report, Result

__all__ = ["TIERS", "Check", "Report", "Result", "examine"]

_BTF: Final = "/sys/kernel/btf/vmlinux"

#: What the driver attaches to, by the tier that the kernel was found to be of.
TIERS: Final = {
    "full": "programs at tcx, which go with their process",
    "clsact": "filters at clsact, which jump into programs that go with their process",
    "none": "programs cannot be loaded, so nobody can tell",
}

#: What the driver does without, if the kernel has it not.
_SPARE: Final = {
    "casts": "no packet metadata (bpf_cast_to_kern_ctx, Linux 6.2, or BTF is missing): "
    "the state of checksums is told by the packets themselves",
    "reads": "no reading of kernel memory (lockdown): the kind of segmentation is told by the "
    "packets themselves",
    "loops": "no counted loops (bpf_iter_num, Linux 6.4): behind more than 16 IPv6 extension "
    "headers no transport header is known",
}

#: Capabilities by bit, and those that imply others: capabilities(7).
_CAPABILITIES: Final = {"CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13, "CAP_PERFMON": 38, "CAP_BPF": 39}
_SYS_ADMIN: Final = 21
_IN_SYS_ADMIN: Final = ("CAP_BPF", "CAP_PERFMON")


def examine() -> Report:
    """Looks at everything, and tries it."""
    if not sys.platform.startswith("linux"):
        found = f"{platform.system()} {platform.machine()}: this build has no live driver for it"
        cure = "use Linux, or the replay driver, which needs neither"
        return Report(False, "none", [Check("platform", Result.FAILED, found, cure)])
    looked: tuple[Callable[[], Check], ...] = (
        _platform,
        _extension,
        _kernel,
        _features,
        _capabilities,
        _user_namespace,
        _btf,
        _lockdown,
        _unprivileged,
        _compiler,
        _locked_memory,
        _handles,
        _programs,
        _leftovers,
    )
    checks = [look() for look in looked]
    opened = _open_here()
    diverted = _divert_one(opened)
    works = opened.result is Result.OK and diverted.result is not Result.FAILED
    return Report(works, _found()["tier"], [*checks, opened, diverted])


# ---- the system --------------------------------------------------------------


def _platform() -> Check:
    return Check("platform", Result.OK, f"Linux, {platform.machine()}")


def _found() -> dict[str, Any]:
    """The kernel's features, as the driver finds them by loading programs."""
    try:
        from fastdivert.linux import _linux

        return _linux.features()
    except (ImportError, OSError):
        return {"tier": "none"}


def _kernel() -> Check:
    tier = _found()["tier"]
    found = f"{platform.release()}, tier {tier}: {TIERS[tier]}"
    return Check("kernel", Result.SKIPPED if tier == "none" else Result.OK, found)


def _features() -> Check:
    found = _found()
    if found["tier"] == "none":
        return Check("features", Result.SKIPPED, TIERS["none"])
    missing = [text for name, text in _SPARE.items() if not found[name]]
    if not missing:
        return Check("features", Result.OK, "all that the driver makes use of")
    return Check("features", Result.NOTE, "; ".join(missing))


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


def _btf() -> Check:
    try:
        size = os.stat(_BTF).st_size
    except OSError as error:
        text = f"{_BTF}: {error.strerror}; without it less is known of packets, see features"
        return Check("BTF", Result.NOTE, text)
    return Check("BTF", Result.OK, f"{_BTF}, {size:,} bytes")


def _lockdown() -> Check:
    state = _setting("/sys/kernel/security/lockdown")
    if state is None:
        return Check("lockdown", Result.OK, "none, or securityfs is not mounted")
    match = re.search(r"\[(\w+)\]", state)
    mode = match[1] if match else state
    if mode != "confidentiality":
        return Check("lockdown", Result.OK, mode)
    return Check("lockdown", Result.NOTE, f"{mode}: programs may not read kernel memory")


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


def _leftovers() -> Check:
    """Filters at clsact stay when their process is killed, and do nothing from then on."""
    name = "leftovers"
    try:
        from fastdivert.linux import _linux

        count = _linux.leftovers(False)
    except (ImportError, OSError) as error:
        return Check(name, Result.SKIPPED, f"cannot be looked for: {error}")
    if not count:
        return Check(name, Result.OK, "none in this network namespace")
    text = f"{count} filter{'s' * (count != 1)} of killed handles, which let everything pass"
    return Check(name, Result.NOTE, text, "the next handle here removes them, or: doctor --clean")


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
