/* SPDX-License-Identifier: MIT */
/* The maps of one handle. The loader sets what depends on the handle (sizes,
 * number of CPUs) before it makes them. */
#ifndef FD_LINUX_BPF_MAPS_H
#define FD_LINUX_BPF_MAPS_H

#include "../shared.h"
#include "kernel.h"

#define SHARED (1u << 10) /* BPF_F_MMAPABLE */

/* The two regions of each CPU's queue; user space maps them. */
MAP(descriptors) = {BPF_MAP_TYPE_ARRAY, 4, 0, 0, SHARED};
MAP(bytes) = {BPF_MAP_TYPE_ARRAY, 4, 0, 0, SHARED};
MAP(doorbell) = {BPF_MAP_TYPE_RINGBUF, 0, 0, 4096, 0};

/* What is ours alone: user space does not map it, so nothing in it can change
 * under us or be a lie. */
MAP(producers) = {BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct fd_live_producer), 1, 0};
MAP(packets) = {BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct fd_live_packet), 1, 0};
MAP(counters) = {BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct fd_live_counters), 1, 0};

MAP(control) = {BPF_MAP_TYPE_ARRAY, 4, sizeof(struct fd_live_control), 1, SHARED};
MAP(outboxes) = {BPF_MAP_TYPE_ARRAY, 4, sizeof(struct fd_live_outbox), 1, SHARED};
MAP(slots) = {BPF_MAP_TYPE_ARRAY, 4, sizeof(struct fd_slot), FD_SLOTS, SHARED};

/* The host's own addresses (IPv4 ones ::ffff-mapped), kept by the loader. */
MAP(addresses) = {BPF_MAP_TYPE_HASH, 16, 4, 0, 1u /* BPF_F_NO_PREALLOC */};

const volatile struct fd_live_config config SECTION(".rodata") = {0};

INLINE void *only_element(void *map)
{
    uint32_t zero = 0;
    return bpf_map_lookup_elem(map, &zero);
}

#endif
