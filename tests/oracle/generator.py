# SPDX-License-Identifier: MIT
"""Random filters, good and broken, from a seeded ``random.Random``.

``random_filter`` follows the grammar, and aims at what is hard: constants at
and just outside of the bounds of their field, every spelling of operators,
numbers and addresses, nested conditionals, constants as branches. ``mutate``
breaks a filter at the level of characters or of words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastdivert.enums import Layer
from fastdivert.filter.fields import CONSTANTS, EVENT_CONSTANTS, FIELDS, Field, Style

if TYPE_CHECKING:
    from random import Random

OPERATORS: Final = ("=", "==", "!=", "<", "<=", ">", ">=")
_SPACES: Final = (" ", " ", " ", "  ", "\t", "\n ")
_FIELDS: Final = {
    layer: tuple(field for field in FIELDS if field.exists_at(layer)) for layer in Layer
}
_WORDS: Final = tuple(
    word
    for line in (
        "and or not && || ! ( ) ? : [ ] - = == != < <= > >= true false tcp udp ip ipv6 0 1 80",
        "443 0x50 65536 5b 1.2.3.4 ::1 fe80:: inbound tcp.DstPort packet event BIND PACKET",
        "CLOSE TCP tcp.Syn length (tcp? udp: ip) & | % . _ b 80b processId foo random8",
        "timestamp packet[0] tcp.Payload32[-1] zero",
    )
    for word in line.split()
)
_CHARACTERS: Final = "()[]!?:=<>&|-. \tb0159xafTtcp%_,{}/"


def random_filter(rng: Random, layer: int = 0, tests: int | None = None) -> str:
    """A filter that the reference compiles, of about so many tests."""
    if tests is None:
        tests = rng.choice((1, 1, 2, 3, 3, 5, 8, 13, 21)) if rng.random() < 0.99 else 60
    return _expression(rng, Layer(layer), tests, 0)


def _expression(rng: Random, layer: Layer, tests: int, depth: int) -> str:
    """An expression that may be an operand of nothing yet: parenthesized by its user."""
    if tests <= 1:
        if depth and rng.random() < 0.07:
            return rng.choice(("true", "false", "not true", "zero", "true > 0", "false != 1"))
        return random_test(rng, layer)
    kind = rng.random()
    if kind < 0.22 and tests >= 2:
        return _conditional(rng, layer, tests, depth)
    terms = min(tests, rng.choice((2, 2, 2, 3, 4)))
    sizes = _split(rng, tests, terms)
    words = ("and", "&&") if rng.random() < 0.5 else ("or", "||")
    mixed = rng.random() < 0.15
    parts: list[str] = []
    for number, size in enumerate(sizes):
        if number:
            if mixed:
                words = rng.choice((("and", "&&"), ("or", "||")))
            parts.append(rng.choice(words))
        text = _expression(rng, layer, size, depth + 1)
        needed = size > 1 and not mixed and not (text[0] == "(" and _is_one_group(text))
        if needed or rng.random() < 0.05:
            text = f"({text})"
        parts.append(text)
    return rng.choice(_SPACES).join(parts)


def _conditional(rng: Random, layer: Layer, tests: int, depth: int) -> str:
    condition, then, otherwise = (
        rng.choice(("true", "false")) if size == 0 else _expression(rng, layer, size, depth + 1)
        for size in (max(1, tests // 3), *_split(rng, tests - max(1, tests // 3) + 1, 2, 0))
    )
    colon = rng.choice((": ", " : ", " :"))
    if then.endswith(":") or otherwise.startswith(":"):
        colon = " : "
    return f"({condition}{rng.choice(('? ', '?', ' ?'))}{then}{colon}{otherwise})"


def _split(rng: Random, total: int, parts: int, least: int = 1) -> list[int]:
    sizes = [least] * parts
    for _ in range(total - least * parts):
        sizes[rng.randrange(parts)] += 1
    return sizes


def _is_one_group(text: str) -> bool:
    depth = 0
    for position, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return position == len(text) - 1
    return False


def random_test(rng: Random, layer: Layer) -> str:
    """One test, with or without ``not``, operator and constant."""
    field = rng.choice(_FIELDS[layer])
    negation = ""
    if rng.random() > 0.85:
        negation = "".join(rng.choices(("not ", "!", "! ", "not\t"), k=rng.choice((1, 1, 1, 2))))
    space = rng.choice(("", " ", " ", " "))
    subject = field.name + _index(rng, field)
    if rng.random() < (0.7 if field.style is Style.BOOL else 0.1):
        return negation + subject
    return f"{negation}{subject}{space}{rng.choice(OPERATORS)}{space}{_constant(rng, field, layer)}"


def _index(rng: Random, field: Field) -> str:
    if not field.indexed:
        return ""
    in_bytes = rng.random() < 0.5
    unit = 1 if in_bytes else field.width
    sign = "-" if rng.random() < 0.4 else ""
    lowest = (field.width + unit - 1) // unit if sign else 0
    highest = 0xFFFF // unit if sign else (0xFFFF - field.width) // unit
    index = rng.choice((lowest, lowest + 1, lowest + 7, highest, rng.randint(lowest, highest)))
    spelled = rng.choice((f"{index}", f"{index}", f"0{index}", f"{index:#x}"))
    if in_bytes:
        spelled = f"{index}b"
    space = rng.choice(("", "", " "))
    return f"{space}[{sign}{spelled}{space}]"


def _constant(rng: Random, field: Field, layer: Layer) -> str:
    kind = rng.random()
    if kind < 0.08:
        return rng.choice((*CONSTANTS, *EVENT_CONSTANTS[layer]))
    if field.style is Style.EVENT and kind < 0.8:
        return rng.choice(tuple(EVENT_CONSTANTS[layer]))
    if field.style is Style.LAYER and kind < 0.8:
        return rng.choice([one.name for one in Layer])
    if field.style in (Style.IPV4, Style.IPV6) and kind < 0.9:
        return random_ipv4(rng) if field.style is Style.IPV4 else random_address(rng)
    lowest, highest = field.bounds or (0, (1 << field.bits) - 1)
    if kind < 0.7:
        value = rng.randint(lowest, min(highest, lowest + rng.choice((1, 9, 255, highest))))
    else:
        edge = rng.choice((lowest, highest))
        value = edge + rng.choice((-1, 0, 0, 1))
        if rng.random() < 0.1:
            value = rng.choice((1 << 32, 1 << 64, (1 << 128) - 1, -5, -(1 << 32)))
    sign, magnitude = "-" if value < 0 else "", min(abs(value), (1 << 128) - 1)
    spelled = rng.choice((f"{magnitude}", f"{magnitude}", f"{magnitude:#x}", f"0x0{magnitude:X}"))
    return sign + (spelled if len(spelled) < 39 else f"{magnitude:#x}")


def random_ipv4(rng: Random) -> str:
    """An IPv4 address, at times with a part that has leading zeros."""
    parts = [str(rng.choice((0, 1, 10, 127, 255, rng.randint(0, 255)))) for _ in range(4)]
    if rng.random() < 0.1:
        parts[rng.randrange(4)] = "0" + rng.choice(parts)
    return ".".join(parts)


def random_address(rng: Random) -> str:
    """An IPv6 or IPv4 address in one of its spellings."""
    kind = rng.random()
    if kind < 0.15:
        return random_ipv4(rng)
    if kind < 0.3:
        return rng.choice(("::", "::ffff:", "::FFFF:", "::0:", "0:0:")) + random_ipv4(rng)
    groups = [rng.choice((0, 0, 1, 0xFFFF, rng.randrange(1 << 16))) for _ in range(8)]
    texts = [rng.choice((f"{group:x}", f"{group:04X}")) for group in groups]
    if kind < 0.5:
        texts[0] = "fe80"[: rng.randint(1, 4)]
        texts[7] = texts[7].lstrip("0") or "0"
        return ":".join(texts) if len(":".join(texts)) < 39 else "1:2:3:4:5:6:7:8"
    start = rng.randrange(9)
    stop = rng.randint(start, 8)
    text = ":".join(texts[:start]) + "::" + ":".join(texts[stop:])
    # With a colon behind it, a word of 39 characters is too long.
    return text if len(text) < 39 else f"{groups[0]:x}::{groups[7]:x}"


def mutate(rng: Random, text: str) -> str:
    """The filter with a few random changes; often broken, sometimes still good."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        text = _mutate_words(rng, text) if rng.random() < 0.5 else _mutate_characters(rng, text)
    return text


def _mutate_characters(rng: Random, text: str) -> str:
    position = rng.randint(0, len(text))
    match rng.randrange(4):
        case 0:
            return text[:position] + rng.choice(_CHARACTERS) + text[position:]
        case 1:
            return text[:position] + text[position + rng.choice((1, 1, 2, 5)) :]
        case 2:
            return text[:position] + rng.choice(_CHARACTERS) + text[position + 1 :]
        case _:
            return text[:position]


def _mutate_words(rng: Random, text: str) -> str:
    words = text.split(" ")
    position = rng.randrange(len(words))
    match rng.randrange(4):
        case 0:
            words.insert(position, rng.choice(_WORDS))
        case 1:
            del words[position]
        case 2:
            words[position] = rng.choice(_WORDS)
        case _:
            other = rng.randrange(len(words))
            words[position], words[other] = words[other], words[position]
    return " ".join(words)
