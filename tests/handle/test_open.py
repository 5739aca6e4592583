"""fastdivert.open: what it refuses, and that nothing is opened then."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import fastdivert as fd
from tests.handle.replaying import replay
from tests.traffic import Sink, numbered, tcp

SNIFF_RECV = fd.Flag.SNIFF | fd.Flag.RECV_ONLY


def test_a_handle_says_how_it_was_opened():
    with replay(numbered(1), "tcp", priority=-7, flags=fd.Flag.SNIFF) as handle:
        assert handle.filter.text == "tcp"
        assert (handle.layer, handle.priority) == (fd.Layer.NETWORK, -7)
        assert handle.flags == fd.Flag.SNIFF
        assert repr(handle) == "<Handle 'tcp' at NETWORK, priority -7>"


@pytest.mark.parametrize(
    "flags",
    [
        fd.Flag.NONE,
        fd.Flag.SNIFF,
        fd.Flag.DROP,
        fd.Flag.RECV_ONLY,
        fd.Flag.SEND_ONLY,
        fd.Flag.NO_INSTALL,
        fd.Flag.FRAGMENTS,
        SNIFF_RECV | fd.Flag.FRAGMENTS | fd.Flag.NO_INSTALL,
        5,
    ],
)
def test_these_flags_go_together(flags):
    with replay(numbered(1), flags=flags) as handle:
        assert handle.flags == fd.Flag(flags)


@pytest.mark.parametrize(
    "flags",
    [
        fd.Flag.SNIFF | fd.Flag.DROP,
        fd.Flag.RECV_ONLY | fd.Flag.SEND_ONLY,
        fd.Flag.SNIFF | fd.Flag.DROP | fd.Flag.RECV_ONLY,
        0x40,
        0x80000000,
        -1,
        -64,
    ],
)
def test_these_flags_are_refused(flags):
    with pytest.raises(ValueError, match=r"exclude each other|bits"):
        replay(numbered(1), flags=flags)


@pytest.mark.parametrize(
    ("layer", "flags"),
    [
        (fd.Layer.FLOW, fd.Flag.NONE),
        (fd.Layer.FLOW, fd.Flag.SNIFF),
        (fd.Layer.FLOW, fd.Flag.RECV_ONLY),
        (fd.Layer.SOCKET, fd.Flag.NONE),
        (fd.Layer.SOCKET, fd.Flag.SNIFF),
        (fd.Layer.REFLECT, fd.Flag.RECV_ONLY),
        (fd.Layer.REFLECT, fd.Flag.SNIFF),
    ],
)
def test_an_event_layer_needs_its_flags(layer, flags):
    with pytest.raises(ValueError, match=f"{layer.name} layer needs"):
        replay(fd.Batch.from_packets([b""], layer=layer), layer=layer, flags=flags)


@pytest.mark.parametrize(
    ("layer", "flags"),
    [
        (fd.Layer.FLOW, SNIFF_RECV),
        (fd.Layer.SOCKET, fd.Flag.RECV_ONLY),
        (fd.Layer.SOCKET, SNIFF_RECV),
        (fd.Layer.REFLECT, SNIFF_RECV),
    ],
)
def test_events_are_replayed_too(layer, flags):
    addresses = np.zeros(3, fd.ADDRESS_DTYPE)
    addresses["Layer"] = layer
    addresses["Timestamp"] = [1, 2, 3]
    source = fd.Batch.from_packets([b""] * 3, addresses)
    with replay(source, layer=layer, flags=flags) as handle:
        batch = handle.recv()
        assert batch.layer is layer
        assert batch["timestamp"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("priority", [-30000, -1, 0, 1, 30000])
def test_priorities_lie_between_30000_and_its_negative(priority):
    with replay(numbered(1), priority=priority) as handle:
        assert handle.priority == priority


@pytest.mark.parametrize("priority", [-30001, 30001, 1 << 40])
def test_a_priority_beyond_is_refused(priority):
    with pytest.raises(ValueError, match="priority"):
        replay(numbered(1), priority=priority)


@pytest.mark.parametrize("priority", [1.5, "high", None, float("nan")])
def test_a_priority_is_a_whole_number(priority):
    with pytest.raises((TypeError, ValueError)):
        replay(numbered(1), priority=priority)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("queue_length", 31),
        ("queue_length", 0),
        ("queue_length", -1),
        ("queue_length", (1 << 22) + 1),
        ("queue_time", 99),
        ("queue_time", 16001),
        ("queue_size", 65534),
        ("queue_size", (1 << 31) + 1),
        ("queue_size", 1 << 63),
    ],
)
def test_a_queue_parameter_out_of_range_is_refused(name, value):
    with pytest.raises(ValueError, match=name.upper()):
        replay(numbered(1), **{name: value})


@pytest.mark.parametrize("value", [100.5, "4096", float("nan")])
def test_a_queue_parameter_is_a_whole_number(value):
    with pytest.raises((TypeError, ValueError)):
        replay(numbered(1), queue_length=value)


@pytest.mark.parametrize("text", ["tcp.DstPort ==", "nonsense", "", "(tcp", "tcp and and udp"])
def test_a_bad_filter_opens_nothing(text, tmp_path):
    sink = tmp_path / "out.pcap"
    sink.write_bytes(b"kept")
    taken = []

    def source():
        taken.append(1)
        yield numbered(1)

    with pytest.raises(fd.FilterError):
        replay(source(), text, sink=sink)
    assert sink.read_bytes() == b"kept"
    assert not taken


@pytest.mark.parametrize(
    "wrong",
    [
        {"priority": 40000},
        {"flags": 3},
        {"queue_length": 1},
        {"pace": -1},
        {"unmatched": "keep"},
        {"layer": 9},
        {"nonsense": 1},
        {"driver": "other"},
    ],
)
def test_a_wrong_argument_opens_nothing(wrong, tmp_path):
    sink = tmp_path / "out.pcap"
    sink.write_bytes(b"kept")

    with pytest.raises((ValueError, TypeError)):
        fd.open("true", **{"driver": "replay", "source": numbered(1), "sink": sink, **wrong})
    assert sink.read_bytes() == b"kept"


@pytest.mark.parametrize("pace", [0, -1, 0.0, float("nan"), "fast", None])
def test_pace_is_a_factor_above_zero(pace):
    with pytest.raises((ValueError, TypeError)):
        replay(numbered(1), pace=pace)


def test_the_driver_of_another_system_is_not_there():
    other = "linux" if sys.platform == "win32" else "windows"
    with pytest.raises(NotImplementedError, match="replay"):
        fd.open("true", driver=other)


def test_a_replay_needs_a_source():
    with pytest.raises(ValueError, match="source"):
        fd.open("true", driver="replay")


@pytest.mark.parametrize("source", [None, 5, object()])
def test_what_is_no_source_is_refused(source):
    with pytest.raises(TypeError):
        replay(source)


def test_a_source_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        replay(tmp_path / "nothing.pcap", sink=tmp_path / "out.pcap")
    assert not (tmp_path / "out.pcap").exists()


def test_a_shared_replay_has_its_own_options():
    with pytest.raises(ValueError, match="sink"):
        replay(fd.Replay(numbered(1)), sink=Sink())


def test_a_filter_of_another_layer_is_refused():
    with pytest.raises(ValueError, match="FLOW"):
        replay(numbered(1), fd.compile("true", fd.Layer.FLOW))


def test_a_compiled_filter_will_do():
    with replay(numbered(4), fd.compile("tcp.DstPort == 80", fd.Layer.NETWORK)) as handle:
        assert len(handle.recv()) == 2


def test_packets_of_another_layer_do_not_match():
    sink = Sink()
    source = fd.Batch.from_packets([tcp()], layer=fd.Layer.NETWORK_FORWARD)
    with replay(source, sink=sink) as handle, pytest.raises(fd.ShutdownError):
        handle.recv(timeout=1)
    assert len(sink.batches) == 1


def test_the_replay_driver_has_no_descriptor():
    with replay(numbered(1)) as handle, pytest.raises(fd.HandleError, match="async"):
        handle.fileno()
