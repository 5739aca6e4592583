/* SPDX-License-Identifier: MIT */
/* A datagram that is being put together; private to reassembly. */
#ifndef FD_ENGINE_DATAGRAM_H
#define FD_ENGINE_DATAGRAM_H

#include "fragment.h"
#include "reassembly.h"

#define FD_DATAGRAM_UNITS 8192u /* of 8 bytes, in 64 KiB */

struct fd_held {
    struct fd_held *next; /* in the order in which they came */
    struct fd_descriptor descriptor;
    struct fd_record record; /* its packet lies in bytes, after the L2 header */
    struct fd_fragment fragment;
    uint8_t bytes[];
};

struct fd_datagram {
    struct fd_datagram *next; /* of its bucket, or of those given up */
    struct fd_datagram *older;
    struct fd_datagram *newer;
    struct fd_fragment_key key;
    uint32_t bucket;
    int64_t begun;
    struct fd_held *first;
    struct fd_held *last;
    const struct fd_held *head; /* the fragment at offset 0 */
    uint32_t count;
    uint32_t units;   /* that are here */
    uint32_t reached; /* the end of the furthest fragment */
    uint32_t total;   /* of the data, once the last fragment is here */
    uint8_t has_last;
    uint8_t is_refused; /* what still comes is dropped */
    uint8_t ecn;        /* which of the four codepoints were seen, as bits */
    uint64_t present[FD_DATAGRAM_UNITS / 64];
};

/* What a fragment of this record takes. */
uint64_t fd_held_size(const struct fd_record *record);

enum fd_datagram_fit {
    FD_DATAGRAM_FITS = 0,
    FD_DATAGRAM_COPY,    /* the very same fragment is here */
    FD_DATAGRAM_REFUSES, /* it cannot be of this datagram, nor can this ever be whole */
};

enum fd_datagram_fit fd_datagram_fits(const struct fd_datagram *datagram,
                                      const struct fd_fragment *fragment,
                                      const struct fd_record *record);

/* 0, or -1 without memory. The fragment must fit. */
int fd_datagram_add(struct fd_datagram *datagram, const struct fd_fragment *fragment,
                    const struct fd_descriptor *descriptor, const struct fd_record *record);

int fd_datagram_is_whole(const struct fd_datagram *datagram);

/* Congestion was met and not everybody had agreed to be told: RFC 3168 5.3
 * says to drop it. */
int fd_datagram_has_mixed_ecn(const struct fd_datagram *datagram);

/* Frees the fragments; returns what they took. */
uint64_t fd_datagram_empty(struct fd_datagram *datagram);

#endif
