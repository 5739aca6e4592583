/* SPDX-License-Identifier: MIT */
/* The least that IPv4, TCP and UDP checksums can cost: AVX2 where the CPU has
 * it. Takes descriptors: the packets have been parsed. */
#include "packets.h"

static inline uint64_t sum_tail(const uint8_t *bytes, uint32_t length)
{
    uint64_t sum = 0;
    for (; length >= 4; bytes += 4, length -= 4)
        sum += load32(bytes);
    if (length & 2) {
        sum += load16(bytes);
        bytes += 2;
    }
    return length & 1 ? sum + *bytes : sum;
}

static uint64_t sum_portable(const uint8_t *bytes, uint32_t length)
{
    uint64_t sum[4] = {0};
    for (; length >= 16; bytes += 16, length -= 16)
        for (unsigned lane = 0; lane < 4; lane++)
            sum[lane] += load32(bytes + 4 * lane);
    return sum[0] + sum[1] + sum[2] + sum[3] + sum_tail(bytes, length);
}

#if defined(__x86_64__)
#include <immintrin.h>

/* Even and odd 32-bit words into 64-bit lanes, 64 bytes a turn. */
__attribute__((target("avx2"))) static uint64_t sum_avx2(const uint8_t *bytes, uint32_t length)
{
    const __m256i low = _mm256_set1_epi64x(0xffffffff);
    __m256i even = _mm256_setzero_si256(), odd = even, even2 = even, odd2 = even;
    uint64_t lanes[4];

    for (; length >= 64; bytes += 64, length -= 64) {
        __m256i a = _mm256_loadu_si256((const void *)bytes);
        __m256i b = _mm256_loadu_si256((const void *)(bytes + 32));
        even = _mm256_add_epi64(even, _mm256_and_si256(a, low));
        odd = _mm256_add_epi64(odd, _mm256_srli_epi64(a, 32));
        even2 = _mm256_add_epi64(even2, _mm256_and_si256(b, low));
        odd2 = _mm256_add_epi64(odd2, _mm256_srli_epi64(b, 32));
    }
    if (length >= 32) {
        __m256i a = _mm256_loadu_si256((const void *)bytes);
        even = _mm256_add_epi64(even, _mm256_and_si256(a, low));
        odd = _mm256_add_epi64(odd, _mm256_srli_epi64(a, 32));
        bytes += 32;
        length -= 32;
    }
    even = _mm256_add_epi64(_mm256_add_epi64(even, even2), _mm256_add_epi64(odd, odd2));
    _mm256_storeu_si256((void *)lanes, even);
    return lanes[0] + lanes[1] + lanes[2] + lanes[3] + sum_tail(bytes, length);
}
#endif

static inline uint16_t fold(uint64_t sum)
{
    sum = (sum >> 32) + (uint32_t)sum;
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    return (uint16_t)((sum >> 16) + sum);
}

static inline __attribute__((always_inline)) void update(const struct packets *packets,
                                                         const struct fd_descriptor *descriptors,
                                                         uint64_t (*sum)(const uint8_t *, uint32_t))
{
    for (uint32_t i = 0; i < packets->count; i++) {
        uint8_t *packet = packet_at(packets, i);
        uint32_t at = descriptors[i].l4_offset;
        uint32_t length = descriptors[i].length - at;
        int tcp = descriptors[i].protocol == TCP;
        uint8_t *l4 = packet + at;
        uint8_t *field = l4 + (tcp ? 16 : 6);

        /* Subtracted instead of zeroed: a load of what was just stored in
         * another width waits for it. */
        uint64_t header = sum_tail(packet, at) + (uint16_t)~load16(packet + 10);
        store16(packet + 10, (uint16_t)~fold(header));

        uint64_t all = (uint64_t)load32(packet + 12) + load32(packet + 16) +
                       __builtin_bswap16((uint16_t)length) + ((uint32_t)(tcp ? TCP : UDP) << 8) +
                       (uint16_t)~load16(field) + sum(l4, length);
        uint16_t checksum = (uint16_t)~fold(all);
        store16(field, checksum == 0 && !tcp ? 0xffff : checksum);
    }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void update_avx2(const struct packets *packets,
                                                        const struct fd_descriptor *descriptors)
{
    update(packets, descriptors, sum_avx2);
}
#endif

void limit_checksums(const struct packets *packets, const struct fd_descriptor *descriptors)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        update_avx2(packets, descriptors);
        return;
    }
#endif
    update(packets, descriptors, sum_portable);
}
