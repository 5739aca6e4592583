/* SPDX-License-Identifier: MIT */
/*
 * The kernel as our programs see it: helpers by number, and the few fields of
 * its own structs that we read. The offsets of those fields are the running
 * kernel's: the compiler records every access, and the loader fills it in.
 */
#ifndef FD_LINUX_BPF_KERNEL_H
#define FD_LINUX_BPF_KERNEL_H

#include <linux/bpf.h>
#include <stdint.h>

#define SECTION(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define READ_ONCE(lvalue) (*(const volatile __typeof__(lvalue) *)&(lvalue))
#define WRITE_ONCE(lvalue, value) (*(volatile __typeof__(lvalue) *)&(lvalue) = (value))
/* Keeps the compiler from knowing a value, where it would rewrite a bounds
 * check into one that the verifier cannot follow. */
#define OPAQUE(lvalue) __asm__ volatile("" : "+r"(lvalue))

/* From here on length is 1 to most, or otherwise is done. The verifier of Linux
 * 6.1 learns from "less than", not from "is 0", and does not carry what it has
 * learnt over to a copy: so it stands right before the call that needs it. */
#define BOUND(length, most, otherwise) \
    do {                               \
        (length)--;                    \
        OPAQUE(length);                \
        if ((length) >= (most))        \
            otherwise;                 \
        OPAQUE(length);                \
        (length)++;                    \
    } while (0)

/* Values before it come from memory after it, where the verifier knows nothing
 * of them: paths that differ in constants only become one again. Without a few
 * of these a load takes 200 ms, with them 10. */
#define FORGET() __asm__ volatile("" ::: "memory")

#define ETHERNET_LENGTH 14
#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NETWORK16(value) __builtin_bswap16(value)
#else
#define NETWORK16(value) (value)
#endif

/* Return codes of a tcx program. */
#define TCX_NEXT (-1)
#define TCX_DROP 2

enum { PACKET_HOST = 0, PACKET_BROADCAST = 1, PACKET_MULTICAST = 2, PACKET_OTHERHOST = 3 };
enum { CHECKSUM_NONE = 0, CHECKSUM_UNNECESSARY = 1, CHECKSUM_COMPLETE = 2, CHECKSUM_PARTIAL = 3 };
enum {
    SKB_GSO_TCPV4 = 1 << 0,
    SKB_GSO_TCP_ECN = 1 << 2,
    SKB_GSO_TCPV6 = 1 << 4,
    SKB_GSO_UDP_L4 = 1 << 17
};

#define AF_PACKET 17
#define LOOPBACK_IFINDEX 1 /* in every namespace */

