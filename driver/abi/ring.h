/* SPDX-License-Identifier: MIT */
/*
 * The ring ABI: what a producer (a kernel driver, or the replay driver in
 * process) and a consumer (the fastdivert extension) share.
 *
 * This header is the one truth. It is read by the core C, by both drivers and
 * by Cython; driver/abi/README.md explains every field in prose. It contains
 * fixed-width types, constants and static asserts, and nothing else, so that
 * it compiles in user space, in a Windows driver and as eBPF.
 *
 * All integers are in host byte order. A queue is two regions:
 *
 *   descriptor region   struct fd_ring_header, then descriptor_count
 *                       struct fd_descriptor (a power of two)
 *   byte region         byte_size bytes (a power of two), then guard_size
 *                       bytes, so that no record ever wraps
 */
#ifndef FD_ABI_RING_H
#define FD_ABI_RING_H

#ifndef FD_ABI_NO_STDINT /* an eBPF or kernel build brings its own types */
#include <stdint.h>
#endif

#define FD_RING_MAGIC 0x31524446u /* "FDR1" in memory on a little-endian host */
#define FD_ABI_MAJOR 1
#define FD_ABI_MINOR 0

#define FD_CACHE_LINE 64u
#define FD_RECORD_ALIGN 64u
#define FD_PACKET_ALIGN 16u

/* The longest L2 header that is kept before a packet, and the longest run of
 * packet bytes in one record: a GSO super-packet with room to spare. */
#define FD_L2_MAX 64u
#define FD_CAPTURED_MAX 524288u
#define FD_GUARD_SIZE (FD_L2_MAX + FD_CAPTURED_MAX)

#define FD_DESCRIPTORS_MIN 32u
#define FD_DESCRIPTORS_MAX (1u << 22)
#define FD_BYTES_MIN 65536ull
#define FD_BYTES_MAX (1ull << 31)

/* WinDivert's queue parameters: default, least, most. Ours may be larger. */
#define FD_QUEUE_LENGTH_DEFAULT 4096u
#define FD_QUEUE_LENGTH_MIN 32u
#define FD_QUEUE_LENGTH_MAX FD_DESCRIPTORS_MAX
#define FD_QUEUE_TIME_DEFAULT 2000u /* milliseconds */
#define FD_QUEUE_TIME_MIN 100u
#define FD_QUEUE_TIME_MAX 16000u
#define FD_QUEUE_SIZE_DEFAULT 4194304ull
#define FD_QUEUE_SIZE_MIN 65535ull
#define FD_QUEUE_SIZE_MAX FD_BYTES_MAX

enum fd_layer {
    FD_LAYER_NETWORK = 0,
    FD_LAYER_NETWORK_FORWARD = 1,
    FD_LAYER_FLOW = 2,
    FD_LAYER_SOCKET = 3,
    FD_LAYER_REFLECT = 4,
    FD_LAYER_COUNT = 5,
};

enum fd_event {
    FD_EVENT_NETWORK_PACKET = 0,
    FD_EVENT_FLOW_ESTABLISHED = 1,
    FD_EVENT_FLOW_DELETED = 2,
    FD_EVENT_SOCKET_BIND = 3,
    FD_EVENT_SOCKET_CONNECT = 4,
    FD_EVENT_SOCKET_LISTEN = 5,
    FD_EVENT_SOCKET_ACCEPT = 6,
    FD_EVENT_SOCKET_CLOSE = 7,
    FD_EVENT_REFLECT_OPEN = 8,
    FD_EVENT_REFLECT_CLOSE = 9,
    FD_EVENT_COUNT = 10,
};

/* What lies before the IP header, kept so that a packet can go back into a
 * capture (or onto a device) as it came. */
enum fd_link {
    FD_LINK_NONE = 0, /* raw IP */
    FD_LINK_ETHERNET = 1,
    FD_LINK_NULL = 2,  /* BSD loopback, 4-byte family, either byte order */
    FD_LINK_LOOP = 3,  /* OpenBSD loopback, 4-byte family, network order */
    FD_LINK_SLL = 4,   /* Linux cooked v1 */
    FD_LINK_SLL2 = 5,  /* Linux cooked v2 */
    FD_LINK_OTHER = 6, /* not understood: the packet is the frame from its first byte */
    FD_LINK_COUNT = 7,
};

/* The one field of a descriptor that the consumer's user writes. */
enum fd_verdict {
    FD_VERDICT_PASS = 0, /* send() puts the packet back */
    FD_VERDICT_DROP = 1, /* send() leaves it out */
};

