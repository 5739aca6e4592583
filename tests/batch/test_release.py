"""After release everything raises, except the views that were taken before."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import fastdivert as fd
from tests.traffic import numbered

_USES = {
    "column": lambda batch: batch["ip.TTL"],
    "write": lambda batch: batch.set("ip.TTL", 1),
    "item write": lambda batch: batch.__setitem__("ip.TTL", 1),
    "has": lambda batch: batch.has("tcp"),
    "parse": lambda batch: batch.parse(),
    "parse layout": lambda batch: batch.parse(()),
    "match text": lambda batch: batch.match("tcp"),
    "match filter": lambda batch: batch.match(fd.compile("tcp", fd.Layer.NETWORK)),
    "drop": lambda batch: batch.drop(),
    "verdicts": lambda batch: batch.verdicts,
    "headers": lambda batch: batch.headers,
    "payload": lambda batch: batch.payload(0),
    "replace_payload": lambda batch: batch.replace_payload(0, b"x"),
    "addresses": lambda batch: batch.addresses,
    "set addresses": lambda batch: setattr(batch, "addresses", np.zeros(2, fd.ADDRESS_DTYPE)),
    "update checksums": lambda batch: batch.checksums(),
    "verify checksums": lambda batch: batch.checksums("verify"),
    "hash": lambda batch: batch.hash(),
    "decrement_ttl": lambda batch: batch.decrement_ttl(),
    "copy": lambda batch: batch.copy(),
    "select": lambda batch: batch.select([0]),
    "slice": lambda batch: batch[:1],
    "packet field": lambda batch: batch[0]["ip.TTL"],
    "packet write": lambda batch: batch[0].__setitem__("ip.TTL", 1),
    "packet raw": lambda batch: batch[0].raw,
    "packet payload": lambda batch: batch[0].payload,
    "packet header": lambda batch: batch[0].header,
    "packet address": lambda batch: batch[0].address,
    "packet ends": lambda batch: batch[0].src_addr,
    "packet bytes": lambda batch: bytes(batch[0]),
    "packet length": lambda batch: len(batch[0]),
}


@pytest.mark.parametrize("use", sorted(_USES))
def test_a_released_batch_cannot_be_used(use):
    batch = numbered(2)
    batch.release()

    with pytest.raises(fd.ReleasedError, match=r"copy\(\)"):
        _USES[use](batch)


@pytest.mark.parametrize("use", sorted(_USES))
def test_each_of_these_works_before(use):
    _USES[use](numbered(2))


def test_a_packet_taken_before_is_released_with_its_batch():
    batch = numbered(2)
    packet = batch[1]
    batch.release()

    with pytest.raises(fd.ReleasedError):
        packet["ip.TTL"]


def test_release_is_idempotent_and_leaves_the_shape():
    batch = numbered(2)
    batch.release()
    batch.release()

    assert batch.released
    assert len(batch) == 2
    assert batch.layer is fd.Layer.NETWORK


def test_a_packet_of_a_released_batch_has_a_repr():
    batch = numbered(2)
    packet = batch[0]
    batch.release()

    assert "released" in repr(packet)


def test_a_batch_is_a_context():
    with numbered(2) as batch:
        assert not batch.released

    assert batch.released


def test_an_error_in_the_context_comes_through():
    with pytest.raises(KeyError, match="ours"), numbered(2) as batch:
        raise KeyError("ours")

    assert batch.released


@pytest.mark.parametrize(
    "view",
    [
        lambda batch: batch.headers,
        lambda batch: batch.verdicts,
        lambda batch: batch[1].raw,
        lambda batch: batch.payload(1),
        lambda batch: batch[1].payload[1:][::2],
    ],
)
def test_a_view_outlives_its_batch(view):
    batch = numbered(3)
    array = view(batch)
    before = array.tobytes()
    batch.release()
    del batch
    gc.collect()
    others = [numbered(100, first=1000) for _ in range(50)]

    assert array.tobytes() == before
    array[...] = np.zeros((), array.dtype)
    assert numbers_are_whole(others)


def numbers_are_whole(batches: list[fd.Batch]) -> bool:
    return all(batch["tcp.Payload32[0]"].tolist() == list(range(1000, 1100)) for batch in batches)


def test_a_view_of_a_replaced_payload_outlives_its_batch():
    batch = numbered(2)
    batch.replace_payload(0, b"fresh")
    view = batch.payload(0)
    batch.release()
    del batch
    gc.collect()

    assert view.tobytes() == b"fresh"
