"""Sending: verdicts, made-up packets, and what may not be sent."""

from __future__ import annotations

import errno
import pickle

import numpy as np
import pytest

import fastdivert as fd
from tests.handle.replaying import assert_balanced, replay
from tests.traffic import Sink, numbered, numbers, tcp, tcp6, udp


def test_what_is_sent_reaches_the_sink_with_its_edits():
    sink = Sink()
    with replay(numbered(4), sink=sink) as handle:
        batch = handle.recv()
        batch["ip.TTL"] = [1, 2, 3, 4]
        assert handle.send(batch) == 4

    assert sink.numbers == [0, 1, 2, 3]
    assert sink.batches[0]["ip.TTL"].tolist() == [1, 2, 3, 4]


def test_what_is_dropped_does_not():
    sink = Sink()
    with replay(numbered(4), sink=sink) as handle:
        batch = handle.recv()
        batch.drop(batch["tcp.DstPort"] == 443)
        assert handle.send(batch) == 2
        stats = handle.stats()

    assert sink.numbers == [0, 2]
    assert (stats["sent"], stats["verdict_dropped"]) == (2, 2)


def test_a_batch_that_is_dropped_whole_is_sent_as_nothing():
    sink = Sink()
    with replay(numbered(4), sink=sink) as handle:
        batch = handle.recv()
        batch.drop()
        assert handle.send(batch) == 0

    assert sink.numbers == []
    assert sink.closed == 1


@pytest.mark.parametrize("verdict", [2, 7, 255])
def test_a_verdict_that_does_not_exist_is_refused(verdict):
    sink = Sink()
    with replay(numbered(4), sink=sink) as handle:
        batch = handle.recv()
        batch.verdicts[2] = verdict
        with pytest.raises(ValueError, match=f"packet 2 has verdict {verdict}"):
            handle.send(batch)
        assert sink.numbers == []
        batch.verdicts[2] = fd.Verdict.PASS
        assert handle.send(batch) == 4


def test_a_batch_that_is_only_released_is_dropped():
    sink = Sink()
    with replay(numbered(4), sink=sink) as handle:
        handle.recv(2).release()
        handle.send(handle.recv())

    assert sink.numbers == [2, 3]


def test_a_batch_is_sent_once():
    with replay(numbered(4)) as handle:
        batch = handle.recv()
        handle.send(batch)
        assert batch.released
        with pytest.raises(fd.ReleasedError):
            handle.send(batch)
        assert handle.stats()["sent"] == 4


def test_a_released_batch_cannot_be_sent():
    with replay(numbered(4)) as handle:
        batch = handle.recv()
        batch.release()
        with pytest.raises(fd.ReleasedError):
            handle.send(batch)


def test_a_selection_can_be_sent():
    sink = Sink()
    with replay(numbered(4), sink=sink) as handle:
        batch = handle.recv()
        handle.send(batch[batch["tcp.DstPort"] == 80])
        batch.release()

    assert sink.numbers == [0, 2]


def test_a_copy_can_be_sent_after_its_batch():
    sink = Sink()
    with replay(numbered(2), sink=sink) as handle:
        batch = handle.recv()
        copy = batch.copy()
        handle.send(batch)
        handle.send(copy)

    assert sorted(sink.numbers) == [0, 0, 1, 1]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_are_one_packet(kind):
    sink = Sink()
    with replay([], sink=sink) as handle:
        assert handle.send(kind(tcp(1, 2, b"made"))) == 1

    assert bytes(sink.batches[0][0]) == tcp(1, 2, b"made")


@pytest.mark.parametrize("sequence", [list, tuple])
def test_a_sequence_is_many_packets(sequence):
    sink = Sink()
    with replay([], sink=sink) as handle:
        assert handle.send(sequence([tcp(1, 2), udp(3, 4), tcp6(5, 6)])) == 3

    assert [bytes(packet) for packet in sink.batches[0]] == [tcp(1, 2), udp(3, 4), tcp6(5, 6)]


def test_nothing_can_be_sent_too():
    with replay([]) as handle:
        assert handle.send([]) == 0
        assert handle.send(fd.Batch.from_packets([])) == 0


def test_addresses_say_where_made_up_packets_go():
    sink, addresses = Sink(), np.zeros(2, fd.ADDRESS_DTYPE)
    addresses["Network"]["IfIdx"] = [4, 5]
    addresses["Flags"] = [fd.AddressFlag.OUTBOUND, 0]
    with replay([], sink=sink) as handle:
        handle.send([tcp(), tcp()], addresses)

    assert sink.batches[0]["ifIdx"].tolist() == [4, 5]
    assert sink.batches[0]["outbound"].tolist() == [True, False]


