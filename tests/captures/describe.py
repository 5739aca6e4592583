#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes README.md: what is in each capture, counted by tshark."""

from __future__ import annotations

import subprocess
from pathlib import Path

HERE = Path(__file__).parent

FILES = {
    "http.pcap": ("ns pcap, Ethernet", "HTTP over IPv4 and IPv6, ARP, neighbour discovery"),
    "dns.pcap": ("µs pcap, Ethernet", "DNS over UDP and TCP, IPv4 and IPv6"),
    "icmp.pcap": ("ns pcap, Ethernet", "echo, fragments, port unreachable; v4 and v6, ARP, ND"),
    "bulk.pcap": ("ns pcap, Ethernet", "100 KB over TCP in GSO super-packets"),
    "snapped.pcap": ("µs pcap, Ethernet", "3 MB over TCP, 96 bytes kept of each frame"),
    "vlan.pcap": ("ns pcap, Ethernet", "802.1Q, and 802.1Q in 802.1ad"),
    "cooked-v1.pcap": ("µs pcap, Linux cooked v1", "HTTP, echo, loopback; both directions"),
    "cooked-v2.pcap": ("µs pcap, Linux cooked v2", "the same traffic as cooked-v1"),
    "two-interfaces.pcapng": ("pcapng, two interfaces", "echo on a veth device and on lo"),
    "http-big-endian.pcap": ("ns pcap, big-endian", "http.pcap, converted"),
    "dns-big-endian.pcap": ("µs pcap, big-endian", "dns.pcap, converted"),
    "null.pcap": ("µs pcap, BSD null", "dns.pcap, with FreeBSD's families"),
    "null-big-endian.pcap": ("ns pcap, big-endian, BSD null", "icmp.pcap, with Darwin's families"),
    "loop.pcap": ("µs pcap, OpenBSD loop", "dns.pcap, converted"),
    "raw.pcap": ("ns pcap, raw IP", "the IP packets of icmp.pcap"),
    "rare-blocks.pcapng": (
        "pcapng, sections of both byte orders",
        "EPB with flags, SPB, obsolete PB, unknown blocks; 2^-20 s and 10^-10 s with offsets",
    ),
}
FILTERS = ("", "ip", "ipv6", "tcp", "udp", "icmp or icmpv6")

HEAD = """# Captures

Real traffic between two network namespaces, recorded by `record.py` (as root; it names the
packages that it needs); forms that Linux does not write are made of it by `convert.py`. The
traffic is our own and holds nobody's data. The counts are tshark's, in frames: a quoted packet
in an ICMP error counts for its protocol too. It counts a pcapng block of an unknown type as a
frame: rare-blocks.pcapng has two of those, and 24 packets.

| file | form | content | bytes | frames | ip | ipv6 | tcp | udp | icmp, icmpv6 |
|---|---|---|---|---|---|---|---|---|---|
"""


def count(path: Path, display_filter: str) -> int:
    """Frames that match; without reassembly, so that each fragment counts by itself."""
    lines = subprocess.run(
        (
            *("tshark", "-n", "-r", str(path), "-Y", display_filter),
            *("-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE"),
            *("-T", "fields", "-e", "frame.number"),
        ),
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    return len(lines.splitlines())


def main() -> None:
    rows = []
    for name, (form, content) in FILES.items():
        path = HERE / name
        counts = " | ".join(str(count(path, text)) for text in FILTERS)
        rows.append(f"| `{name}` | {form} | {content} | {path.stat().st_size} | {counts} |\n")
    (HERE / "README.md").write_text(HEAD + "".join(rows))


if __name__ == "__main__":
    main()
