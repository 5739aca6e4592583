/* SPDX-License-Identifier: MIT */
/*
 * WinDivert's packet hash. It is xxHash64's path for one 32-byte stripe, with
 * the lanes' start values taken from the packet too: 32 bytes of input in
 * "input", 32 more in "start". Headers that are absent leave the seed there.
 * Words are little-endian on every host, so that values can be compared.
 */
#include "hash.h"

#include "bytes.h"

/* xxHash64's primes 1 to 4. */
#define PRIME_1 0x9e3779b185ebca87ull
#define PRIME_2 0xc2b2ae3d27d4eb4full
#define PRIME_3 0x165667b19e3779f9ull
#define PRIME_4 0x85ebca77c2b2ae63ull

/* SHA-256's round constants, two to a word: distinct, and hiding nothing. */
static const uint64_t pad[8] = {
    0x428a2f9871374491ull, 0xb5c0fbcfe9b5dba5ull, 0x3956c25b59f111f1ull, 0x923f82a4ab1c5ed5ull,
    0xd807aa9812835b01ull, 0x243185be550c7dc3ull, 0x72be5d7480deb1feull, 0x9bdc06a7c19bf174ull,
};

static inline uint64_t rotate(uint64_t value, unsigned by)
{
    return value << by | value >> (64 - by);
}

static inline uint64_t mix(uint64_t start, uint64_t input)
{
    return rotate(start + input * PRIME_2, 31) * PRIME_1;
}

static inline uint64_t merge(uint64_t hash, uint64_t lane)
{
    return (hash ^ mix(0, lane)) * PRIME_1 + PRIME_4;
}

uint64_t fd_hash(const uint8_t *packet, const struct fd_parsed *parsed, uint64_t seed)
{
    const uint8_t *l4 = packet + parsed->l4_offset;
    const unsigned eight =
        FD_HAS(FD_HEADER_UDP) | FD_HAS(FD_HEADER_ICMP) | FD_HAS(FD_HEADER_ICMPV6);
    uint64_t input[4];
    uint64_t start[4];
    unsigned filled = 0; /* words of start */

    input[0] = seed;
    if (parsed->headers & FD_HAS(FD_HEADER_IP)) {
        input[1] = fd_le64(packet);
        input[2] = fd_le64(packet + 8);
        input[3] = fd_le32(packet + 16);
    } else if (parsed->headers & FD_HAS(FD_HEADER_IPV6)) {
        input[1] = fd_le64(packet);
        input[2] = fd_le64(packet + 8);
        input[3] = fd_le64(packet + 16);
        start[filled++] = fd_le64(packet + 24);
        start[filled++] = fd_le64(packet + 32);
    } else {
        return 0;
    }

    if (parsed->headers & FD_HAS(FD_HEADER_TCP)) {
        start[filled++] = fd_le64(l4);
        start[filled++] = fd_le64(l4 + 8);
        if (filled < 4)
            start[filled++] = fd_le32(l4 + 16);
        else /* no lane is left after an IPv6 header */
            input[1] ^= (uint64_t)fd_le32(l4 + 16) << 32;
    } else if (parsed->headers & eight) {
        start[filled++] = fd_le64(l4);
    }
    while (filled < 4)
        start[filled++] = seed;

    uint64_t lane[4];
    for (unsigned i = 0; i < 4; i++)
        lane[i] = mix(start[i] ^ pad[4 + i], input[i] ^ pad[i]);

    uint64_t hash =
        rotate(lane[0], 1) + rotate(lane[1], 7) + rotate(lane[2], 12) + rotate(lane[3], 18);
    for (unsigned i = 0; i < 4; i++)
        hash = merge(hash, lane[i]);
    hash += 32; /* the length that was hashed */
    hash = (hash ^ hash >> 33) * PRIME_2;
    hash = (hash ^ hash >> 29) * PRIME_3;
    return hash ^ hash >> 32;
}