enum fd_descriptor_flag {
    FD_FLAG_OUTBOUND = 1 << 0,
    FD_FLAG_LOOPBACK = 1 << 1,
    FD_FLAG_IMPOSTOR = 1 << 2, /* injected by a program, not by the host */
    FD_FLAG_SNIFFED = 1 << 3,
    FD_FLAG_IPV6 = 1 << 4,
    FD_FLAG_FRAGMENT = 1 << 5,
    FD_FLAG_TRUNCATED = 1 << 6, /* captured is less than length */
    FD_FLAG_MALFORMED = 1 << 7, /* no IP packet that WinDivert would accept */
    FD_FLAG_FORWARDED = 1 << 8,
    /* Checksum state. VALID: computed and right. PARTIAL: the field holds the
     * folded pseudo-header sum and whoever sends it next must finish it.
     * Neither: unknown. */
    FD_FLAG_IP_CHECKSUM_VALID = 1 << 9,
    FD_FLAG_TCP_CHECKSUM_VALID = 1 << 10,
    FD_FLAG_UDP_CHECKSUM_VALID = 1 << 11,
    FD_FLAG_IP_CHECKSUM_PARTIAL = 1 << 12,
    FD_FLAG_TCP_CHECKSUM_PARTIAL = 1 << 13,
    FD_FLAG_UDP_CHECKSUM_PARTIAL = 1 << 14,
    /* Generic segmentation offload: the packet is gso_size segments in one. */
    FD_FLAG_GSO_TCP = 1 << 15,
    FD_FLAG_GSO_UDP = 1 << 16,
    FD_FLAG_GSO_ECN = 1 << 17,
    /* With IMPOSTOR: the program was a handle of higher priority. It never sees
     * the packet again, so no loop leads through it. */
    FD_FLAG_REINJECTED = 1 << 18,
};

/* 64 bytes: one packet or one event. Offsets within a packet count from its
 * first IP byte; 0xffff in l4_offset or payload_offset says that the value
 * does not fit, and 0 in l4_offset that there is no transport header. */
struct fd_descriptor {
    int64_t timestamp; /* ns; since the epoch unless the driver's page says otherwise */
    uint32_t offset;   /* of the first IP byte (or of the event record) in the byte region */
    uint32_t length;   /* of the IP packet as it was on the host; 0 for events */
    uint32_t captured; /* bytes that are here, from offset */
    uint32_t flags;    /* enum fd_descriptor_flag */
    uint32_t ifindex;
    uint32_t subifindex;
    uint32_t sequence; /* live: of this queue, +1 a record; replay: of the capture */
    uint32_t mark;     /* skb mark (Linux), compartment (Windows) */
    uint32_t hash;     /* the host's own flow hash, 0 if it has none */
    uint16_t l4_offset;
    uint16_t payload_offset;
    uint16_t source_port;
    uint16_t destination_port;
    uint8_t protocol;
    uint8_t tcp_flags;   /* byte 13 of the TCP header */
    uint8_t layer;       /* enum fd_layer */
    uint8_t event;       /* enum fd_event */
    uint8_t verdict;     /* enum fd_verdict */
    uint8_t l2_length;   /* bytes kept right before offset */
    uint8_t link;        /* enum fd_link: what those bytes are */
    uint8_t csum_offset; /* of the checksum field, from csum_start */
    uint16_t gso_size;   /* payload bytes of a segment */
    uint16_t csum_start; /* where a partial checksum begins to sum */
};

/* Events are records too: their bytes are the layer's part of
 * WINDIVERT_ADDRESS, always this long. */
#define FD_EVENT_DATA_SIZE 64u

struct fd_data_network {
    uint32_t ifindex;
    uint32_t subifindex;
};

/* FLOW and SOCKET. Addresses are four 32-bit words, least significant first;
 * an IPv4 address is ::ffff-mapped. */
struct fd_data_socket {
    uint64_t endpoint_id;
    uint64_t parent_endpoint_id;
    uint32_t process_id;
    uint32_t local_address[4];
    uint32_t remote_address[4];
    uint16_t local_port;
    uint16_t remote_port;
    uint8_t protocol;
    uint8_t padding[7];
};

struct fd_data_reflect {
    int64_t timestamp;
    uint32_t process_id;
    uint32_t layer;
    uint64_t flags;
    int16_t priority;
    uint8_t padding[6];
};

/* WINDIVERT_ADDRESS: 80 bytes, the same offsets, its bit-fields as bytes. */
struct fd_address {
    int64_t timestamp;
    uint8_t layer;
    uint8_t event;
    uint8_t flags; /* enum fd_address_flag */
    uint8_t reserved1;
    uint32_t reserved2;
    union {
        struct fd_data_network network;
        struct fd_data_socket socket;
        struct fd_data_reflect reflect;
        uint8_t reserved3[FD_EVENT_DATA_SIZE];
    } data;
};

enum fd_address_flag {
    FD_ADDRESS_SNIFFED = 1 << 0,
    FD_ADDRESS_OUTBOUND = 1 << 1,
    FD_ADDRESS_LOOPBACK = 1 << 2,
    FD_ADDRESS_IMPOSTOR = 1 << 3,
    FD_ADDRESS_IPV6 = 1 << 4,
    FD_ADDRESS_IP_CHECKSUM = 1 << 5,
    FD_ADDRESS_TCP_CHECKSUM = 1 << 6,
    FD_ADDRESS_UDP_CHECKSUM = 1 << 7,
};

