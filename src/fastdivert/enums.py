# SPDX-License-Identifier: MIT
"""WinDivert's constants, by WinDivert's names and with WinDivert's values."""

from __future__ import annotations

import enum


class Layer(enum.IntEnum):
    """WINDIVERT_LAYER: where packets or events are taken."""

    NETWORK = 0
    NETWORK_FORWARD = 1
    FLOW = 2
    SOCKET = 3
    REFLECT = 4


class Event(enum.IntEnum):
    """WINDIVERT_EVENT: what happened."""

    NETWORK_PACKET = 0
    FLOW_ESTABLISHED = 1
    FLOW_DELETED = 2
    SOCKET_BIND = 3
    SOCKET_CONNECT = 4
    SOCKET_LISTEN = 5
    SOCKET_ACCEPT = 6
    SOCKET_CLOSE = 7
    REFLECT_OPEN = 8
    REFLECT_CLOSE = 9


class Flag(enum.IntFlag):
    """WINDIVERT_FLAG: how a handle is opened."""

    NONE = 0
    SNIFF = 0x01
    DROP = 0x02
    RECV_ONLY = 0x04
    READ_ONLY = RECV_ONLY
    SEND_ONLY = 0x08
    WRITE_ONLY = SEND_ONLY
    NO_INSTALL = 0x10
    FRAGMENTS = 0x20


class Param(enum.IntEnum):
    """WINDIVERT_PARAM: parameters of a handle."""

    QUEUE_LENGTH = 0
    QUEUE_TIME = 1
    QUEUE_SIZE = 2
    VERSION_MAJOR = 3
    VERSION_MINOR = 4


class Shutdown(enum.IntFlag):
    """WINDIVERT_SHUTDOWN: which direction of a handle to end."""

    RECV = 1
    SEND = 2
    BOTH = 3


class Verdict(enum.IntEnum):
    """What ``Handle.send`` does with a packet of a batch."""

    PASS = 0
    DROP = 1


class ChecksumFlag(enum.IntFlag):
    """WINDIVERT_HELPER_NO_*_CHECKSUM: checksums to leave alone."""

    NONE = 0
    NO_IP = 1
    NO_ICMP = 2
    NO_ICMPV6 = 4
    NO_TCP = 8
    NO_UDP = 16


class HeaderFlag(enum.IntFlag):
    """What is known of a packet: ``headers["flags"]``, FD_FLAG_* of the ring ABI."""

    OUTBOUND = 1 << 0
    LOOPBACK = 1 << 1
    IMPOSTOR = 1 << 2
    SNIFFED = 1 << 3
    IPV6 = 1 << 4
    FRAGMENT = 1 << 5
    TRUNCATED = 1 << 6
    MALFORMED = 1 << 7
    FORWARDED = 1 << 8
    IP_CHECKSUM_VALID = 1 << 9
    TCP_CHECKSUM_VALID = 1 << 10
    UDP_CHECKSUM_VALID = 1 << 11
    IP_CHECKSUM_PARTIAL = 1 << 12
    TCP_CHECKSUM_PARTIAL = 1 << 13
    UDP_CHECKSUM_PARTIAL = 1 << 14
    GSO_TCP = 1 << 15
    GSO_UDP = 1 << 16
    GSO_ECN = 1 << 17
    REINJECTED = 1 << 18


class AddressFlag(enum.IntFlag):
    """The bits of WINDIVERT_ADDRESS from Sniffed on: ``addresses["Flags"]``."""

    SNIFFED = 1 << 0
    OUTBOUND = 1 << 1
    LOOPBACK = 1 << 2
    IMPOSTOR = 1 << 3
    IPV6 = 1 << 4
    IP_CHECKSUM = 1 << 5
    TCP_CHECKSUM = 1 << 6
    UDP_CHECKSUM = 1 << 7


class Link(enum.IntEnum):
    """What lies before the IP header: ``headers["link"]``, FD_LINK_* of the ring ABI."""

    RAW = 0  # nothing
    ETHERNET = 1  # with its VLAN tags
    NULL = 2  # BSD loopback
    LOOP = 3  # OpenBSD loopback
    SLL = 4  # Linux cooked v1
    SLL2 = 5  # Linux cooked v2
    OTHER = 6  # not understood: the packet is the whole frame
