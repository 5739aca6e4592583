/* SPDX-License-Identifier: MIT */
/* Internet checksums: RFC 1071 (full), RFC 1624 (incremental). Sums are kept
 * in the byte order of the packet, so no swapping is needed. */
#ifndef FD_CORE_CHECKSUM_H
#define FD_CORE_CHECKSUM_H

#include "packet.h"

/* WinDivertHelperCalcChecksums' flags: leave that checksum alone. */
enum fd_checksum_flag {
    FD_CHECKSUM_NO_IP = 1,
    FD_CHECKSUM_NO_ICMP = 2,
    FD_CHECKSUM_NO_ICMPV6 = 4,
    FD_CHECKSUM_NO_TCP = 8,
    FD_CHECKSUM_NO_UDP = 16,
    FD_CHECKSUM_FLAGS_ALL = 31,
};

/* What fd_checksum_verify found of one packet. */
enum fd_checksum_result {
    FD_CHECKSUM_IP_PRESENT = 1 << 0,
    FD_CHECKSUM_IP_RIGHT = 1 << 1,
    FD_CHECKSUM_L4_PRESENT = 1 << 2, /* there is one, and all that it covers is here */
    FD_CHECKSUM_L4_RIGHT = 1 << 3,   /* also: IPv4 UDP without a checksum (RFC 768) */
    FD_CHECKSUM_L4_PARTIAL = 1 << 4, /* it equals the folded pseudo-header sum */
};

/* One's complement sum of 16-bit words, an odd last byte padded with zero.
 * Below 2^35; sums of consecutive even-length pieces add. */
uint64_t fd_sum(const uint8_t *bytes, uint32_t length);

/* To 16 bits, with end-around carry. The checksum is its complement. */
uint16_t fd_fold(uint64_t sum);

/* The pseudo-header's sum (RFC 793 3.1, RFC 8200 8.1). */
uint64_t fd_pseudo_sum(const uint8_t *packet, const struct fd_parsed *parsed, uint8_t protocol,
                       uint32_t l4_length);

/* RFC 1624, equation 3: the new checksum field after old_word became new_word
 * (both as they lie in the packet). */
uint16_t fd_checksum_adjust(uint16_t checksum, uint16_t old_word, uint16_t new_word);

/* WinDivertHelperCalcChecksums: 1 if all that flags ask for could be computed,
 * 0 for what is no packet and for a transport checksum whose data is not all
 * here: truncated, the first of several fragments, or a TCP data offset that
 * points behind the packet (there WinDivert sums what lies behind it). In
 * either case every checksum that can be computed is written.
 * *written gets FD_FLAG_{IP,TCP,UDP}_CHECKSUM_VALID for those written. */
int fd_checksum_update(uint8_t *packet, const struct fd_parsed *parsed, unsigned flags,
                       uint32_t *written);

/* A set of enum fd_checksum_result. */
unsigned fd_checksum_verify(const uint8_t *packet, const struct fd_parsed *parsed);

/* WinDivertHelperDecrementTTL: 1 if it was above 1 and is now one less, with
 * the IPv4 checksum adjusted. 0 for what is no packet, where WinDivert looks
 * at the version alone. */
int fd_decrement_ttl(uint8_t *packet, const struct fd_parsed *parsed);

#endif
