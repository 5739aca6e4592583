/* SPDX-License-Identifier: MIT */
/* What one IP fragment says of itself: RFC 791 3.2, RFC 8200 4.5. */
#ifndef FD_ENGINE_FRAGMENT_H
#define FD_ENGINE_FRAGMENT_H

#include <stdint.h>

enum fd_fragment_kind {
    FD_FRAGMENT_NONE = 0, /* a packet of its own, or none */
    FD_FRAGMENT_GOOD,
    FD_FRAGMENT_BAD, /* it breaks a rule: what it belongs to can never be whole */
};

/* Which datagram a fragment is of. Compared as bytes: no padding. */
struct fd_fragment_key {
    uint8_t source[16]; /* an IPv4 address in the first four */
    uint8_t destination[16];
    uint32_t identification;
    uint32_t scope;    /* the interface, where an address means something on it alone */
    uint32_t version;  /* 4 or 6 */
    uint32_t protocol; /* IPv4: part of the key; IPv6: 0 */
};

struct fd_fragment {
    struct fd_fragment_key key;
    uint32_t header_length; /* what every fragment repeats, without a fragment header */
    uint32_t data_at;
    uint32_t data_length;
    uint32_t offset;     /* of the data in the datagram's, in bytes */
    uint32_t more;       /* 0: the last one */
    uint32_t next_at;    /* IPv6: where the fragment header's number stands */
    uint8_t next_header; /* IPv6: the number that takes its place */
    uint8_t ecn;
};

/* fragment->key is filled for GOOD and, as far as it can be told, for BAD. */
enum fd_fragment_kind fd_fragment_read(const uint8_t *packet, uint32_t captured, uint32_t ifindex,
                                       struct fd_fragment *fragment);

/* IPv6: a fragment header, and nothing to wait for (RFC 6946). */
static inline int fd_fragment_is_atomic(const struct fd_fragment *fragment)
{
    return fragment->offset == 0 && !fragment->more;
}

#endif
