# SPDX-License-Identifier: MIT
"""Start inputs for fuzz_capture: small files of every form, good and bad.

    python -m tests.fuzz.seed_capture [FOLDER]

FOLDER is by default where run.sh looks for them; they are made, not kept.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.capture.building import (
    ARP,
    IPV4,
    IPV6,
    LINK_HEADERS,
    block,
    clock,
    enhanced,
    ethernet,
    interface,
    obsolete,
    option,
    pcap,
    pcap_header,
    pcap_record,
    section,
    simple,
)


def seeds() -> Iterator[tuple[str, bytes]]:
    for order, name in (("<", "little"), (">", "big")):
        for link_type, (head4, head6) in LINK_HEADERS.items():
            yield f"link-{link_type}-{name}", pcap([head4 + IPV4, head6 + IPV6], link_type, order)
        direction = option(2, struct.pack(order + "I", 2), order) + option(0, b"", order)
        start = section(order) + interface(1, order, options=clock(9, 5, order))
        start += interface(
            101, order, options=clock(0x80 | 20, 0, order) + option(2, b"raw", order)
        )
        blocks = enhanced(IPV6, order, interface=1, ticks=1 << 40, options=direction)
        blocks += block(77, b"unknown", order) + simple(ethernet(IPV4, 0x0800), order)
        blocks += obsolete(ethernet(ARP, 0x0806), order, interface=0, ticks=7)
        yield f"pcapng-{name}", start + blocks
    yield "two-sections", start + blocks + section("<") + interface(276) + enhanced(b"")
    yield "vlan", pcap([ethernet(IPV4, 0x0800, 0x88A8, 0x8100), ethernet(IPV6, 0x86DD, 0x8100)])
    yield "padded", pcap([ethernet(IPV4 + bytes(6), 0x0800), ethernet(ARP + bytes(18), 0x0806)])
    yield "nanoseconds", pcap_header(1, nanosecond=True) + pcap_record(ethernet(IPV4, 0x0800))
    yield "snapped", pcap_header(1) + pcap_record(ethernet(IPV4, 0x0800)[:40], length=1514)
    yield "cut", pcap([ethernet(IPV4, 0x0800)] * 2)[:-9]
    yield "unknown-link", pcap([IPV4], 127)
    yield "lying", pcap_header(1) + struct.pack("<IIII", 0, 0, 0xFFFFFFFF, 1)
    yield "empty", b""


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in seeds():
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "corpus" / "capture")
