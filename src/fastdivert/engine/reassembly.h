/* SPDX-License-Identifier: MIT */
/*
 * Fragments put together again, as the host's IP layer would, so that a filter
 * can be asked about the whole. The fragments themselves are kept until then:
 * what no filter matches goes back as it came.
 *
 * Bounded in memory (the oldest datagrams go first) and in time (30 s, IPv6
 * 60 s, as Linux has it). Overlapping fragments end their datagram, also for
 * fragments that are still to come (RFC 5722); a fragment that is the exact
 * copy of an earlier one is ignored.
 */
#ifndef FD_ENGINE_REASSEMBLY_H
#define FD_ENGINE_REASSEMBLY_H

#include "core/ring.h"

/* net.ipv4.ipfrag_high_thresh's default. */
#define FD_REASSEMBLY_MEMORY (4ull << 20)
/* More than a datagram of 64 KiB has on a link of 68 bytes MTU. */
#define FD_REASSEMBLY_FRAGMENTS_MAX 2048u

struct fd_reassembly;
struct fd_datagram; /* whole, or given up: the caller's to free */

enum fd_reassembly_result {
    FD_REASSEMBLY_NONE = 0, /* no fragment */
    FD_REASSEMBLY_HELD,
    FD_REASSEMBLY_WHOLE,
    FD_REASSEMBLY_GONE, /* dropped and counted, or a copy of one that is held */
};

/* In fragments, but for whole. Monotonic. */
struct fd_reassembly_counters {
    uint64_t fragments; /* put */
    uint64_t whole;     /* datagrams that became whole */
    uint64_t joined;    /* fragments that they were of */
    uint64_t copies;    /* exact duplicates */
    uint64_t timed_out;
    uint64_t crowded_out; /* for want of memory */
    uint64_t invalid;     /* overlapping, too long, of a wrong length, of mixed ECN */
    uint64_t given_up;    /* timed or crowded out, and taken for it */
};

/* secret: random bits, so that nobody can choose what collides. gives_up: what
 * is timed or crowded out is not dropped but can be had from
 * fd_reassembly_take. NULL without memory. */
struct fd_reassembly *fd_reassembly_open(uint64_t memory, uint64_t secret, int gives_up);
void fd_reassembly_close(struct fd_reassembly *reassembly);

/* A copy is made of what is held. now: ns, on any clock that does not go back. */
enum fd_reassembly_result fd_reassembly_put(struct fd_reassembly *reassembly,
                                            const struct fd_descriptor *descriptor,
                                            const struct fd_record *record, int64_t now,
                                            struct fd_datagram **whole);

/* Ends what has waited too long. */
void fd_reassembly_expire(struct fd_reassembly *reassembly, int64_t now);

/* Gives up everything, also if it was opened to drop. */
void fd_reassembly_give_up(struct fd_reassembly *reassembly);

/* A datagram that was given up, or NULL. */
struct fd_datagram *fd_reassembly_take(struct fd_reassembly *reassembly);

/* Fragments held now, those given up and not taken included. */
uint32_t fd_reassembly_held(const struct fd_reassembly *reassembly);
const struct fd_reassembly_counters *fd_reassembly_counters(const struct fd_reassembly *reassembly);

/* ---- a datagram ----------------------------------------------------------- */

/* Of the whole packet, and of the L2 header before it. */
uint32_t fd_datagram_length(const struct fd_datagram *datagram);
uint32_t fd_datagram_l2_length(const struct fd_datagram *datagram);

/* The whole packet, with the L2 header right before it, and a descriptor as
 * for one that was never cut; what fd_describe writes is left to that. */
void fd_datagram_join(const struct fd_datagram *datagram, uint8_t *packet,
                      struct fd_descriptor *descriptor);

/* The fragments in the order in which they came: how many, how many bytes they
 * need (each at a 64-byte boundary), and copies of them. */
uint32_t fd_datagram_count(const struct fd_datagram *datagram);
uint64_t fd_datagram_bytes(const struct fd_datagram *datagram);
void fd_datagram_copy(const struct fd_datagram *datagram, struct fd_descriptor *descriptors,
                      struct fd_record *records, uint8_t *bytes);

void fd_datagram_free(struct fd_datagram *datagram);

#endif
