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