static void *(*const bpf_map_lookup_elem)(void *map,
                                          const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static uint64_t (*const bpf_ktime_get_ns)(void) = (void *)BPF_FUNC_ktime_get_ns;
static uint32_t (*const bpf_get_smp_processor_id)(void) = (void *)BPF_FUNC_get_smp_processor_id;
static long (*const bpf_skb_load_bytes)(const void *skb, uint32_t offset, void *to,
                                        uint32_t length) = (void *)BPF_FUNC_skb_load_bytes;
static long (*const bpf_skb_load_bytes_relative)(const void *skb, uint32_t offset, void *to,
                                                 uint32_t length, uint32_t header) = (void *)
    BPF_FUNC_skb_load_bytes_relative;
static long (*const bpf_skb_pull_data)(void *skb, uint32_t length) = (void *)BPF_FUNC_skb_pull_data;
static long (*const bpf_skb_store_bytes)(void *skb, uint32_t offset, const void *from,
                                         uint32_t length,
                                         uint64_t flags) = (void *)BPF_FUNC_skb_store_bytes;
static long (*const bpf_skb_change_tail)(void *skb, uint32_t length,
                                         uint64_t flags) = (void *)BPF_FUNC_skb_change_tail;
static long (*const bpf_clone_redirect)(void *skb, uint32_t ifindex,
                                        uint64_t flags) = (void *)BPF_FUNC_clone_redirect;
static long (*const bpf_redirect)(uint32_t ifindex, uint64_t flags) = (void *)BPF_FUNC_redirect;
static long (*const bpf_redirect_neigh)(uint32_t ifindex, void *parameters, int size,
                                        uint64_t flags) = (void *)BPF_FUNC_redirect_neigh;
static long (*const bpf_fib_lookup)(void *context, struct bpf_fib_lookup *parameters, int size,
                                    uint32_t flags) = (void *)BPF_FUNC_fib_lookup;
static int64_t (*const bpf_csum_diff)(const void *from, uint32_t from_size, const void *to,
                                      uint32_t to_size, uint32_t seed) = (void *)BPF_FUNC_csum_diff;
static long (*const bpf_xdp_adjust_tail)(struct xdp_md *frame,
                                         int change) = (void *)BPF_FUNC_xdp_adjust_tail;
static long (*const bpf_xdp_adjust_meta)(struct xdp_md *frame,
                                         int change) = (void *)BPF_FUNC_xdp_adjust_meta;
static long (*const bpf_xdp_store_bytes)(struct xdp_md *frame, uint32_t offset, const void *from,
                                         uint32_t length) = (void *)BPF_FUNC_xdp_store_bytes;
static void *(*const bpf_ringbuf_reserve)(void *ring, uint64_t size,
                                          uint64_t flags) = (void *)BPF_FUNC_ringbuf_reserve;
static void (*const bpf_ringbuf_discard)(void *data,
                                         uint64_t flags) = (void *)BPF_FUNC_ringbuf_discard;
static long (*const bpf_probe_read_kernel)(void *to, uint32_t size,
                                           const void *from) = (void *)BPF_FUNC_probe_read_kernel;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sk_buff {
    uint8_t ip_summed : 2;
    uint16_t csum_start;
    uint16_t csum_offset;
    uint16_t network_header;
    unsigned int end;
    unsigned char *head;
    unsigned char *data;
};

struct skb_shared_info {
    unsigned int gso_type;
};

#pragma clang attribute pop

/* A bit-field: which byte, and which bits of it, are the running kernel's
 * business too. (Fields of one byte at most, which all of ours are.) */
enum { FIELD_BYTE_OFFSET = 0, FIELD_LSHIFT = 4, FIELD_RSHIFT = 5 };
#define READ_BITS(field, base)                                                             \
    ((uint64_t)*(const uint8_t *)((const uint8_t *)(base) +                                \
                                  __builtin_preserve_field_info(field, FIELD_BYTE_OFFSET)) \
         << __builtin_preserve_field_info(field, FIELD_LSHIFT) >>                          \
     __builtin_preserve_field_info(field, FIELD_RSHIFT))

/* Functions of the kernel, resolved by name. Weak: where the kernel has none,
 * the loader leaves a call out, and config says that nothing comes there. */
#define KERNEL_FUNCTION extern __attribute__((section(".ksyms"), weak))
KERNEL_FUNCTION void *bpf_cast_to_kern_ctx(void *context);

/* The counted loop of Linux 6.4: any number of turns, verified as one. */
struct bpf_iter_num {
    uint64_t opaque;
} __attribute__((aligned(8)));
KERNEL_FUNCTION int bpf_iter_num_new(struct bpf_iter_num *iterator, int begin, int end);
KERNEL_FUNCTION int *bpf_iter_num_next(struct bpf_iter_num *iterator);
KERNEL_FUNCTION void bpf_iter_num_destroy(struct bpf_iter_num *iterator);

/* Maps: the object names them; the loader knows their sizes. */
struct fd_map {
    uint32_t type;
    uint32_t key_size;
    uint32_t value_size;
    uint32_t entries;
    uint32_t flags;
};
#define MAP(name) struct fd_map name SECTION("maps")

#endif