def test_addresses_can_go_with_a_batch():
    sink, addresses = Sink(), np.zeros(2, fd.ADDRESS_DTYPE)
    addresses["Network"]["IfIdx"] = 9
    with replay(numbered(2), sink=sink) as handle:
        handle.send(handle.recv(), addresses)

    assert sink.batches[0]["ifIdx"].tolist() == [9, 9]


@pytest.mark.parametrize(
    "addresses", [np.zeros(3, fd.ADDRESS_DTYPE), np.zeros(2), "text", [None, None]]
)
def test_wrong_addresses_are_refused_and_the_batch_can_still_be_sent(addresses):
    with replay(numbered(2)) as handle:
        batch = handle.recv()
        with pytest.raises(ValueError, match="addresses"):
            handle.send(batch, addresses)
        assert handle.send(batch) == 2


@pytest.mark.parametrize("packets", [None, 5, "text", [tcp(), "text"], object(), [None]])
def test_what_is_no_packet_is_refused(packets):
    with replay([]) as handle:
        with pytest.raises(TypeError):
            handle.send(packets)
        assert handle.stats()["sent"] == 0


def test_an_array_of_bytes_is_one_packet():
    sink = Sink()
    with replay([], sink=sink) as handle:
        assert handle.send(np.frombuffer(tcp(1, 2), np.uint8)) == 1

    assert bytes(sink.batches[0][0]) == tcp(1, 2)


def test_a_batch_of_another_layer_is_refused():
    with replay([]) as handle:
        batch = fd.Batch.from_packets([b""], layer=fd.Layer.FLOW)
        with pytest.raises(ValueError, match="FLOW"):
            handle.send(batch)


def test_a_recv_only_handle_sends_nothing():
    with replay(numbered(2), flags=fd.Flag.RECV_ONLY) as handle:
        batch = handle.recv()
        with pytest.raises(fd.HandleError, match="RECV_ONLY"):
            handle.send(batch)
        assert not batch.released


def test_a_send_only_handle_sends():
    sink = Sink()
    with replay([], flags=fd.Flag.SEND_ONLY, sink=sink) as handle:
        assert handle.send(tcp()) == 1
    assert len(sink.batches) == 1


def test_a_batch_of_one_handle_can_be_sent_by_another():
    sink = Sink()
    with replay(numbered(3)) as one, replay([], sink=sink) as other:
        other.send(one.recv())

    assert sink.numbers == [0, 1, 2]


def test_a_user_batch_that_is_sent_is_released_and_marked():
    sink = Sink()
    batch = numbered(3)
    with replay([], sink=sink) as handle:
        handle.send(batch)

    assert batch.released
    assert sink.batches[0]["impostor"].all()


def test_a_view_of_a_sent_batch_stays():
    with replay(numbered(3), queue_length=32) as handle:
        batch = handle.recv()
        view, before = batch.payload(1), batch.payload(1).tobytes()
        handle.send(batch)
        assert view.tobytes() == before
        assert handle.stats()["held"] == 3


def test_a_payload_of_another_length_leaves_as_it_is():
    sink = Sink()
    with replay(numbered(3), sink=sink) as handle:
        batch = handle.recv()
        batch.replace_payload(1, b"a payload that does not fit its slot" * 10)
        handle.send(batch)

    assert sink.batches[0].payload(1).tobytes() == b"a payload that does not fit its slot" * 10
    assert sink.batches[0].checksums("verify")["l4_right"][1]


@pytest.mark.parametrize(
    "field", ["sequence", "offset", "captured", "length", "l2_length", "event", "link", "layer"]
)
def test_headers_that_lie_are_sent_as_the_packets_that_they_are(field):
    sink = Sink()
    host = fd.Replay(numbered(40), sink=sink)
    with replay(host, priority=1) as first, replay(host) as second:
        batch = first.recv()
        batch.headers[field] = 200
        first.send(batch)
        got = second.recv()
        seen = numbers(got)
        second.send(got)
        assert_balanced(second.stats())

    assert sorted(seen) == sorted(sink.numbers) == list(range(40))


def test_a_selection_with_doubles_is_sent_with_doubles():
    sink = Sink()
    with replay([numbered(4), numbered(4, first=4), numbered(4, first=8)], sink=sink) as handle:
        batches = [handle.recv(4) for _ in range(3)]
        handle.send(batches[0][[0, 0, 0, 0, 0, 1, 2, 3]])
        handle.send(batches[2])
        handle.send(batches[1][[3, 2, 2, 1, 0, 0]])

    assert sorted(sink.numbers) == sorted([0] * 5 + [1, 2, 3, 4, 4, 5, 6, 6, 7, 8, 9, 10, 11])


