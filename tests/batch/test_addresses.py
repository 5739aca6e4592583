"""WINDIVERT_ADDRESS in and out of a batch."""

from __future__ import annotations

import numpy as np
import pytest

import fastdivert as fd
from tests.traffic import tcp


def addresses(count: int, layer: fd.Layer = fd.Layer.NETWORK) -> np.ndarray:
    out = np.zeros(count, fd.ADDRESS_DTYPE)
    out["Layer"] = layer
    out["Timestamp"] = np.arange(count) * 1000 - 1
    return out


def test_the_dtype_has_the_size_and_offsets_of_windivert_address():
    fields = {name: entry[1] for name, entry in fd.ADDRESS_DTYPE.fields.items()}

    assert fd.ADDRESS_DTYPE.itemsize == 80
    assert fields["Layer"] == 8
    assert fields["Network"] == fields["Socket"] == fields["Reflect"] == 16
    assert fd.ADDRESS_DTYPE["Socket"].fields["LocalAddr"][1] == 20
    assert fd.ADDRESS_DTYPE["Socket"].fields["Protocol"][1] == 56


def test_network_addresses_round_trip():
    given = addresses(3)
    given["Flags"] = [0, 0xFF & ~fd.AddressFlag.IPV6, fd.AddressFlag.OUTBOUND]
    given["Network"]["IfIdx"] = [1, 2, 0xFFFFFFFF]
    given["Network"]["SubIfIdx"] = [0xFFFFFFFF, 5, 6]
    batch = fd.Batch.from_packets([tcp()] * 3, given)

    assert batch.addresses.tobytes() == given.tobytes()


@pytest.mark.parametrize("layer", [fd.Layer.FLOW, fd.Layer.SOCKET])
def test_socket_addresses_round_trip(layer):
    given = addresses(2, layer)
    given["Event"] = fd.Event.FLOW_ESTABLISHED if layer == fd.Layer.FLOW else fd.Event.SOCKET_BIND
    given["Socket"]["EndpointId"] = [1 << 63, 2]
    given["Socket"]["ProcessId"] = [4, 0xFFFFFFFF]
    given["Socket"]["LocalAddr"] = [[0x0A000001, 0xFFFF, 0, 0], [1, 0, 0, 0x20010DB8]]
    given["Socket"]["LocalPort"] = [80, 65535]
    given["Socket"]["Protocol"] = [6, 17]
    batch = fd.Batch.from_packets([b"", b""], given)

    assert batch.layer is layer
    assert batch.addresses.tobytes() == given.tobytes()


def test_reflect_addresses_round_trip():
    given = addresses(1, fd.Layer.REFLECT)
    given["Event"] = fd.Event.REFLECT_OPEN
    given["Reflect"]["Timestamp"] = -5
    given["Reflect"]["Layer"] = fd.Layer.FLOW
    given["Reflect"]["Flags"] = 5
    given["Reflect"]["Priority"] = -30000
    batch = fd.Batch.from_packets([b""], given)

    assert batch.addresses.tobytes() == given.tobytes()
    assert batch["priority"].tolist() == [-30000]


def test_one_address_serves_every_packet():
    given = addresses(1)[0]
    given["Network"]["IfIdx"] = 9

    assert fd.Batch.from_packets([tcp()] * 3, given)["ifIdx"].tolist() == [9, 9, 9]


def test_addresses_are_a_copy():
    batch = fd.Batch.from_packets([tcp()])
    batch.addresses["Timestamp"] = 99

    assert batch["timestamp"].tolist() == [0]


def test_addresses_can_be_assigned():
    batch = fd.Batch.from_packets([tcp()] * 2)
    given = addresses(2)
    given["Flags"] = fd.AddressFlag.OUTBOUND
    batch.addresses = given

    assert batch["outbound"].tolist() == [True, True]
    assert batch["timestamp"].tolist() == [-1, 999]


def test_a_column_is_what_the_address_says():
    batch = fd.Batch.from_packets([tcp()] * 2)
    batch.set("ifIdx", 7, [False, True])
    batch["outbound"] = [True, False]

    assert batch.addresses["Network"]["IfIdx"].tolist() == [0, 7]
    assert batch.addresses["Flags"].tolist() == [fd.AddressFlag.OUTBOUND, 0]


def test_mixed_layers_are_refused_by_their_index():
    given = addresses(3)
    given["Layer"][2] = fd.Layer.NETWORK_FORWARD

    with pytest.raises(ValueError, match="address 2 is of layer 1, not 0"):
        fd.Batch.from_packets([tcp()] * 3, given)


def test_a_layer_that_contradicts_the_addresses_is_refused():
    with pytest.raises(ValueError, match="address 0 is of layer 0, not 1"):
        fd.Batch.from_packets([tcp()], addresses(1), layer=fd.Layer.NETWORK_FORWARD)


def test_a_layer_that_does_not_exist_is_refused():
    given = addresses(1)
    given["Layer"] = 77

    with pytest.raises(ValueError, match="77"):
        fd.Batch.from_packets([tcp()], given)


@pytest.mark.parametrize("shape", [(1,), (3,), (2, 2), (0,)])
def test_addresses_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="shape"):
        fd.Batch.from_packets([tcp()] * 2, np.zeros(shape, fd.ADDRESS_DTYPE))


@pytest.mark.parametrize("wrong", [np.zeros(2), np.zeros((2, 80), np.uint8), [1, 2], "text"])
def test_addresses_of_another_dtype_are_refused(wrong):
    with pytest.raises(ValueError, match="ADDRESS_DTYPE"):
        fd.Batch.from_packets([tcp()] * 2, wrong)


def test_addresses_of_another_layer_cannot_be_assigned():
    batch = fd.Batch.from_packets([b""], layer=fd.Layer.SOCKET)
    before = batch.addresses

    with pytest.raises(ValueError, match="layer"):
        batch.addresses = addresses(1)
    assert batch.addresses.tobytes() == before.tobytes()


def test_an_event_that_does_not_exist_is_refused():
    given = addresses(1, fd.Layer.SOCKET)
    given["Event"] = 200

    with pytest.raises(ValueError, match="event"):
        fd.Batch.from_packets([b""], given)


def test_every_second_address_of_a_larger_array_will_do():
    given = addresses(4)
    given["Network"]["IfIdx"] = [1, 2, 3, 4]

    assert fd.Batch.from_packets([tcp()] * 2, given[::2])["ifIdx"].tolist() == [1, 3]
