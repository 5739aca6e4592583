"""Batch.from_packets: what it takes, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

import fastdivert as fd
from tests.traffic import tcp, udp

PACKET_MOST = 524288


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda b: np.frombuffer(b, "u1")])
def test_any_bytes_like_object_is_a_packet(kind):
    batch = fd.Batch.from_packets([kind(tcp(1, 2, b"abc"))])

    assert bytes(batch[0]) == tcp(1, 2, b"abc")


def test_the_packets_are_copied():
    packet = bytearray(tcp(1, 2))
    batch = fd.Batch.from_packets([packet])
    packet[:] = bytes(len(packet))

    assert bytes(batch[0]) == tcp(1, 2)


@pytest.mark.parametrize("sequence", [list, tuple])
def test_any_sequence_of_packets_will_do(sequence):
    assert len(fd.Batch.from_packets(sequence([tcp(), udp()]))) == 2


def test_an_empty_batch_has_no_rows_but_every_operation():
    batch = fd.Batch.from_packets([])

    assert len(batch) == 0
    assert batch["ip.TTL"].shape == (0,)
    assert batch["ipv6.SrcAddr"].shape == (0, 16)
    assert batch.match("tcp").shape == (0,)
    assert batch.headers.shape == batch.addresses.shape == batch.parse().shape == (0,)
    assert batch.checksums().shape == batch.checksums("verify").shape == batch.hash().shape == (0,)
    assert batch.decrement_ttl().shape == batch.has("tcp").shape == (0,)
    assert len(batch.copy()) == len(batch[:]) == len(batch.select([])) == 0
    assert list(batch) == []
    batch["ip.TTL"] = 3
    batch.drop()


def test_an_empty_packet_is_no_packet():
    batch = fd.Batch.from_packets([b"", tcp()])

    assert batch["ip"].tolist() == [False, True]
    assert batch.headers["captured"].tolist() == [0, 40]
    assert batch.headers["flags"][0] & fd.HeaderFlag.MALFORMED
    assert batch.match("true").tolist() == [False, True]
    assert batch[0].raw.size == batch[0].payload.size == 0


def test_garbage_is_kept_as_it_is():
    garbage = bytes(range(256))

    assert bytes(fd.Batch.from_packets([garbage])[0]) == garbage


def test_the_longest_packet_fits():
    packet = tcp(1, 2, bytes(60000)).ljust(PACKET_MOST, b"\x55")

    assert bytes(fd.Batch.from_packets([packet])[0]) == packet


def test_a_longer_packet_is_refused_by_its_index():
    with pytest.raises(ValueError, match="packet 1 has 524289 bytes"):
        fd.Batch.from_packets([tcp(), bytes(PACKET_MOST + 1)])


@pytest.mark.parametrize("wrong", ["text", 7, None, 1.5, [1, 2]])
def test_what_is_not_bytes_like_is_refused_by_its_index(wrong):
    with pytest.raises(TypeError, match="packet 2 is"):
        fd.Batch.from_packets([tcp(), tcp(), wrong])


def test_a_strided_array_is_refused():
    with pytest.raises((BufferError, TypeError, ValueError)):
        fd.Batch.from_packets([np.zeros(80, np.uint8)[::2]])


@pytest.mark.parametrize("wrong", [5, None, object()])
def test_what_is_no_sequence_is_refused(wrong):
    with pytest.raises(TypeError):
        fd.Batch.from_packets(wrong)


class _ShrinkingSequence:
    """Says that it has more packets than it gives."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, at: int) -> bytes:
        if at >= 1:
            raise IndexError(at)
        return tcp()


def test_a_sequence_that_ends_early_raises_its_own_error():
    with pytest.raises(IndexError):
        fd.Batch.from_packets(_ShrinkingSequence())


class _ChangingSequence:
    """Gives another object each time it is asked, of another length."""

    def __init__(self) -> None:
        self.asked = 0

    def __len__(self) -> int:
        return 2

    def __getitem__(self, at: int) -> bytes:
        self.asked += 1
        return bytes([0x45]) * (self.asked * 100)


def test_a_sequence_that_changes_cannot_outgrow_its_memory():
    batch = fd.Batch.from_packets(_ChangingSequence())

    assert [len(packet) for packet in batch] == [100, 200]


def test_a_packet_that_raises_in_its_buffer_is_a_type_error():
    with pytest.raises(TypeError, match="packet 0 is object"):
        fd.Batch.from_packets([object()])


@pytest.mark.parametrize("layer", [fd.Layer.NETWORK, fd.Layer.NETWORK_FORWARD])
def test_packets_belong_to_the_layer_that_is_given(layer):
    assert fd.Batch.from_packets([tcp()], layer=layer).layer is layer


@pytest.mark.parametrize("layer", [5, -1, 255])
def test_there_are_five_layers(layer):
    with pytest.raises(ValueError, match="Layer"):
        fd.Batch.from_packets([tcp()], layer=layer)


@pytest.mark.parametrize("layer", [fd.Layer.FLOW, fd.Layer.SOCKET, fd.Layer.REFLECT])
def test_an_event_is_an_empty_packet(layer):
    assert len(fd.Batch.from_packets([b"", b""], layer=layer)) == 2


@pytest.mark.parametrize("layer", [fd.Layer.FLOW, fd.Layer.SOCKET, fd.Layer.REFLECT])
def test_an_event_has_no_bytes(layer):
    with pytest.raises(ValueError, match="packet 1 is not empty"):
        fd.Batch.from_packets([b"", tcp()], layer=layer)


def test_made_up_packets_have_no_sequence():
    assert fd.Batch.from_packets([tcp()]).headers["sequence"].tolist() == [0xFFFFFFFF]


def test_the_headers_say_what_was_parsed():
    header = fd.Batch.from_packets([udp(1234, 53, b"question")]).headers[0]

    assert (header["length"], header["captured"]) == (36, 36)
    assert (header["l4_offset"], header["payload_offset"]) == (20, 28)
    assert (header["protocol"], header["source_port"], header["destination_port"]) == (17, 1234, 53)
