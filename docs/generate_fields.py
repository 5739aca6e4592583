# SPDX-License-Identifier: MIT
"""Write the field table of filter-language.md from the table that the code uses.

python docs/generate_fields.py          # rewrite the page
python docs/generate_fields.py --check  # exit with 1 if the page is not current
"""

from __future__ import annotations

import sys
from pathlib import Path

from fastdivert.enums import Layer
from fastdivert.filter.fields import FIELDS, Field, Header, Source, Style

PAGE = Path(__file__).with_name("filter-language.md")
BEGIN = "<!-- fields: written by generate_fields.py -->\n"
END = "<!-- end of fields -->\n"

HEADERS = {
    Header.NONE: "",
    Header.IP: "IPv4 header",
    Header.IPV6: "IPv6 header",
    Header.ICMP: "ICMP header",
    Header.ICMPV6: "ICMPv6 header",
    Header.TCP: "TCP header",
    Header.UDP: "UDP header",
}

# What is no field of a header says here what it is.
MEANINGS = {
    "zero": "0",
    "inbound": "1 for a packet or event that came in",
    "outbound": "1 for a packet or event that goes out",
    "ifIdx": "index of the interface",
    "subIfIdx": "index of the sub-interface",
    "ip": "1 for IPv4",
    "ipv6": "1 for IPv6",
    "icmp": "1 for ICMP",
    "tcp": "1 for TCP",
    "udp": "1 for UDP",
    "icmpv6": "1 for ICMPv6",
    "tcp.PayloadLength": "bytes of TCP payload",
    "udp.PayloadLength": "bytes of UDP payload",
    "loopback": "1 for loopback traffic",
    "impostor": "1 for a packet that another driver injected",
    "processId": "process that the event belongs to",
    "localAddr": "local address, IPv4 as ::ffff:a.b.c.d",
    "remoteAddr": "remote address, IPv4 as ::ffff:a.b.c.d",
    "localPort": "local port; of an outbound ICMP message its type",
    "remotePort": "remote port; of an inbound ICMP message its type",
    "protocol": "IP protocol",
    "endpointId": "endpoint of the flow or socket",
    "parentEndpointId": "endpoint that it was made from",
    "layer": "layer of the handle that was opened or closed",
    "priority": "priority of that handle",
    "event": "the event",
    "length": "bytes of the packet",
    "timestamp": "when the packet or event was seen",
    "random8": "8 bits of a hash of the packet and its time",
    "random16": "16 bits of it",
    "random32": "32 bits of it",
    "fragment": "1 for a fragment of an IP packet",
}


def meaning(field: Field) -> str:
    """What the value of a field is."""
    if field.source is Source.HEADER:
        header = HEADERS[field.header]
        width = {1: "byte", 2: "2 bytes", 4: "4 bytes", 16: "16 bytes"}[field.width]
        if field.bits == 8 * field.width:
            return f"{width} at offset {field.offset} of the {header}"
        last = field.shift + field.bits - 1
        bits = f"bit {last}" if field.bits == 1 else f"bits {last} to {field.shift}"
        return f"{bits} of the {width} at offset {field.offset} of the {header}"
    if field.source is Source.PACKET:
        return f"{field.bits} bits of the packet at an index"
    if field.source is Source.PAYLOAD:
        return f"{field.bits} bits of the {field.header.name} payload at an index"
    return MEANINGS[field.name]


def values(field: Field) -> str:
    """The constants that decide something."""
    if field.style is Style.BOOL:
        return "0, 1"
    if field.style is Style.IPV4:
        return "IPv4 addresses"
    if field.style is Style.IPV6:
        return "addresses"
    if field.style is Style.LAYER:
        return "layers"
    if field.style is Style.EVENT:
        return "events"
    lowest, highest = field.bounds or (0, (1 << field.bits) - 1)
    if highest.bit_length() > 20:
        highest_text = f"2^{highest.bit_length()} - 1"
        lowest_text = f"-2^{(-lowest).bit_length() - 1}" if lowest < 0 else str(lowest)
        return f"{lowest_text} to {highest_text}"
    if field.style is Style.HEX:
        return f"{lowest:#x} to {highest:#x}"
    return f"{lowest} to {highest}"


def table() -> str:
    """The table as Markdown."""
    letters = {
        Layer.NETWORK: "N",
        Layer.NETWORK_FORWARD: "M",
        Layer.FLOW: "F",
        Layer.SOCKET: "S",
        Layer.REFLECT: "R",
    }
    lines = ["| field | layers | value | constants |", "|---|---|---|---|"]
    for field in FIELDS:
        layers = " ".join(letters[layer] for layer in Layer if field.exists_at(layer))
        name = f"{field.name}[i]" if field.indexed else field.name
        lines.append(f"| `{name}` | {layers} | {meaning(field)} | {values(field)} |")
    return "\n".join(lines) + "\n"


def current(page: str) -> str:
    """The page with its table made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def main(arguments: list[str]) -> int:
    page = PAGE.read_text(encoding="utf-8")
    if arguments == ["--check"]:
        return int(current(page) != page)
    PAGE.write_text(current(page), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
