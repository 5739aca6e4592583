"""Selections share bytes, copies share nothing."""

from __future__ import annotations

import numpy as np
import pytest

from tests.traffic import numbered, numbers


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (np.array([True, False, True, False, False, True]), [0, 2, 5]),
        ([True, False, True, False, False, True], [0, 2, 5]),
        ([5, 0, 0], [5, 0, 0]),
        ([-1, -6], [5, 0]),
        (np.array([3], np.int8), [3]),
        (np.array([3], np.uint64), [3]),
        (slice(None, None, -2), [5, 3, 1]),
        (slice(2, 100), [2, 3, 4, 5]),
        (slice(4, 2), []),
        ([], []),
        (np.zeros(6, np.bool_), []),
    ],
)
def test_a_selection_has_the_rows_that_were_asked_for(where, expected):
    batch = numbered(6)

    assert numbers(batch.select(where)) == expected
    if not isinstance(where, tuple):
        assert numbers(batch[where]) == expected


@pytest.mark.parametrize(
    "where",
    [
        [6],
        [-7],
        np.ones(5, np.bool_),
        np.ones(7, np.bool_),
        np.ones((6, 1), np.bool_),
        [1.5],
        "tcp",
    ],
)
def test_a_selection_outside_the_batch_is_an_index_error(where):
    with pytest.raises(IndexError, match="batch of 6"):
        numbered(6).select(where)


def test_an_edit_shows_in_both():
    batch = numbered(6)
    odd = batch[1::2]
    odd["ip.TTL"] = 9
    batch.set("tcp.Window", 77, np.arange(6) == 3)

    assert batch["ip.TTL"].tolist() == [64, 9] * 3
    assert odd["tcp.Window"].tolist() == [512, 77, 512]


def test_verdicts_are_not_shared():
    batch = numbered(4)
    batch[:2].drop()

    assert batch.verdicts.tolist() == [0, 0, 0, 0]


def test_a_selection_of_a_selection_shares_too():
    batch = numbered(8)
    batch[::2][::2]["ip.TTL"] = 1

    assert batch["ip.TTL"].tolist() == [1, 64, 64, 64] * 2


def test_a_selection_outlives_the_release_of_its_batch():
    batch = numbered(4)
    half = batch[2:]
    batch.release()

    assert numbers(half) == [2, 3]


def test_a_copy_shares_nothing():
    batch = numbered(3)
    copy = batch.copy()
    copy["ip.TTL"] = 1
    copy.drop()
    batch["tcp.DstPort"] = 9

    assert batch["ip.TTL"].tolist() == [64] * 3
    assert batch.verdicts.tolist() == [0] * 3
    assert copy["tcp.DstPort"].tolist() == [80, 443, 80]


def test_a_copy_of_a_copy_outlives_both():
    copy = numbered(3).copy().copy()

    assert numbers(copy) == [0, 1, 2]


def test_a_copy_keeps_headers():
    batch = numbered(3)
    batch.headers["mark"] = [7, 8, 9]
    batch.drop([1])
    copy = batch.copy()

    assert copy.headers["mark"].tolist() == [7, 8, 9]
    assert copy.verdicts.tolist() == [0, 1, 0]


def test_batches_are_iterated_packet_by_packet():
    assert [int(packet["tcp.Payload32[0]"]) for packet in numbered(4)] == [0, 1, 2, 3]


@pytest.mark.parametrize(("key", "number"), [(0, 0), (3, 3), (-1, 3), (np.int64(2), 2), (True, 1)])
def test_an_index_gives_one_packet(key, number):
    assert numbered(4)[key]["tcp.Payload32[0]"] == number


@pytest.mark.parametrize("key", [4, -5, 1 << 70])
def test_an_index_outside_is_an_index_error(key):
    with pytest.raises(IndexError, match="batch of 4"):
        numbered(4)[key]


def test_repr_says_how_many_and_where():
    batch = numbered(4)

    assert repr(batch) == "<Batch of 4 at NETWORK>"
    batch.release()
    assert "released" in repr(batch)
