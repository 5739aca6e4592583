# SPDX-License-Identifier: MIT
"""IPv4 and IPv6 addresses as text, by WinDivert's rules.

What WinDivert accepts and ``ipaddress`` does not: leading zeros in the parts
of an IPv4 address (decimal, not octal), ``::`` that stands for no group at
all, and an IPv4 tail behind fewer than six groups without a ``::``. What it
refuses: an IPv4 tail anywhere but in ::a.b.c.d and ::ffff:a.b.c.d, and one
behind six written groups.
"""

from __future__ import annotations

from typing import Final

from .fields import IPV4_MAPPED

_DIGITS: Final = frozenset("0123456789")
_HEX_DIGITS: Final = frozenset("0123456789abcdefABCDEF")
_GROUPS: Final = 8
_GROUPS_BEFORE_IPV4_MAX: Final = 5


class AddressError(ValueError):
    """A text that is no address.

    Attributes:
        text: what was to be an address.
        problem: why it is none.
        position: where, in characters of ``text`` from 0.
    """

    def __init__(self, text: str, kind: str, problem: str, position: int) -> None:
        self.text = text
        self.problem = f"{text!r} is no {kind} address: {problem}"
        self.position = position
        super().__init__(f"{self.problem} at position {position}")


def _parse_ipv4(text: str, start: int, whole: str, kind: str) -> int:
    """The address that is ``whole[start:]``, here ``text``."""
    parts = text.split(".")
    if len(parts) != 4:
        raise AddressError(whole, kind, f"{len(parts)} parts between dots, not 4", start)
    address = 0
    position = start
    for part in parts:
        if not part or not _DIGITS.issuperset(part):
            raise AddressError(whole, kind, f"{part!r} is no decimal number", position)
        significant = part.lstrip("0")
        if len(significant) > 3 or int(significant or "0") > 255:
            raise AddressError(whole, kind, f"{part!r} is above 255", position)
        address = address << 8 | int(significant or "0")
        position += len(part) + 1
    return address


def parse_ipv4(text: str) -> int:
    """The address as a number of 32 bits: ``parse_ipv4("10.0.0.1") == 0x0A000001``."""
    return _parse_ipv4(text, 0, text, "IPv4")


def format_ipv4(address: int) -> str:
    """The text of an address given as a number of 32 bits."""
    if not 0 <= address <= 0xFFFFFFFF:
        raise ValueError(f"{address} is no IPv4 address: it is not between 0 and 2**32 - 1")
    return ".".join(str(address >> shift & 0xFF) for shift in (24, 16, 8, 0))


def ipv6_from_text(text: str) -> int:
    """The address as a number of 128 bits."""
    if ":" not in text:
        # WinDivert's function reads this as ::a.b.c.d, though it writes
        # ::ffff:a.b.c.d so, and its filters read it as ::ffff:a.b.c.d.
        return IPV4_MAPPED | _parse_ipv4(text, 0, text, "IPv6")

    left: list[int] = []
    right: list[int] | None = None
    groups = left
    position = 0
    if text.startswith("::"):
        groups = right = []
        position = 2
    while position < len(text):
        stop = text.find(":", position)
        group = text[position:] if stop < 0 else text[position:stop]
        if stop < 0 and "." in group and len(left) <= _GROUPS_BEFORE_IPV4_MAX:
            ipv4 = _parse_ipv4(group, position, text, "IPv6")
            return _with_ipv4_tail(text, position, _assembled(text, left, right or [], 2), ipv4)
        groups.append(_parse_group(group, text, position))
        if stop < 0:
            break
        position = stop + 1
        if text.startswith(":", position):
            if right is not None:
                raise AddressError(text, "IPv6", "a second '::'", stop)
            groups = right = []
            position += 1
        elif position == len(text):
            raise AddressError(text, "IPv6", "a single ':' at its end", stop)
    if right is None and len(left) < _GROUPS:
        raise AddressError(text, "IPv6", f"{len(left)} groups, not {_GROUPS}", 0)
    return _assembled(text, left, right or [], 0)


def _parse_group(group: str, text: str, position: int) -> int:
    if not 1 <= len(group) <= 4 or not _HEX_DIGITS.issuperset(group):
        problem = f"{group!r} is no group of 1 to 4 hex digits"
        raise AddressError(text, "IPv6", problem, position)
    return int(group, 16)


def _assembled(text: str, left: list[int], right: list[int], tail: int) -> int:
    """The groups left and right of ``::``, with so many zero groups behind them."""
    written = len(left) + len(right) + tail
    if written > _GROUPS:
        raise AddressError(text, "IPv6", f"{written} groups, not {_GROUPS}", 0)
    address = 0
    for group in (*left, *[0] * (_GROUPS - written), *right, *[0] * tail):
        address = address << 16 | group
    return address


def _with_ipv4_tail(text: str, position: int, prefix: int, ipv4: int) -> int:
    if prefix not in (0, IPV4_MAPPED):
        problem = "an IPv4 tail outside of ::a.b.c.d and ::ffff:a.b.c.d"
        raise AddressError(text, "IPv6", problem, position)
    return prefix | ipv4


def ipv6_to_text(address: int) -> str:
    """The text of an address given as a number of 128 bits.

    As WinDivert writes it: an IPv4-mapped address as IPv4, the first longest
    run of zero groups as ``::`` even if it is a single one.
    """
    if address >> 32 == IPV4_MAPPED >> 32:
        return format_ipv4(address & 0xFFFFFFFF)
    groups = [address >> 16 * shift & 0xFFFF for shift in range(_GROUPS - 1, -1, -1)]
    start, length = _longest_zero_run(groups)
    if not length:
        return ":".join(f"{group:x}" for group in groups)
    before = ":".join(f"{group:x}" for group in groups[:start])
    behind = ":".join(f"{group:x}" for group in groups[start + length :])
    return f"{before}::{behind}"


def _longest_zero_run(groups: list[int]) -> tuple[int, int]:
    best_start = best_length = length = 0
    for index, group in enumerate(groups):
        length = length + 1 if group == 0 else 0
        if length > best_length:
            best_start, best_length = index - length + 1, length
    return best_start, best_length


def parse_ipv6(text: str) -> bytes:
    """The 16 bytes of an address, in network order.

    A bare IPv4 address gives its IPv4-mapped form, so that this is the inverse
    of ``format_ipv6``.
    """
    return ipv6_from_text(text).to_bytes(16, "big")


def format_ipv6(address: bytes) -> str:
    """The text of an address given as 16 bytes in network order.

    An IPv4-mapped address (::ffff:a.b.c.d) is written as a.b.c.d.
    """
    if len(address) != 16:
        raise ValueError(f"an IPv6 address has 16 bytes, not {len(address)}")
    return ipv6_to_text(int.from_bytes(address, "big"))
