/* SPDX-License-Identifier: MIT */
/* What stands in a partial checksum: the sum of the pseudo-header. */
#ifndef FD_LINUX_BPF_PSEUDO_H
#define FD_LINUX_BPF_PSEUDO_H

#include "parse.h"

INLINE int is_ipv6(const struct fd_live_packet *packet)
{
    return packet->prefix[0] >> 4 == 6;
}

INLINE uint32_t fold(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    return (sum & 0xffff) + (sum >> 16);
}

/* As it lies in memory; length is that of the transport header and its payload. */
INLINE uint32_t pseudo_sum(const struct fd_live_packet *packet, uint32_t protocol, uint32_t length)
{
    int64_t sum = is_ipv6(packet) ? bpf_csum_diff(0, 0, packet->prefix + FD_IPV6_SOURCE, 32, 0)
                                  : bpf_csum_diff(0, 0, packet->prefix + FD_IPV4_SOURCE, 8, 0);
    uint64_t total = (uint32_t)sum;

    total += NETWORK16(protocol);
    total += NETWORK16(length & 0xffff);
    total += NETWORK16(length >> 16);
    total = (total & 0xffffffff) + (total >> 32);
    return fold((uint32_t)((total & 0xffff) + (total >> 16)));
}

#endif
