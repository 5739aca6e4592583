"""Where packets come from: batches, iterables, files; and what a fault in them does."""

from __future__ import annotations

import pytest

import fastdivert as fd
from tests.handle.replaying import replay
from tests.traffic import Sink, numbered, numbers, tcp


def test_a_source_that_fails_fails_after_the_good_packets():
    def source():
        yield numbered(3)
        yield numbered(3, first=3)
        raise fd.CaptureError("cut in a record", 1234, "in.pcap")

    sink = Sink()
    with replay(source(), sink=sink) as handle:
        seen = []
        with pytest.raises(fd.CaptureError, match="cut in a record at byte 1234"):
            for batch in handle:
                seen += numbers(batch)
                handle.send(batch)
        assert seen == list(range(6))
        with pytest.raises(fd.ShutdownError):
            handle.recv()
    assert sink.numbers == list(range(6))


def test_a_fault_above_reaches_the_one_who_asked_and_the_rest_goes_on():
    def source():
        yield numbered(3)
        raise OSError("gone")

    host = fd.Replay(source())
    with replay(host, "udp", priority=1) as high, replay(host) as low:
        assert numbers(low.recv()) == [0, 1, 2]
        with pytest.raises(OSError, match="gone"):
            low.recv()
        for handle in (low, high):
            with pytest.raises(fd.ShutdownError):
                handle.recv()


@pytest.mark.parametrize("item", [None, b"bytes", 5, [tcp()]])
def test_a_source_of_something_else_is_a_type_error(item):
    with replay([numbered(2), item]) as handle:
        assert numbers(handle.recv()) == [0, 1]
        with pytest.raises(TypeError, match="batches"):
            handle.recv()


def test_a_released_batch_in_a_source_says_so():
    batch = numbered(2)
    batch.release()
    with replay([batch]) as handle, pytest.raises(fd.ReleasedError):
        handle.recv()


def test_empty_batches_in_between_are_passed_over():
    source = [numbered(0), numbered(2), numbered(0), numbered(0), numbered(2, first=2), numbered(0)]
    with replay(source) as handle:
        assert numbers(handle) == [0, 1, 2, 3]


def test_a_source_is_read_only_as_far_as_needed():
    read = []

    def source():
        for first in range(0, 100, 10):
            read.append(first)
            yield numbered(10, first=first)

    with replay(source()) as handle:
        handle.recv(5)
        assert read == [0]


def test_the_batches_of_one_handle_are_a_source_for_another():
    sink = Sink()

    def first_half(handle):
        for batch in handle:
            yield batch.copy()
            batch.release()

    with (
        replay(numbered(100), "tcp.DstPort == 80", unmatched="discard") as inner,
        replay(first_half(inner), sink=sink) as outer,
    ):
        for batch in outer:
            outer.send(batch)
    assert sink.numbers == list(range(0, 100, 2))


def test_a_capture_file_goes_in_and_out(tmp_path):
    fd.write_pcap(tmp_path / "in.pcap", [numbered(50)])
    with replay(tmp_path / "in.pcap", "tcp.DstPort == 80", sink=tmp_path / "out.pcap") as handle:
        for batch in handle:
            batch["ip.TTL"] = 9
            handle.send(batch)
    back = list(fd.read_pcap(tmp_path / "out.pcap"))
    assert numbers(back) == list(range(50))
    assert [ttl for batch in back for ttl in batch["ip.TTL"]] == [9, 64] * 25


def test_a_cut_capture_gives_its_whole_packets_first(tmp_path):
    path = tmp_path / "in.pcap"
    fd.write_pcap(path, [numbered(50)])
    path.write_bytes(path.read_bytes()[:-10])
    with replay(path) as handle:
        seen = []
        with pytest.raises(fd.CaptureError) as raised:
            for batch in handle:
                seen += numbers(batch)
        assert seen == list(range(49))
        assert raised.value.offset > 0


@pytest.mark.parametrize("data", [b"", b"no capture at all", b"\xd4\xc3\xb2\xa1"])
def test_what_is_no_capture_opens_nothing(data, tmp_path):
    (tmp_path / "in.pcap").write_bytes(data)
    (tmp_path / "out.pcap").write_bytes(b"kept")
    with pytest.raises(fd.CaptureError):
        replay(tmp_path / "in.pcap", sink=tmp_path / "out.pcap").recv()
    assert (tmp_path / "out.pcap").read_bytes() == b"kept"


def test_a_function_is_a_sink():
    seen = []
    with replay(numbered(3), "udp", sink=lambda batch: seen.extend(numbers(batch))) as handle:
        assert list(handle) == []
    assert seen == [0, 1, 2]


@pytest.mark.parametrize("sink", [5, object(), [1]])
def test_what_is_no_sink_is_refused(sink):
    with pytest.raises(TypeError, match="sink"):
        replay(numbered(3), sink=sink)
