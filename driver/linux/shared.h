/* SPDX-License-Identifier: MIT */
/*
 * What the eBPF programs and their loader both know: the constants that a
 * handle is loaded with, the slots of reinjected packets, and how a packet is
 * shown to a filter. The ring itself is driver/abi/ring.h.
 */
#ifndef FD_LINUX_SHARED_H
#define FD_LINUX_SHARED_H

#include "../abi/program.h"

/* A mark says "put back by a fastdivert handle": which boot and namespace (so
 * that it cannot be mistaken), which handle, which slot of it. */
#define FD_MARK_MAGIC 0xffc00000u
#define FD_MARK_OWNER 0x003f0000u
#define FD_MARK_OWNER_SHIFT 16
#define FD_MARK_SLOT 0x0000ffffu
#define FD_OWNERS 64u
#define FD_SLOTS 65536u

/* Constants of one handle, in read-only data: the verifier knows their values,
 * so that a mask of a runtime size is a bound, and a branch on one is free. */
struct fd_live_config {
    int64_t epoch;      /* ns to add to the monotonic clock */
    uint64_t byte_size; /* of a queue's byte region, without the guard */
    uint64_t note;      /* what a restored packet carries in skb->cb */
    uint32_t descriptor_count;
    uint32_t layer;    /* enum fd_layer */
    uint32_t own_mark; /* magic and owner */
    uint32_t prefix;   /* how much of a packet to load before the filter runs */
    uint32_t sniffs;   /* FD_FLAG_SNIFFED, or 0 */
    uint32_t discards; /* count and drop what matches, queue nothing */
    uint32_t passes_overflow;
    uint32_t hashes;      /* the filter asks for random8, 16 or 32 */
    uint32_t times;       /* or for the timestamp, which costs as much as a filter */
    uint32_t reassembles; /* FD_REASSEMBLES and the kinds of it, or 0: judge fragments */
    uint32_t casts;       /* the rest is what this kernel can: see struct fd_features */
    uint32_t reads;
    uint32_t loops;
};

/* Fragments go to user space unjudged, which puts the packets together and asks
 * the filter then: those of the kinds of which it may match any. The others are
 * left alone. */
#define FD_REASSEMBLES (1u << 31)
enum fd_fragment_class {
    FD_FRAGMENT_TCP = 0,
    FD_FRAGMENT_UDP = 1,
    FD_FRAGMENT_ICMP = 2, /* of the packet's IP version */
    FD_FRAGMENT_OTHER = 3,
    FD_FRAGMENT_IPV6 = 4,     /* added */
    FD_FRAGMENT_OUTBOUND = 8, /* added */
};

/* What the owner of a handle may change while it is attached. */
struct fd_live_control {
    uint32_t capturing; /* 0: restore what we put back, take nothing new */
    uint32_t closed;    /* for the registry: a child may keep the maps of a closed handle */
};

enum fd_slot_state {
    FD_SLOT_LIVE = 1 << 0,       /* sent, not yet restored */
    FD_SLOT_INBOUND = 1 << 1,    /* turn it round to the device's ingress */
    FD_SLOT_ROUTE = 1 << 2,      /* it needs a route and a neighbour first */
    FD_SLOT_FORWARDED = 1 << 3,  /* later programs cannot tell by themselves */
    FD_SLOT_IMPOSTOR = 1 << 4,   /* what it is to later programs */
    FD_SLOT_REINJECTED = 1 << 5, /* FD_FLAG_REINJECTED */
};

/* A packet on its way back. */
struct fd_slot {
    uint32_t mark; /* to be restored */
    uint32_t ifindex;
    uint32_t state;  /* enum fd_slot_state */
    uint32_t queue;  /* the rest is for the quick way: where the frame lies */
    uint32_t offset; /* in the queue's byte region */
    uint32_t length;
    uint32_t fault; /* an errno of the kernel's, or 0 */
    uint32_t padding;
};

/* Frames that the quick way takes; others go through a socket. */
#define FD_QUICK_MIN 34u /* Ethernet and IPv4 */
#define FD_QUICK_MAX 2048u
#define FD_QUICK_TURN 64u /* packets that one turn of the program sends */

/* The slots that the inject program is to send: from next on, up to end. */
struct fd_live_outbox {
    uint32_t next;
    uint32_t end;
};

/* A packet as the generated filter sees it: what fd_parse would say, the flags
 * of the descriptor to be, and the first bytes. Words, because the emitted code
 * loads every one of them alike. */
#define FD_PREFIX_MIN 128u
#define FD_PREFIX_MAX 2048u
#define FD_L4_KEPT 24u

struct fd_live_packet {
    int64_t timestamp;
    uint64_t hash;      /* fd_hash, if config.hashes */
    uint32_t l2_length; /* where in the skb the packet begins */
    uint32_t l3;        /* that, plus what was cut out of a super-packet's headers */
    uint32_t captured;  /* bytes of the packet that are here */
    uint32_t length;    /* as the IP header says */
    uint32_t flags;     /* enum fd_descriptor_flag */
    uint32_t ifindex;
    uint32_t headers; /* FD_HAS(enum fd_header) */
    uint32_t state;   /* enum fd_parsed_state */
    uint32_t protocol;
    uint32_t l4_offset;
    uint32_t payload_offset;
    uint32_t payload_length;
    uint32_t source_port;
    uint32_t destination_port;
    uint32_t tcp_flags;
    uint32_t prefix_length; /* bytes of prefix that were loaded */
    uint32_t fragment;      /* offset in units of 8 bytes */
    uint32_t whole;         /* a super-packet: captured and parsed is its first part */
    uint32_t taken;         /* payload bytes of it that are in the ring */
    uint32_t gso_size;
    uint32_t csum_start;
    uint32_t csum_offset;
    uint8_t l4[FD_L4_KEPT];            /* the transport header's fixed part */
    uint8_t prefix[FD_PREFIX_MAX + 8]; /* a masked index may reach a word past the end */
};

/* Where one CPU's producer is: struct fd_producer of driver/core. */
struct fd_live_producer {
    uint32_t head;
    uint32_t cached_tail;
    uint64_t byte_head;
    uint64_t cached_byte_tail;
    uint64_t cached_byte_taken;
    uint64_t byte_published;
    uint32_t cached_taken;
    uint32_t published;
    uint32_t sequence;
    uint32_t fault; /* the consumer broke the ring's rules: it is dead */
    struct fd_producer_counters counters;
};

/* What happened to packets that were put back; of one CPU. */
struct fd_live_counters {
    uint64_t restored; /* ours, gone on with their own mark */
    uint64_t turned;   /* ours, sent from egress to ingress */
    uint64_t routed;   /* ours, given a route */
    uint64_t foreign;  /* another handle's, left to it */
    uint64_t stray;    /* our mark on a packet that we did not send */
    uint64_t super;    /* longer than an IP packet: taken as several */
    uint64_t framed;   /* ours, come back as live frames */
    uint64_t reserved;
};

#endif
