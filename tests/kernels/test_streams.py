"""What is kept of a guest's stream, however its bytes are cut on the way."""

from __future__ import annotations

import pytest

from tests.kernels.streams import Console, Stream

MARK = b"0123456789abcdef"


def fed(data: bytes, size: int) -> tuple[Stream, list[bytes]]:
    heard: list[bytes] = []
    stream = Stream("stdout", MARK, lambda _, said: heard.append(said))
    for start in range(0, len(data), size):
        stream.feed(data[start : start + size])
    return stream, heard


@pytest.mark.parametrize("size", [1, 2, 7, 16, 1000])
@pytest.mark.parametrize(
    "said", [b"", b"a\n", b"0123", b"no newline", b"0123456789abcde", b"\0\xff"]
)
def test_the_text_is_what_stands_between_the_marks(said: bytes, size: int) -> None:
    stream, heard = fed(b"noise" + MARK + b"\n" + said + MARK + b"42\n", size)
    assert stream.status == 42
    assert b"".join(heard) == said
    assert stream.text() == said.decode(errors="replace")


def test_no_status_before_its_last_digit() -> None:
    unfinished, _ = fed(MARK + b"\nsaid" + MARK + b"12", 1000)
    assert unfinished.status is None
    finished, _ = fed(MARK + b"\nsaid" + MARK + b"125\n", 1000)
    assert (finished.status, finished.text()) == (125, "said")


def test_what_comes_after_the_status_is_not_the_commands() -> None:
    stream, _ = fed(MARK + b"\nsaid" + MARK + b"0\nlate", 1000)
    stream.feed(b"later")
    assert (stream.status, stream.text()) == (0, "said")


def test_text_is_passed_on_at_once() -> None:
    _, heard = fed(MARK + b"\nsaid", 1000)
    assert heard == [b"said"]


def test_nothing_counts_before_the_first_mark() -> None:
    stream, heard = fed(b"noise" * 10, 3)
    assert (stream.began, stream.text(), heard) == (None, "", [])


def test_a_console_keeps_the_end() -> None:
    console = Console()
    for number in range(100_000):
        console.feed(b"%d\r\n" % number)
    assert len(console.text()) <= Console.SIZE
    assert console.tail().splitlines()[-1] == "  console: 99999"
    assert len(console.tail().splitlines()) == Console.LINES + 1
