# SPDX-License-Identifier: MIT
"""What ``fastdivert replay`` prints at the end: a table, or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastdivert.cli.options import print_json
from fastdivert.cli.terminal import print_table

if TYPE_CHECKING:
    from fastdivert.cli.replay import Outcome


def show(outcome: Outcome) -> None:
    """Prints how it went, in the form that was asked for."""
    if outcome.arguments.json:
        print_json(_as_json(outcome))
    else:
        _as_table(outcome)


def _as_json(outcome: Outcome) -> dict[str, Any]:
    arguments, stats = outcome.arguments, outcome.stats
    found: dict[str, Any] = {
        "source": arguments.source,
        "filter": arguments.filter,
        "target": arguments.write,
        "read": outcome.read,
        "read_bytes": outcome.read_bytes,
        "matched": stats["matched"],
        "delivered": stats["delivered"],
        "bytes": outcome.tally.bytes,
        "sent": stats["sent"],
        "written": outcome.written,
        "dropped": {"verdict": stats["verdict_dropped"], **stats["dropped"]},
        "protocols": outcome.tally.protocols(),
        "seconds": outcome.seconds,
        "interrupted": outcome.interrupted,
        "error": None,
    }
    if arguments.talkers is not None:
        found["talkers"] = outcome.tally.talkers(arguments.talkers)
    if outcome.error is not None:
        found["error"] = {"message": outcome.error.message, "offset": outcome.error.offset}
    return found


_CAUSES = {
    "verdict": "dropped by --drop",
    "queue_length": "lost: queue too long",
    "queue_size": "lost: queue too large",
    "queue_time": "lost: too old",
    "oversize": "lost: too large a packet",
    "memory": "lost: no memory",
}


def _as_table(outcome: Outcome) -> None:
    arguments, stats = outcome.arguments, outcome.stats
    packets = [
        ("packets read", f"{outcome.read:,}"),
        ("matched", _share(stats["matched"], outcome.read)),
    ]
    causes = {"verdict": stats["verdict_dropped"], **stats["dropped"]}
    packets += [
        (_CAUSES.get(cause, f"lost: {cause}"), f"{count:,}")
        for cause, count in causes.items()
        if count
    ]
    packets.append(("sent", f"{stats['sent']:,}"))
    if outcome.written is not None:
        packets.append((f"written to {arguments.write}", f"{outcome.written:,}"))
    protocols = [
        (name, _share(count, outcome.tally.packets))
        for name, count in outcome.tally.protocols().items()
    ]
    talkers = [
        (address, f"{total:,} bytes")
        for address, total in outcome.tally.talkers(arguments.talkers or 0).items()
    ]
    speed = [
        ("bytes matched", f"{outcome.tally.bytes:,}"),
        ("time", f"{outcome.seconds:.3f} s"),
        ("packets/s", f"{outcome.read / max(outcome.seconds, 1e-9):,.0f}"),
    ]
    state = " (interrupted)" if outcome.interrupted else ""
    title = f"{arguments.source}: {arguments.filter}{state}"
    print_table(title, [section for section in (packets, protocols, talkers, speed) if section])


def _share(count: int, whole: int) -> str:
    return f"{count:,}  {count / whole:6.1%}" if whole else f"{count:,}"