def test_a_sink_that_fails_tells_the_sender():
    def fail(batch):
        raise OSError("no space left")

    handle = replay(numbered(3), sink=fail)
    batch = handle.recv()
    with pytest.raises(OSError, match="no space"):
        handle.send(batch)
    handle.close()
    assert_balanced(handle.stats())


def test_a_sink_gets_batches_that_it_may_edit():
    source = numbered(6)
    seen = []

    def sink(batch):
        batch["tcp.DstPort"] = 7
        seen.append(batch["tcp.DstPort"].tolist())

    with replay(source, "tcp.DstPort == 443", sink=sink) as handle:
        for batch in handle:
            handle.send(batch)

    assert [port for ports in seen for port in ports] == [7] * 6
    assert source.match("tcp.DstPort == 7").tolist() == (source["tcp.DstPort"] == 7).tolist()


def impostors(ttls):
    """Packets of these TTLs that another program has sent, and the batch that holds them."""
    batch = fd.Batch.from_packets([tcp(1, 2) for _ in ttls])
    batch["ip.TTL"] = ttls
    addresses = batch.addresses
    addresses["Flags"] = int(fd.AddressFlag.IMPOSTOR)
    batch.addresses = addresses
    return batch


def test_sending_an_impostor_on_costs_a_ttl():
    sink = Sink()
    with replay([], sink=sink) as handle:
        batch = impostors([64, 2])
        batch.checksums("update")
        assert handle.send(batch) == 2
    sent = sink.batches[0]
    assert sent["ip.TTL"].tolist() == [63, 1]
    assert sent.checksums("verify")["ip_right"].all()


def test_an_impostor_without_ttl_left_is_an_error_by_index_and_stops_no_other():
    sink = Sink()
    with replay([], sink=sink) as handle:
        batch = impostors([64, 1, 5, 0, 7])
        batch.drop([2])
        with pytest.raises(
            fd.SendError, match=r"2 packets were not sent \(2 were\): packet 1"
        ) as e:
            handle.send(batch)
        assert batch.released
        assert e.value.faults.dtype == fd.FAULT_DTYPE
        assert e.value.faults["row"].tolist() == [1, 3]
        assert e.value.faults["errno"].tolist() == [errno.EHOSTUNREACH] * 2
        assert (e.value.sent, e.value.errno) == (2, errno.EHOSTUNREACH)
        stats = handle.stats()
    assert sink.batches[0]["ip.TTL"].tolist() == [63, 6]
    assert (stats["sent"], stats["send_errors"], stats["verdict_dropped"]) == (2, 2, 1)


def test_faults_are_returned_if_an_array_is_given_for_them():
    with replay([]) as handle:
        faults = np.full(3, 99, np.int32)
        assert handle.send(impostors([64, 1, 5]), faults=faults) == 2
        assert faults.tolist() == [0, errno.EHOSTUNREACH, 0]
        assert handle.send([tcp(), tcp(), tcp()], faults=faults) == 3
        assert faults.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "faults", [np.zeros(2, np.int32), np.zeros(3, np.int64), np.zeros(6, np.int32)[::2]]
)
def test_an_array_for_faults_must_fit(faults):
    with replay([]) as handle, pytest.raises(ValueError, match="int32 of"):
        handle.send([tcp(), tcp(), tcp()], faults=faults)


def test_a_send_error_survives_pickling():
    faults = np.array([(3, errno.EMSGSIZE)], fd.FAULT_DTYPE)
    again = pickle.loads(pickle.dumps(fd.SendError(faults, 7)))
    assert (str(again), again.sent, again.errno) == (
        str(fd.SendError(faults, 7)),
        7,
        errno.EMSGSIZE,
    )
    assert again.faults.tolist() == faults.tolist()


def test_what_a_higher_handle_put_back_costs_the_lower_none():
    sink = Sink()
    source = numbered(3)
    source["ip.TTL"] = [1, 2, 3]
    host = fd.Replay(source, sink=sink)
    with replay(host, priority=1) as high, replay(host) as low:
        high.send(high.recv())
        batch = low.recv()
        assert batch["impostor"].all()
        assert low.send(batch) == 3
    assert sink.batches[0]["ip.TTL"].tolist() == [1, 2, 3]
