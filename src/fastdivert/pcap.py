# SPDX-License-Identifier: MIT
"""Capture files, pcap and pcapng, to batches and back."""

from __future__ import annotations

import mmap
import os
import stat
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from types import TracebackType
from typing import BinaryIO, Literal

from fastdivert._core import CaptureDecoder, CaptureEncoder
from fastdivert.batch import Batch
from fastdivert.enums import Link
from fastdivert.errors import CaptureError

Path = str | PathLike[str]
Format = Literal["pcap", "pcapng"]

_FORMATS: dict[str, Format] = {
    ".pcap": "pcap",
    ".cap": "pcap",
    ".dmp": "pcap",
    ".pcapng": "pcapng",
    ".ntar": "pcapng",
}


@dataclass(frozen=True, slots=True)
class CaptureInterface:
    """Where packets of a capture came from.

    Attributes:
        link_type: the number in the registry at tcpdump.org/linktypes.html.
        snaplen: bytes kept of each frame at most; 0 for no limit.
        ticks_per_second: of its timestamps; batches have nanoseconds.
        name: as the capture gives it, or None.
    """

    link_type: int
    snaplen: int
    ticks_per_second: int
    name: str | None


def read_pcap(path: Path, *, max_packets: int = 4096) -> CaptureReader:
    """Opens a capture file; iterate over the result for batches.

    pcap (micro- and nanoseconds) and pcapng, either byte order; Ethernet with
    VLAN tags, raw IP, Linux cooked v1 and v2, BSD null and loop. Frames that are
    not IP come too, with HeaderFlag.MALFORMED.

    The file is mapped, not read: batches are views of it. They can be edited,
    and the file is never changed. It must not be truncated by others meanwhile.
    What cannot be mapped (a pipe) is read into memory first.

    Raises:
        CaptureError: it is empty or no capture; later, from the iteration, when
            all packets before a fault have been delivered. OSError: it cannot
            be opened.
    """
    return CaptureReader(path, max_packets=max_packets)


class CaptureReader:
    """The batches of a capture file: an iterator, and a context manager.

    Batches outlive the reader. ``headers["ifindex"]`` is the index of the
    packet's interface in ``interfaces``.
    """

    def __init__(self, path: Path, *, max_packets: int = 4096) -> None:
        if not 1 <= max_packets < 1 << 31:
            raise ValueError(f"max_packets is {max_packets}; 1 to {(1 << 31) - 1} is needed")
        self.path = os.fspath(path)
        self._max_packets = max_packets
        data = _load(self.path)
        self._size = len(data)
        self._decoder: CaptureDecoder | None = CaptureDecoder(data)
        self._packets = self._position = 0
        self._raise_fault(self._decoder)
        self._format: Format = "pcap" if self._decoder.format == "pcap" else "pcapng"
        self._interfaces = _interfaces(self._decoder)
        self._position = self._decoder.position

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        decoder = self._decoder
        if decoder is None:
            raise ValueError(f"{self.path}: the capture is closed")
        packets = decoder.read(self._max_packets)
        self._packets, self._position = decoder.packets, decoder.position
        if packets is None:
            self._raise_fault(decoder)
            raise StopIteration
        if self._format == "pcapng":
            self._interfaces = _interfaces(decoder)
        return Batch(packets)

    def _raise_fault(self, decoder: CaptureDecoder) -> None:
        if decoder.fault is not None:
            text, offset = decoder.fault
            raise CaptureError(text, offset, self.path)

    @property
    def format(self) -> Format:
        """What kind of file it is."""
        return self._format

    @property
    def interfaces(self) -> list[CaptureInterface]:
        """The interfaces known so far; of pcapng, in the section of the last batch."""
        return list(self._interfaces)

    @property
    def packets(self) -> int:
        """How many packets have been delivered."""
        return self._packets

    @property
    def position(self) -> int:
        """How many bytes of the file are done with, out of ``size``."""
        return self._position

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._size

    def close(self) -> None:
        """Ends the reading; batches keep what they need. Idempotent."""
        self._decoder = None

    def __enter__(self) -> CaptureReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<CaptureReader of {self.path!r}: {self._format}, {self._packets} packets so far>"


def _load(path: str) -> mmap.mmap | bytearray:
    """The file's bytes, writable without changing the file."""
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        if stat.S_ISREG(status.st_mode) and status.st_size > 0:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        return bytearray(file.read())


def _interfaces(decoder: CaptureDecoder) -> list[CaptureInterface]:
    return [
        CaptureInterface(
            link_type,
            snaplen,
            1 << (resolution & 0x7F) if resolution & 0x80 else 10**resolution,
            name.decode("utf-8", "replace") or None,
        )
        for link_type, snaplen, resolution, _, name in decoder.interfaces
    ]


