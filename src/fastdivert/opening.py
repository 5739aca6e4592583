# SPDX-License-Identifier: MIT
"""``fastdivert.open``: arguments checked, filter compiled, driver chosen."""

from __future__ import annotations

import functools
import operator
import sys
from collections.abc import Callable
from typing import Any, Literal

from fastdivert.driver import Channel
from fastdivert.enums import Flag, Layer, Param
from fastdivert.filter import Filter
from fastdivert.filter import compile as compile_filter
from fastdivert.handle import Handle
from fastdivert.params import QueueParams

#: WINDIVERT_PRIORITY_HIGHEST and _LOWEST.
PRIORITY_HIGHEST = 30000
PRIORITY_LOWEST = -PRIORITY_HIGHEST

_ALL_FLAGS = functools.reduce(operator.or_, Flag)


def open(
    filter: str | Filter = "true",
    layer: Layer | int = Layer.NETWORK,
    priority: int = 0,
    flags: Flag | int = Flag.NONE,
    *,
    driver: Literal["linux", "windows", "replay"] | None = None,
    queue_length: int | None = None,
    queue_time: int | None = None,
    queue_size: int | None = None,
    **options: Any,
) -> Handle:
    """Opens a handle: from now on the driver takes what the filter matches.

    Args:
        filter: WinDivert 2.2 filter text, or a compiled Filter (whose layer must be this one).
        layer: where to take packets or events.
        priority: -30000 to 30000; a packet goes to the highest priority first,
            and what a handle sends is seen by those below it.
        flags: how to take them; SNIFF with DROP, and RECV_ONLY with SEND_ONLY,
            exclude each other.
        driver: "replay" plays a capture; None takes the one of this system.
        queue_length, queue_time, queue_size: packets, milliseconds and bytes
            that may wait in the queue; by default 4096, 2000, 4 MiB.
        **options: the driver's own. replay: ``source`` (a capture file, batches,
            or a Replay that several handles share), ``sink``, ``pace``,
            ``unmatched``; see Replay. linux: ``overflow`` ("drop", or "pass" to let
            go by what finds no room), ``busy_poll`` (seconds that ``recv`` spins
            before it sleeps), ``segment`` (True: packets as they go over the wire
            instead of super-packets).

    Raises:
        FilterError: the filter does not compile; nothing was opened.
        ValueError: priority, flags or a queue parameter is out of range.
        NotImplementedError: this build has no live driver for this system.
        fastdivert.live.errors.DriverError: the system refused; the message says the
            cause and the cure, and so does ``fastdivert doctor``.
        CaptureError, OSError: the replay's files.
    """
    compiled = _compile(filter, Layer(layer))
    priority = operator.index(priority)
    if not PRIORITY_LOWEST <= priority <= PRIORITY_HIGHEST:
        raise ValueError(
            f"priority is {priority}; {PRIORITY_LOWEST} to {PRIORITY_HIGHEST} is needed"
        )
    params = QueueParams()
    for param, value in (
        (Param.QUEUE_LENGTH, queue_length),
        (Param.QUEUE_TIME, queue_time),
        (Param.QUEUE_SIZE, queue_size),
    ):
        if value is not None:
            params.set(param, value)
    checked = _check_flags(flags, compiled.layer)
    make = _channel_maker(driver)
    channel = make(compiled, priority, checked, params, **options)
    return Handle(channel, compiled, priority, checked)


def _compile(filter: str | Filter, layer: Layer) -> Filter:
    if isinstance(filter, str):
        return compile_filter(filter, layer)
    if filter.layer != layer:
        raise ValueError(f"the filter was compiled for {filter.layer.name}, not for {layer.name}")
    return filter


def _check_flags(flags: Flag | int, layer: Layer) -> Flag:
    if int(flags) & ~int(_ALL_FLAGS):
        raise ValueError(f"flags {int(flags):#x} have bits that no flag has")
    checked = Flag(flags)
    for one, other in ((Flag.SNIFF, Flag.DROP), (Flag.RECV_ONLY, Flag.SEND_ONLY)):
        if one in checked and other in checked:
            raise ValueError(f"{one.name} and {other.name} exclude each other")
    if layer == Layer.FLOW and Flag.SNIFF | Flag.RECV_ONLY not in checked:
        raise ValueError("the FLOW layer needs SNIFF and RECV_ONLY: flows cannot be diverted")
    if layer == Layer.REFLECT and Flag.SNIFF | Flag.RECV_ONLY not in checked:
        raise ValueError("the REFLECT layer needs SNIFF and RECV_ONLY: handles cannot be diverted")
    if layer == Layer.SOCKET and Flag.RECV_ONLY not in checked:
        raise ValueError("the SOCKET layer needs RECV_ONLY: socket events cannot be sent")
    return checked


def _channel_maker(driver: str | None) -> Callable[..., Channel]:
    if driver == "replay":
        return _open_replay
    if driver not in (None, "linux", "windows"):
        raise ValueError(f"driver is {driver!r}; 'linux', 'windows' or 'replay' is needed")
    if (driver or sys.platform) == "linux":
        return _open_linux
    if (driver or sys.platform) in ("windows", "win32"):
        return _open_windows
    raise NotImplementedError(
        f"this build of fastdivert has no live driver for {driver or sys.platform}: "
        "use driver='replay' with source=..."
    )


def _open_linux(
    filter: Filter, priority: int, flags: Flag, params: QueueParams, **options: Any
) -> Channel:
    if filter.layer not in (Layer.NETWORK, Layer.NETWORK_FORWARD):
        raise NotImplementedError(
            f"the Linux driver does not have the {filter.layer.name} layer yet"
        )
    try:
        from fastdivert.linux.channel import open_channel
    except ModuleNotFoundError as error:
        raise NotImplementedError(
            "this build of fastdivert comes without the Linux driver; it is built where clang "
            "is, and driver='replay' works without"
        ) from error
    return open_channel(filter, priority, flags, params, **options)


def _open_windows(
    filter: Filter, priority: int, flags: Flag, params: QueueParams, **options: Any
) -> Channel:
    if filter.layer not in (Layer.NETWORK, Layer.NETWORK_FORWARD):
        raise NotImplementedError(
            f"the Windows driver does not have the {filter.layer.name} layer yet"
        )
    try:
        from fastdivert.windows.channel import open_channel
    except ImportError as error:
        raise NotImplementedError(
            f"this build of fastdivert has no Windows driver, being one for {sys.platform}: "
            "use driver='replay' with source=..."
        ) from error
    return open_channel(filter, priority, flags, params, **options)


def _open_replay(
    filter: Filter, priority: int, flags: Flag, params: QueueParams, **options: Any
) -> Channel:
    from fastdivert.replay import Replay, ReplayChannel

    if "source" not in options:
        raise ValueError("driver='replay' needs source=: a capture file, batches or a Replay")
    source = options.pop("source")
    if isinstance(source, Replay):
        if options:
            raise ValueError(f"a shared Replay already has its {', '.join(options)}")
        replay = source
    else:
        replay = Replay(source, **options)
    return ReplayChannel(replay, filter, priority, flags, params)
