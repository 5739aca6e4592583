/* SPDX-License-Identifier: MIT */
/*
 * Where the headers of an IP packet are: WinDivert's rules of what is
 * accepted, for IPv4 with options and IPv6 with extension headers, whole or
 * cut short. Never reads past captured.
 */
#ifndef FD_CORE_PACKET_H
#define FD_CORE_PACKET_H

#include "../abi/program.h"

enum fd_parsed_state {
    FD_PARSED_FRAGMENT = 1 << 0,       /* a fragment header, or MF or an offset */
    FD_PARSED_MORE_FRAGMENTS = 1 << 1, /* MF */
    FD_PARSED_TRUNCATED = 1 << 2,      /* the IP length is more than captured */
    FD_PARSED_EXTENDED = 1 << 3,       /* the IP length is less than captured */
};

/* 32 bytes. headers is 0 for what is no packet; otherwise it has exactly one
 * of IP and IPV6, and at most one transport header. Every offset and length
 * here lies within captured. */
struct fd_parsed {
    uint32_t length;          /* as the IP header says: header and payload */
    uint32_t l4_offset;       /* after the last IP or extension header */
    uint32_t payload_offset;  /* after the transport header, or l4_offset */
    uint32_t payload_length;  /* bytes present, up to the IP length */
    uint16_t fragment_offset; /* in units of 8 bytes */
    uint8_t headers;          /* FD_HAS(enum fd_header) */
    uint8_t state;            /* enum fd_parsed_state */
    uint8_t protocol;         /* after the last extension header */
    uint8_t tcp_flags;        /* 0 without TCP */
    uint16_t source_port;     /* 0 without TCP and UDP; host order */
    uint16_t destination_port;
    uint8_t padding[6];
};

FD_ABI_ASSERT(sizeof(struct fd_parsed) == 32, "fd_parsed is 32 bytes");

/* Fills parsed (all of it, also on failure: headers == 0 then). Returns
 * parsed->headers. packet may be unaligned; it is read once. */
unsigned fd_parse(const uint8_t *packet, uint32_t captured, struct fd_parsed *parsed);

/* Writes what was parsed into a descriptor: length, offsets, ports, protocol,
 * TCP flags and the flags IPV6, FRAGMENT, TRUNCATED and MALFORMED. */
void fd_describe(const struct fd_parsed *parsed, uint32_t captured,
                 struct fd_descriptor *descriptor);

/* Both at once, which is faster. */
unsigned fd_parse_and_describe(const uint8_t *packet, uint32_t captured, struct fd_parsed *parsed,
                               struct fd_descriptor *descriptor);

#endif
