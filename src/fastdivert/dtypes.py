# SPDX-License-Identifier: MIT
"""The structured dtypes of the ring ABI (driver/abi/ring.h), native byte order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from fastdivert._core import Packets

#: One packet or event: struct fd_descriptor, 64 bytes. ``Batch.headers`` has it.
HEADER_DTYPE = np.dtype(
    [
        ("timestamp", np.int64),  # ns
        ("offset", np.uint32),  # of the first IP byte in the byte region
        ("length", np.uint32),  # bytes of the IP packet on the host
        ("captured", np.uint32),  # bytes that are here
        ("flags", np.uint32),  # HeaderFlag
        ("ifindex", np.uint32),
        ("subifindex", np.uint32),
        ("sequence", np.uint32),
        ("mark", np.uint32),
        ("hash", np.uint32),
        ("l4_offset", np.uint16),
        ("payload_offset", np.uint16),
        ("source_port", np.uint16),
        ("destination_port", np.uint16),
        ("protocol", np.uint8),
        ("tcp_flags", np.uint8),
        ("layer", np.uint8),
        ("event", np.uint8),
        ("verdict", np.uint8),  # Verdict: the one field that you write
        ("l2_length", np.uint8),
        ("link", np.uint8),
        ("csum_offset", np.uint8),
        ("gso_size", np.uint16),
        ("csum_start", np.uint16),
    ]
)

#: A packet that could not be sent: ``SendError.faults``.
FAULT_DTYPE = np.dtype([("row", np.uint32), ("errno", np.int32)])

#: Where the headers of a packet are: struct fd_parsed, 32 bytes.
PARSED_DTYPE = np.dtype(
    {
        "names": [
            "ip_length",  # as the IP header says
            "l4_offset",
            "payload_offset",
            "payload_length",
            "fragment_offset",  # units of 8 bytes
            "headers",  # bit 1 IPv4, 2 IPv6, 3 ICMP, 4 ICMPv6, 5 TCP, 6 UDP; 0: no packet
            "state",  # bit 0 fragment, 1 more fragments, 2 truncated, 3 extended
            "protocol",
            "tcp_flags",
            "source_port",
            "destination_port",
        ],
        "formats": ["u4", "u4", "u4", "u4", "u2", "u1", "u1", "u1", "u1", "u2", "u2"],
        "offsets": [0, 4, 8, 12, 16, 18, 19, 20, 21, 22, 24],
        "itemsize": 32,
    }
)

_NETWORK = np.dtype([("IfIdx", np.uint32), ("SubIfIdx", np.uint32)])
_SOCKET = np.dtype(
    [
        ("EndpointId", np.uint64),
        ("ParentEndpointId", np.uint64),
        ("ProcessId", np.uint32),
        ("LocalAddr", np.uint32, (4,)),  # least significant word first
        ("RemoteAddr", np.uint32, (4,)),
        ("LocalPort", np.uint16),
        ("RemotePort", np.uint16),
        ("Protocol", np.uint8),
    ]
)
_REFLECT = np.dtype(
    [
        ("Timestamp", np.int64),
        ("ProcessId", np.uint32),
        ("Layer", np.uint32),
        ("Flags", np.uint64),
        ("Priority", np.int16),
    ]
)

#: WINDIVERT_ADDRESS, 80 bytes at WinDivert's offsets. Network, Flow, Socket and
#: Reflect share their bytes, as in the C union; Flags is an AddressFlag.
ADDRESS_DTYPE = np.dtype(
    {
        "names": ["Timestamp", "Layer", "Event", "Flags", "Network", "Flow", "Socket", "Reflect"],
        "formats": [np.int64, np.uint8, np.uint8, np.uint8, _NETWORK, _SOCKET, _SOCKET, _REFLECT],
        "offsets": [0, 8, 9, 10, 16, 16, 16, 16],
        "itemsize": 80,
    }
)

#: What ``Batch.checksums("verify")`` finds of each packet.
CHECKSUM_DTYPE = np.dtype(
    [
        ("ip_present", np.bool_),
        ("ip_right", np.bool_),
        ("l4_present", np.bool_),  # there is one, and all that it covers is here
        ("l4_right", np.bool_),
        ("l4_partial", np.bool_),  # it holds only the pseudo-header's sum
    ]
)


def headers_of(packets: Packets) -> npt.NDArray[np.void]:
    """The descriptors of packets: shape (n,), HEADER_DTYPE, zero-copy, writable."""
    return np.frombuffer(packets.headers(), HEADER_DTYPE, count=len(packets))
