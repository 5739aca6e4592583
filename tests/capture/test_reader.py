# SPDX-License-Identifier: MIT
"""The reader as an object: memory, progress, ends."""

from __future__ import annotations

import gc
import os
import sys
import threading
from pathlib import Path

import pytest

from fastdivert import _core
from fastdivert.errors import CaptureError
from fastdivert.pcap import read_pcap
from tests.capture.building import IPV4, ethernet, pcap
from tests.capture.conftest import Opener

FRAME = ethernet(IPV4, 0x0800)


def test_edits_stay_out_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "kept.pcap"
    data = pcap([FRAME] * 3)
    path.write_bytes(data)
    for batch in read_pcap(path):
        batch["ip.TTL"] = [1, 2, 3]
        assert batch["ip.TTL"].tolist() == [1, 2, 3]
    assert path.read_bytes() == data


def test_batches_point_into_the_file_without_copying(capture: Opener) -> None:
    (batch,) = capture(pcap([FRAME] * 2))
    first, second = (batch._bytes(i, "packet").ctypes.data for i in range(2))
    assert second - first == 16 + len(FRAME)
    # Offsets count from the batch's first record: behind its header and Ethernet's.
    assert batch.headers["offset"].tolist() == [30, 30 + 16 + len(FRAME)]


def test_views_outlive_batch_and_reader(capture: Opener) -> None:
    reader = capture(pcap([FRAME]))
    batch = next(reader)
    view = batch._bytes(0, "packet")
    reader.close()
    del reader, batch
    gc.collect()
    assert view.tobytes() == IPV4


def test_no_batch_is_left_alive(capture: Opener) -> None:
    gc.collect()
    before = _core.live_objects()
    for batch in capture(pcap([FRAME] * 100), max_packets=7):
        batch.headers  # noqa: B018 - takes a view
    del batch
    gc.collect()
    assert _core.live_objects() == before


def test_progress(capture: Opener) -> None:
    data = pcap([FRAME] * 10)
    reader = capture(data, max_packets=4)
    assert (reader.format, reader.packets, reader.size) == ("pcap", 0, len(data))
    seen = []
    for batch in reader:
        seen.append((len(batch), reader.packets, reader.position))
    record = 16 + len(FRAME)
    assert seen == [(4, 4, 24 + 4 * record), (4, 8, 24 + 8 * record), (2, 10, len(data))]


def test_sequence_runs_through_the_file(capture: Opener) -> None:
    reader = capture(pcap([FRAME] * 10), max_packets=4)
    assert [n for batch in reader for n in batch.headers["sequence"].tolist()] == list(range(10))


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes in the file system")
def test_a_pipe_is_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    data = pcap([FRAME] * 5)
    writer = threading.Thread(target=path.write_bytes, args=(data,))
    writer.start()
    batches = list(read_pcap(path))
    writer.join()
    assert [len(batch) for batch in batches] == [5]
    batches[0]["ip.TTL"] = [7] * 5
    assert batches[0]["ip.TTL"].tolist() == [7] * 5


def test_empty_and_missing_files(tmp_path: Path) -> None:
    path = tmp_path / "empty.pcap"
    path.touch()
    with pytest.raises(CaptureError, match="the file is empty") as caught:
        read_pcap(path)
    assert (caught.value.path, caught.value.offset) == (str(path), 0)
    with pytest.raises(FileNotFoundError):
        read_pcap(tmp_path / "none.pcap")


@pytest.mark.parametrize("most", [0, -1, 1 << 31])
def test_max_packets_out_of_range(capture: Opener, most: int) -> None:
    with pytest.raises(ValueError, match=f"max_packets is {most}"):
        capture(pcap([FRAME]), max_packets=most)


def test_a_closed_reader_says_so(capture: Opener) -> None:
    with capture(pcap([FRAME])) as reader:
        pass
    reader.close()
    with pytest.raises(ValueError, match="is closed"):
        next(reader)


def test_several_threads_share_a_reader(capture: Opener) -> None:
    reader = capture(pcap([FRAME] * 5000), max_packets=3)
    found: list[int] = []

    def work() -> None:
        for batch in reader:
            found.extend(batch.headers["sequence"].tolist())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(5000))
    assert reader.packets == 5000
