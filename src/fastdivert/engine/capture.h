/* SPDX-License-Identifier: MIT */
/* What the reader and the writer of capture files share: the formats, the
 * link types of the registry at tcpdump.org/linktypes.html, the faults, and
 * loads and stores of either byte order at any alignment. */
#ifndef FD_ENGINE_CAPTURE_H
#define FD_ENGINE_CAPTURE_H

#include "core/bytes.h"
#include "core/ring.h"

enum fd_capture_format {
    FD_CAPTURE_UNKNOWN = 0,
    FD_CAPTURE_PCAP = 1,
    FD_CAPTURE_PCAPNG = 2,
};

enum fd_capture_fault {
    FD_CAPTURE_OK = 0,
    /* reading */
    FD_CAPTURE_EMPTY,
    FD_CAPTURE_BAD_MAGIC,
    FD_CAPTURE_BAD_VERSION,
    FD_CAPTURE_CUT_HEADER,  /* the file ends within a file, record or block header */
    FD_CAPTURE_CUT_RECORD,  /* the file ends within a record or block */
    FD_CAPTURE_LONG_RECORD, /* a packet longer than FD_CAPTURED_MAX */
    FD_CAPTURE_BAD_BLOCK_LENGTH,
    FD_CAPTURE_BAD_PACKET_LENGTH, /* a packet longer than its block */
    FD_CAPTURE_BAD_OPTION,
    FD_CAPTURE_BAD_INTERFACE,   /* a packet of an interface that was not described */
    FD_CAPTURE_MANY_INTERFACES, /* more than FD_CAPTURE_INTERFACES; reading and writing */
    /* writing: what a file of this format and link type cannot hold */
    FD_CAPTURE_OTHER_LINK,   /* another link type than the file's */
    FD_CAPTURE_UNKNOWN_LINK, /* a frame of a link type that is not understood */
    FD_CAPTURE_NOT_IP,       /* only IP packets can go without their L2 header */
    FD_CAPTURE_NO_L2,        /* less of an L2 header than its link type has */
    FD_CAPTURE_BAD_TIME,     /* before 1970, or past what the format can say */
    FD_CAPTURE_BAD_LAYER,    /* an event is no packet */
    FD_CAPTURE_NO_ROOM,      /* the buffer is smaller than fd_capture_write_size said */
    FD_CAPTURE_FAULT_COUNT,
};

/* One sentence, without the place. */
const char *fd_capture_fault_text(enum fd_capture_fault fault);

enum fd_capture_link_type {
    FD_LINKTYPE_NULL = 0,
    FD_LINKTYPE_ETHERNET = 1,
    FD_LINKTYPE_RAW_BSD = 12,     /* DLT_RAW's number on most systems ... */
    FD_LINKTYPE_RAW_OPENBSD = 14, /* ... and on OpenBSD */
    FD_LINKTYPE_RAW = 101,
    FD_LINKTYPE_LOOP = 108,
    FD_LINKTYPE_LINUX_SLL = 113,
    FD_LINKTYPE_IPV4 = 228,
    FD_LINKTYPE_IPV6 = 229,
    FD_LINKTYPE_LINUX_SLL2 = 276,
};

#define FD_CAPTURE_INTERFACES 1024u

/* pcap */
#define FD_PCAP_MAGIC_MICROSECONDS 0xa1b2c3d4u
#define FD_PCAP_MAGIC_NANOSECONDS 0xa1b23c4du
#define FD_PCAP_HEADER_SIZE 24u
#define FD_PCAP_RECORD_SIZE 16u

/* pcapng: draft-ietf-opsawg-pcapng */
#define FD_PCAPNG_BYTE_ORDER_MAGIC 0x1a2b3c4du
#define FD_PCAPNG_BLOCK_OVERHEAD 12u /* type, length, length again */

enum fd_pcapng_block {
    FD_PCAPNG_SECTION = 0x0a0d0d0a, /* the same in both byte orders */
    FD_PCAPNG_INTERFACE = 1,
    FD_PCAPNG_PACKET = 2, /* obsolete */
    FD_PCAPNG_SIMPLE_PACKET = 3,
    FD_PCAPNG_ENHANCED_PACKET = 6,
};

enum fd_pcapng_option {
    FD_PCAPNG_END_OF_OPTIONS = 0,
    FD_PCAPNG_IF_NAME = 2,
    FD_PCAPNG_IF_TSRESOL = 9,
    FD_PCAPNG_IF_TSOFFSET = 14,
    FD_PCAPNG_PACKET_FLAGS = 2, /* of both packet blocks that have options */
};

#define FD_PCAPNG_FLAGS_DIRECTION 3u
#define FD_PCAPNG_FLAGS_OUTBOUND 2u

/* In the byte order of the file or section. */
static inline uint16_t fd_load16(const uint8_t *p, int big_endian)
{
    return big_endian ? fd_be16(p) : fd_swap16(fd_be16(p));
}

static inline uint32_t fd_load32(const uint8_t *p, int big_endian)
{
    return big_endian ? fd_be32(p) : fd_le32(p);
}

static inline uint64_t fd_load64(const uint8_t *p, int big_endian)
{
    uint64_t first = fd_load32(p, big_endian), second = fd_load32(p + 4, big_endian);

    return big_endian ? first << 32 | second : second << 32 | first;
}

static inline uint8_t *fd_store16_le(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
    return p + 2;
}

static inline uint8_t *fd_store32_le(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
    p[2] = (uint8_t)(value >> 16);
    p[3] = (uint8_t)(value >> 24);
    return p + 4;
}

#endif
