"""Whatever edits the bytes, what is read next follows."""

from __future__ import annotations

import numpy as np
import pytest

import fastdivert as fd
from tests.traffic import tcp, udp


def batch_of_two() -> fd.Batch:
    batch = fd.Batch.from_packets([tcp(1000, 80, b"abcd"), udp(2000, 53, b"efgh")])
    batch.checksums()
    return batch


def _by_column(batch: fd.Batch) -> None:
    batch["tcp.DstPort"] = 8080


def _by_packet(batch: fd.Batch) -> None:
    batch[0]["tcp.DstPort"] = 8080


def _by_packet_bytes(batch: fd.Batch) -> None:
    batch.set("packet16[22b]", 8080, batch["tcp"])


def _by_view(batch: fd.Batch) -> None:
    batch[0].raw[22:24] = [8080 >> 8, 8080 & 255]


def _by_selection(batch: fd.Batch) -> None:
    batch[[1, 0]]["tcp.DstPort"] = 8080


def _by_view_of_a_selection(batch: fd.Batch) -> None:
    batch[:1][0].raw[22:24] = [8080 >> 8, 8080 & 255]


_EDITS = [
    _by_column,
    _by_packet,
    _by_packet_bytes,
    _by_view,
    _by_selection,
    _by_view_of_a_selection,
]


@pytest.mark.parametrize("edit", _EDITS)
def test_every_reader_sees_a_new_port(edit):
    batch = batch_of_two()
    assert batch.match("tcp.DstPort == 80").tolist() == [True, False]
    edit(batch)

    assert batch["tcp.DstPort"].tolist() == [8080, 0]
    assert batch["remotePort"].tolist()[0] in (8080, 1000)
    assert 8080 in (batch["remotePort"][0], batch["localPort"][0])
    assert batch.parse(())["destination_port"].tolist() == [8080, 53]
    assert batch.match("tcp.DstPort == 8080").tolist() == [True, False]
    assert batch[0].dst_port == 8080
    assert batch.copy().match("tcp.DstPort == 8080").tolist() == [True, False]
    assert batch[:1].parse(())["destination_port"].tolist() == [8080]


@pytest.mark.parametrize("edit", _EDITS)
def test_a_selection_made_before_sees_a_new_port(edit):
    batch = batch_of_two()
    selection = batch[[1, 0]]
    assert selection.parse(())["destination_port"].tolist() == [53, 80]
    edit(batch)

    assert selection.parse(())["destination_port"].tolist() == [53, 8080]
    assert selection.match("tcp.DstPort == 8080").tolist() == [False, True]


def test_a_view_taken_early_and_written_late_is_seen():
    batch = batch_of_two()
    raw = batch[0].raw
    for port in (1, 2, 3):
        raw[23] = port
        raw[22] = 0
        assert batch.parse(())["destination_port"][0] == port


def test_another_protocol_is_another_packet():
    batch = batch_of_two()
    batch.set("ip.Protocol", 17, batch["tcp"])

    assert batch["tcp"].tolist() == [False, False]
    assert batch["udp"].tolist() == [True, True]
    assert batch.has("tcp.DstPort").tolist() == [False, False]


def test_a_longer_ip_header_moves_the_transport_header():
    batch = batch_of_two()
    batch.set("ip.HdrLength", 6, [True, False])

    assert batch.parse(())["l4_offset"].tolist() == [24, 20]


def test_a_longer_tcp_header_moves_the_payload():
    batch = batch_of_two()
    batch["tcp.HdrLength"] = 6

    assert batch.payload(0).tobytes() == b""
    assert batch.parse(())["payload_offset"][0] == 44


def test_a_shorter_ip_length_shortens_the_payload():
    batch = batch_of_two()
    batch["ip.Length"] = batch["ip.Length"] - 2

    assert [packet.payload.tobytes() for packet in batch] == [b"ab", b"ef"]


@pytest.mark.parametrize("version", [0x55, 0x05, 0xF5])
def test_what_is_no_ip_any_more_is_no_packet(version):
    batch = batch_of_two()
    batch["packet[0]"] = version

    assert not batch["ip"].any()
    assert not batch.match("true").any()


def test_a_fragment_offset_takes_the_transport_header_away():
    batch = batch_of_two()
    batch["ip.FragOff"] = 100

    assert not batch.has("tcp.DstPort").any()
    assert batch["fragment"].all()


def test_a_replaced_payload_is_seen_by_filters():
    batch = batch_of_two()
    assert not batch.match("tcp.Payload[0] == 0x58").any()
    batch.replace_payload(0, b"Xyz")

    assert batch.match("tcp.Payload[0] == 0x58 and tcp.PayloadLength == 3").tolist() == [1, 0]
    assert batch["length"].tolist() == [43, 32]


def test_a_selection_made_before_keeps_the_payload_that_was_replaced():
    batch = batch_of_two()
    selection = batch[:1]
    batch.replace_payload(0, b"another one")

    assert selection.payload(0).tobytes() == b"abcd"
    assert selection.match("tcp.PayloadLength == 4").all()


def test_a_selection_of_replaced_payloads_has_them():
    batch = batch_of_two()
    batch.replace_payload(1, b"fresh")
    selection = batch[[1]]
    del batch

    assert selection.payload(0).tobytes() == b"fresh"


def test_every_byte_edit_reads_as_a_fresh_parse_does():
    random = np.random.default_rng(5)
    batch = batch_of_two()
    views = [packet.raw for packet in batch[:1]]
    for step in range(300):
        row, at = int(random.integers(2)), int(random.integers(32))
        value = int(random.integers(256))
        match step % 4:
            case 0:
                batch.set(f"packet[{at}]", value, np.arange(2) == row)
            case 1:
                batch[row][f"packet[{at}]"] = value
            case 2:
                batch[[row]][f"packet[{at}]"] = value
            case 3:
                views[0][at] = value
        fresh = fd.Batch.from_packets([bytes(packet) for packet in batch.copy()])
        assert batch.parse(()).tobytes() == fresh.parse(()).tobytes()
        assert batch.match("tcp or udp").tolist() == fresh.match("tcp or udp").tolist()