def write_pcap(
    path: Path | BinaryIO,
    batches: Batch | Iterable[Batch],
    *,
    format: Format | None = None,
    nanosecond: bool = True,
    link: Link | None = None,
) -> int:
    """Writes batches, verdicts and all, to a capture file; returns how many packets.

    See CaptureWriter for the arguments and the errors.
    """
    with CaptureWriter(path, format=format, nanosecond=nanosecond, link=link) as writer:
        for batch in (batches,) if isinstance(batches, Batch) else batches:
            writer.write(batch)
    return writer.packets


class CaptureWriter:
    """Writes batches to a capture file. Safe to use from several threads.

    Args:
        path: the file, which is replaced, or a binary file object, which stays
            open.
        format: "pcap" or "pcapng"; by default by the suffix.
        nanosecond: pcap timestamps in nanoseconds, else microseconds. pcapng
            always has nanoseconds.
        link: the one link type of the file: Link.RAW writes IP packets without
            their link-layer headers. By default pcapng keeps each packet's own,
            and pcap has that of the first packet.

    Raises:
        ValueError: no format, and the suffix does not tell. OSError: the file
            cannot be written.
    """

    def __init__(
        self,
        path: Path | BinaryIO,
        *,
        format: Format | None = None,
        nanosecond: bool = True,
        link: Link | None = None,
    ) -> None:
        self.path = os.fspath(path) if isinstance(path, (str, PathLike)) else ""
        self._format = format if format is not None else _format_of(self.path)
        self._nanosecond = nanosecond
        self._link = link
        self._encoder: CaptureEncoder | None = None
        if link is not None or self._format != "pcap":
            self._encoder = self._make_encoder(-1 if link is None else int(link))
        self._lock = threading.Lock()
        self._packets = self._bytes = 0
        self._owns = isinstance(path, (str, PathLike))
        self._file: BinaryIO | None
        self._file = _replace(self.path) if isinstance(path, (str, PathLike)) else path

    def _make_encoder(self, link: int) -> CaptureEncoder:
        return CaptureEncoder(self._format, link, self._nanosecond, self.path)

    def write(self, batch: Batch) -> int:
        """Writes all packets of a batch, whatever their verdict; returns how many.

        Raises:
            CaptureError: a packet that this file cannot hold: of another link
                type, no IP packet where headers are left out, or a time that
                the format cannot say. Nothing of the batch is written then.
            ValueError: the writer is closed.
        """
        with self._lock:
            file = self._open_file()
            if len(batch) == 0:
                return 0
            if self._encoder is None:
                self._encoder = self._make_encoder(self._first_link(batch))
            self._put(file, self._encoder.encode(batch._packets))
            self._packets += len(batch)
            return len(batch)

    def _first_link(self, batch: Batch) -> int:
        link = int(batch.headers["link"][0])
        if link == Link.OTHER:
            raise CaptureError(
                "packet 0 of the batch: the frame's link type is not understood, "
                "so it cannot be written",
                path=self.path,
            )
        return link

    def _open_file(self) -> BinaryIO:
        if self._file is None:
            raise ValueError(f"{self.path}: the capture is closed")
        return self._file

    def _put(self, file: BinaryIO, data: bytes) -> None:
        file.write(data)
        self._bytes += len(data)

    @property
    def format(self) -> Format:
        """What kind of file it is."""
        return self._format

    @property
    def packets(self) -> int:
        """How many packets have been written."""
        return self._packets

    @property
    def bytes(self) -> int:
        """How many bytes have been written."""
        return self._bytes

    def close(self) -> None:
        """Finishes the file; one without packets gets its header. Idempotent."""
        with self._lock:
            file, self._file = self._file, None
            if file is None:
                return
            try:
                if self._bytes == 0:
                    encoder = self._encoder or self._make_encoder(int(Link.RAW))
                    self._put(file, encoder.encode(None))
            finally:
                if self._owns:
                    file.close()

    def __enter__(self) -> CaptureWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<CaptureWriter to {self.path!r}: {self._format}, {self._packets} packets so far>"


def _format_of(path: str) -> Format:
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in _FORMATS:
        raise ValueError(
            f"the suffix of {path!r} does not tell the format: "
            "name it .pcap or .pcapng, or give format="
        )
    return _FORMATS[suffix]


def _replace(path: str) -> BinaryIO:
    """A new file, never the old one cut to nothing: that may be mapped by a reader,
    even by the one whose batches are about to be written."""
    real = os.path.realpath(path)
    try:
        if stat.S_ISREG(os.stat(real).st_mode):
            os.unlink(real)
    except FileNotFoundError:
        pass
    return open(real, "wb")
