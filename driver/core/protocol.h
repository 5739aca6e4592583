/* SPDX-License-Identifier: MIT */
/* The numbers of IPv4, IPv6, TCP, UDP and ICMP that the core needs. */
#ifndef FD_CORE_PROTOCOL_H
#define FD_CORE_PROTOCOL_H

/* IANA protocol numbers; the first column of an IPv6 extension header chain. */
enum fd_protocol {
    FD_PROTOCOL_HOP_BY_HOP = 0,
    FD_PROTOCOL_ICMP = 1,
    FD_PROTOCOL_TCP = 6,
    FD_PROTOCOL_UDP = 17,
    FD_PROTOCOL_ROUTING = 43,
    FD_PROTOCOL_FRAGMENT = 44,
    FD_PROTOCOL_AH = 51,
    FD_PROTOCOL_ICMPV6 = 58,
    FD_PROTOCOL_DESTINATION = 60,
    FD_PROTOCOL_MOBILITY = 135,
};

/* Lengths in bytes: the least that a header can have. */
enum fd_header_length {
    FD_IPV4_LENGTH = 20,
    FD_IPV6_LENGTH = 40,
    FD_IPV6_FRAGMENT_LENGTH = 8,
    FD_TCP_LENGTH = 20,
    FD_UDP_LENGTH = 8,
    FD_ICMP_LENGTH = 8,
};

/* Where a header keeps what the core reads or writes. */
enum fd_header_offset {
    FD_IPV4_TTL = 8,
    FD_IPV4_CHECKSUM = 10,
    FD_IPV4_SOURCE = 12,
    FD_IPV4_DESTINATION = 16,
    FD_IPV6_HOP_LIMIT = 7,
    FD_IPV6_SOURCE = 8,
    FD_IPV6_DESTINATION = 24,
    FD_TCP_DATA_OFFSET = 12,
    FD_TCP_FLAGS = 13,
    FD_TCP_CHECKSUM = 16,
    FD_UDP_CHECKSUM = 6,
    FD_ICMP_CHECKSUM = 2, /* ICMPv6 also */
};

#endif
