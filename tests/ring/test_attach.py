"""Attaching to a ring: the header is checked before a byte of it is believed."""

from __future__ import annotations

import mmap

import numpy as np
import pytest

import fastdivert as fd
from fastdivert import _core
from tests.ring.layout import GUARD, HEADER_SIZE, Peer, aligned, take
from tests.traffic import tcp


def test_an_honest_ring_delivers():
    peer = Peer()
    ring = peer.attach()
    peer.put(tcp(1, 2, b"first"))
    peer.put(tcp(3, 4, b"second"), l2=b"\x11" * 14)

    batch = take(ring)
    assert [bytes(packet) for packet in batch] == [tcp(1, 2, b"first"), tcp(3, 4, b"second")]
    assert batch[1].link.tobytes() == b"\x11" * 14
    assert take(ring) is None


def test_headers_are_the_descriptors_in_the_region():
    peer = Peer()
    ring = peer.attach()
    peer.put(tcp(), mark=77)
    batch = take(ring)
    batch.drop()

    assert batch.headers["mark"].tolist() == [77]
    assert peer.descriptors["verdict"][0] == fd.Verdict.DROP
    assert np.shares_memory(batch.headers, peer.descriptor_region)


def test_packets_are_the_bytes_in_the_region():
    peer = Peer()
    ring = peer.attach()
    peer.put(tcp(1, 2, b"abc"))
    take(ring)["tcp.DstPort"] = 99

    assert peer.byte_region[22:24].tolist() == [0, 99]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("magic", 0),
        ("magic", 0x46445231),
        ("abi_major", 0),
        ("abi_major", 2),
        ("descriptor_count", 0),
        ("descriptor_count", 1),
        ("descriptor_count", 16),
        ("descriptor_count", 63),
        ("descriptor_count", 128),
        ("descriptor_count", 1 << 23),
        ("descriptor_count", 1 << 31),
        ("descriptor_count", 0xFFFFFFFF),
        ("descriptor_size", 0),
        ("descriptor_size", 63),
        ("descriptor_size", 128),
        ("byte_size", 0),
        ("byte_size", 32768),
        ("byte_size", 65535),
        ("byte_size", 131072),
        ("byte_size", 1 << 32),
        ("byte_size", 1 << 63),
        ("byte_size", (1 << 64) - 1),
        ("guard_size", 0),
        ("guard_size", GUARD - 1),
        ("guard_size", 0xFFFFFFFF),
    ],
)
def test_a_header_that_lies_is_refused(field, value):
    peer = Peer()
    peer.header[field] = value

    with pytest.raises(fd.RingError, match="header"):
        peer.attach()


def test_another_minor_version_is_no_lie():
    peer = Peer()
    peer.header["abi_minor"] = 9

    assert peer.attach().waiting == 0


@pytest.mark.parametrize("size", [0, 8, 64, HEADER_SIZE - 1, HEADER_SIZE, HEADER_SIZE + 64 * 63])
def test_a_descriptor_region_that_is_too_small_is_refused(size):
    peer = Peer()

    with pytest.raises(fd.RingError):
        _core.Ring.attach(peer.descriptor_region[:size], peer.byte_region)


@pytest.mark.parametrize("size", [0, 64, 65536, 65536 + GUARD - 1])
def test_a_byte_region_without_its_guard_is_refused(size):
    peer = Peer()

    with pytest.raises(fd.RingError):
        _core.Ring.attach(peer.descriptor_region, peer.byte_region[:size])


@pytest.mark.parametrize("offset", [1, 4, 8, 32, 63])
def test_a_misaligned_region_is_refused(offset):
    peer = Peer()
    descriptors = aligned(len(peer.descriptor_region), offset)
    descriptors[:] = peer.descriptor_region

    with pytest.raises(fd.RingError):
        _core.Ring.attach(descriptors, peer.byte_region)
    with pytest.raises(fd.RingError):
        _core.Ring.attach(peer.descriptor_region, aligned(len(peer.byte_region), offset))


@pytest.mark.parametrize("region", [b"\0" * 8192, "text", 5, None])
def test_what_is_no_writable_buffer_is_refused(region):
    peer = Peer()

    with pytest.raises((TypeError, BufferError)):
        _core.Ring.attach(region, peer.byte_region)
    with pytest.raises((TypeError, BufferError)):
        _core.Ring.attach(peer.descriptor_region, region)


def test_a_mapping_can_be_a_ring():
    model = Peer()
    model.put(tcp(5, 6))
    descriptors = mmap.mmap(-1, len(model.descriptor_region))
    data = mmap.mmap(-1, len(model.byte_region))
    descriptors[:], data[:] = model.descriptor_region.tobytes(), model.byte_region.tobytes()
    ring = _core.Ring.attach(descriptors, data)
    batch = take(ring)

    assert batch["tcp.SrcPort"].tolist() == [5]
    with pytest.raises(BufferError):
        descriptors.close()


def test_the_regions_live_as_long_as_a_view():
    peer = Peer()
    ring = peer.attach()
    peer.put(tcp(1, 2, b"stays"))
    view = take(ring).payload(0)
    del ring, peer

    assert view.tobytes() == b"stays"


@pytest.mark.parametrize("count", [0, 1, 31, 33, 1 << 23, (1 << 32) - 1])
def test_a_ring_is_made_with_a_power_of_two_of_descriptors(count):
    with pytest.raises(ValueError, match="power of two"):
        _core.Ring.create(count, 65536)


@pytest.mark.parametrize("size", [0, 1, 65535, 65537, 1 << 32, (1 << 64) - 1])
def test_a_ring_is_made_with_a_power_of_two_of_bytes(size):
    with pytest.raises(ValueError, match="power of two"):
        _core.Ring.create(64, size)


def test_a_ring_that_somebody_else_fills_cannot_be_filled():
    peer = Peer()
    program = fd.compile("true", fd.Layer.NETWORK).core_program
    packets = fd.Batch.from_packets([tcp()])._packets

    with pytest.raises(ValueError, match="somebody else"):
        peer.attach().produce(program, packets, 0, False, False, 0, np.zeros(1, np.uint8))