/* Why a record that a filter matched did not reach the consumer's user. */
enum fd_drop {
    FD_DROP_QUEUE_LENGTH = 0, /* QUEUE_LENGTH records are waiting */
    FD_DROP_QUEUE_SIZE = 1,   /* QUEUE_SIZE bytes are waiting */
    FD_DROP_QUEUE_TIME = 2,   /* it waited longer than QUEUE_TIME */
    FD_DROP_OVERSIZE = 3,     /* longer than any record can be */
    FD_DROP_MEMORY = 4,       /* the driver could not get memory */
    FD_DROP_BY_FLAG = 5,      /* the handle was opened to drop what it matches */
    FD_DROP_PASSED_BY = 6,    /* no room, and the handle was opened to let it pass */
    FD_DROP_UNREADABLE = 7,   /* the kernel could not give us its bytes */
    FD_DROP_COUNT = 8,
};

/* Monotonic. matched = delivered + waiting + dropped (all causes). */
struct fd_producer_counters {
    uint64_t seen; /* packets or events that the filter judged */
    uint64_t matched;
    uint64_t queued;    /* records put into the ring */
    uint64_t malformed; /* could not be parsed, therefore never matched */
    uint64_t bytes;     /* captured bytes of queued records */
    uint64_t doorbells;
    uint64_t reserved[2];
    uint64_t dropped[FD_DROP_COUNT];
};

struct fd_consumer_counters {
    uint64_t delivered; /* records handed to the user */
    uint64_t expired;   /* records that had waited longer than QUEUE_TIME */
    uint64_t reserved[6];
};

/* Positions run freely and are masked at use. Each side writes its own cache
 * lines only, publishes with release and reads the other's with acquire; the
 * producer never reads back what it wrote here, because the other side could
 * have changed it. */
struct fd_ring_header {
    /* set once, before the first record */
    uint32_t magic;
    uint16_t abi_major;
    uint16_t abi_minor;
    uint32_t descriptor_count;
    uint32_t descriptor_size;
    uint64_t byte_size;
    uint32_t guard_size;
    uint32_t queue;
    uint8_t padding0[32];
    /* written by the producer */
    uint32_t descriptor_head;
    uint32_t padding1;
    uint64_t byte_head;
    uint8_t padding2[48];
    /* written by the consumer */
    uint32_t descriptor_tail;  /* given back: before it, slots may be used again */
    uint32_t descriptor_taken; /* handed to the user: before it, no record waits */
    uint64_t byte_tail;
    uint64_t byte_taken;
    uint8_t padding4[40];
    /* set by a consumer about to sleep, cleared by whoever rings its doorbell */
    uint32_t sleeping;
    uint8_t padding5[60];
    /* queue policy: written by the owner of the handle, read by the producer */
    uint32_t queue_length;
    uint32_t queue_time; /* milliseconds; the consumer applies it */
    uint64_t queue_size;
    uint8_t padding6[48];
    struct fd_producer_counters producer; /* written by the producer */
    struct fd_consumer_counters consumer; /* written by the consumer */
    uint8_t padding7[4096 - 5 * 64 - 128 - 64];
};

#ifdef __cplusplus
#define FD_ABI_ASSERT(condition, text) static_assert(condition, text)
#else
#define FD_ABI_ASSERT(condition, text) _Static_assert(condition, text)
#endif
#define FD_ABI_AT(type, field, offset) \
    FD_ABI_ASSERT(__builtin_offsetof(struct type, field) == (offset), #type "." #field)

FD_ABI_ASSERT(sizeof(struct fd_descriptor) == 64, "fd_descriptor is 64 bytes");
FD_ABI_AT(fd_descriptor, offset, 8);
FD_ABI_AT(fd_descriptor, flags, 20);
FD_ABI_AT(fd_descriptor, l4_offset, 44);
FD_ABI_AT(fd_descriptor, protocol, 52);
FD_ABI_AT(fd_descriptor, verdict, 56);
FD_ABI_AT(fd_descriptor, gso_size, 60);
FD_ABI_ASSERT(sizeof(struct fd_data_socket) == 64, "fd_data_socket is 64 bytes");
FD_ABI_AT(fd_data_socket, local_address, 20);
FD_ABI_AT(fd_data_socket, protocol, 56);
FD_ABI_ASSERT(sizeof(struct fd_data_reflect) == 32, "fd_data_reflect is 32 bytes");
FD_ABI_ASSERT(sizeof(struct fd_address) == 80, "fd_address is WINDIVERT_ADDRESS");
FD_ABI_AT(fd_address, data, 16);
FD_ABI_ASSERT(sizeof(struct fd_ring_header) == 4096, "fd_ring_header is one page");
FD_ABI_AT(fd_ring_header, descriptor_head, 64);
FD_ABI_AT(fd_ring_header, byte_head, 72);
FD_ABI_AT(fd_ring_header, descriptor_tail, 128);
FD_ABI_AT(fd_ring_header, byte_taken, 144);
FD_ABI_AT(fd_ring_header, sleeping, 192);
FD_ABI_AT(fd_ring_header, queue_length, 256);
FD_ABI_AT(fd_ring_header, producer, 320);
FD_ABI_AT(fd_ring_header, consumer, 448);

#endif
