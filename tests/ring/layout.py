"""driver/abi/ring.h as numpy dtypes, and a producer's end written with nothing else.

The tests of the consumer play its peer with this: first an honest one, then one that lies.
"""

from __future__ import annotations

import numpy as np

import fastdivert as fd
from fastdivert import _core

MAGIC = 0x31524446
GUARD = 64 + 524288
HEADER_SIZE = 4096

_FORMATS = [f"u{size}" for size in (4, 2, 2, 4, 4, 8, 4, 4, 4, 8, 4, 8, 4, 4, 4, 8, 8, 8)]

RING_HEADER_DTYPE = np.dtype(
    {
        "names": [
            "magic",
            "abi_major",
            "abi_minor",
            "descriptor_count",
            "descriptor_size",
            "byte_size",
            "guard_size",
            "queue",
            "descriptor_head",
            "byte_head",
            "descriptor_tail",
            "byte_tail",
            "sleeping",
            "queue_length",
            "queue_time",
            "queue_size",
            "delivered",
            "expired",
        ],
        "formats": _FORMATS,
        "offsets": [0, 4, 6, 8, 12, 16, 24, 28, 64, 72, 128, 136, 192, 256, 260, 264, 448, 456],
        "itemsize": HEADER_SIZE,
    }
)


def aligned(size: int, offset: int = 0) -> np.ndarray:
    """size zeroed bytes that begin offset bytes behind a 64-byte boundary."""
    memory = np.zeros(size + 128, np.uint8)
    start = -memory.ctypes.data % 64 + offset
    return memory[start : start + size]


class Peer:
    """A producer in plain numpy. ``attach`` gives the consumer's end."""

    def __init__(self, count: int = 64, size: int = 65536) -> None:
        self.descriptor_region = aligned(HEADER_SIZE + 64 * count)
        self.byte_region = aligned(size + GUARD)
        self.header = self.descriptor_region[:HEADER_SIZE].view(RING_HEADER_DTYPE)[0]
        self.descriptors = self.descriptor_region[HEADER_SIZE:].view(fd.HEADER_DTYPE)
        self.count, self.size = count, size
        self.head = self.byte_head = 0
        self.header["magic"] = MAGIC
        self.header["abi_major"] = 1
        self.header["descriptor_count"] = count
        self.header["descriptor_size"] = 64
        self.header["byte_size"] = size
        self.header["guard_size"] = GUARD

    def attach(self) -> _core.Ring:
        return _core.Ring.attach(self.descriptor_region, self.byte_region)

    def put(self, packet: bytes, *, l2: bytes = b"", publish: bool = True, **fields: int) -> None:
        """Writes one record where it must be; fields overwrite what its descriptor says."""
        head = -(-len(l2) // 16) * 16
        start = self.byte_head % self.size
        descriptor = self.descriptors[self.head % self.count]
        self.descriptors[self.head % self.count] = np.zeros((), fd.HEADER_DTYPE)
        descriptor["offset"] = start + head
        descriptor["captured"] = descriptor["length"] = len(packet)
        descriptor["l2_length"] = len(l2)
        descriptor["sequence"] = self.head
        for name, value in fields.items():
            descriptor[name] = value
        begin = start + head
        self.byte_region[begin - len(l2) : begin] = np.frombuffer(l2, np.uint8)
        self.byte_region[begin : begin + len(packet)] = np.frombuffer(packet, np.uint8)
        self.head += 1
        self.byte_head += -(-(head + len(packet)) // 64) * 64
        if publish:
            self.publish()

    def publish(self) -> None:
        self.header["byte_head"] = self.byte_head
        self.header["descriptor_head"] = self.head


def take(ring: _core.Ring, most: int = 1000, expire_before: int = -(1 << 63)) -> fd.Batch | None:
    packets = ring.take(most, expire_before)
    return None if packets is None else fd.Batch(packets)
