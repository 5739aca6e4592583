/* SPDX-License-Identifier: MIT */
/*
 * Both ends of a queue. Neither trusts the other: a peer's index is read once
 * and range-checked, a descriptor is copied once and the copy is checked, and
 * a violation kills this ring and nothing else.
 *
 * The place of a record follows from what went before it: it begins at the
 * byte head, its packet at the next 16-byte boundary after the L2 bytes, and
 * the next record at the next 64-byte boundary. So a consumer knows where
 * every packet must be, and a descriptor that says otherwise is a lie.
 */
#ifndef FD_CORE_RING_H
#define FD_CORE_RING_H

#include "../abi/ring.h"

enum fd_ring_fault {
    FD_RING_OK = 0,
    FD_RING_BAD_HEADER,     /* magic, version or geometry */
    FD_RING_BAD_INDEX,      /* the peer's descriptor index is out of range */
    FD_RING_BAD_BYTE_INDEX, /* the peer's byte index is out of range or misaligned */
    FD_RING_BAD_OFFSET,     /* a descriptor's bytes are not where they must be */
    FD_RING_BAD_LENGTH,     /* a descriptor's captured or l2_length is impossible */
    FD_RING_BAD_KIND,       /* a descriptor's layer, event or link is unknown */
};

/* Where a queue lies in this address space. */
struct fd_ring {
    struct fd_ring_header *header;
    struct fd_descriptor *descriptors;
    uint8_t *bytes;
    uint32_t descriptor_count; /* copies of the checked geometry */
    uint64_t byte_size;
};

/* Bytes of each region for a queue of this geometry. */
uint64_t fd_ring_descriptor_region_size(uint32_t descriptor_count);
uint64_t fd_ring_byte_region_size(uint64_t byte_size);

/* Producer or owner: lays out an empty queue in two zeroed regions. */
enum fd_ring_fault fd_ring_format(struct fd_ring *ring, void *descriptor_region, void *byte_region,
                                  uint32_t descriptor_count, uint64_t byte_size, uint32_t queue);

/* Either side: attaches to a formatted queue whose regions have these sizes.
 * Both regions must be aligned to 64 bytes. Positions begin at 0. */
enum fd_ring_fault fd_ring_attach(struct fd_ring *ring, void *descriptor_region,
                                  uint64_t descriptor_region_size, void *byte_region,
                                  uint64_t byte_region_size);

/* ---- producer: one thread at a time ---------------------------------- */

struct fd_producer {
    struct fd_ring ring;
    uint32_t head; /* the authoritative positions: never read back */
    uint32_t cached_tail;
    uint64_t byte_head;
    uint64_t cached_byte_tail;
    uint64_t cached_byte_taken;
    uint32_t cached_taken;
    uint64_t byte_published;
    uint32_t published;
    uint32_t sequence;
    uint32_t queue_length; /* the policy; 0: the one in the header, which the user may write */
    uint64_t queue_size;
    enum fd_ring_fault fault;             /* not OK: the ring is dead */
    struct fd_producer_counters counters; /* authoritative; copied to the header at publish */
};

void fd_producer_attach(struct fd_producer *producer, const struct fd_ring *ring);

/* Room for one record with captured bytes after l2_length bytes. Returns the
 * descriptor (zeroed but for offset, captured, l2_length and sequence) and in
 * *packet where its bytes go, or NULL, with the drop already counted, or the
 * fault set. Nothing is visible to the consumer before fd_producer_publish. */
struct fd_descriptor *fd_producer_reserve(struct fd_producer *producer, uint32_t l2_length,
                                          uint32_t captured, uint8_t **packet);

/* As above, but without counting a drop: would a record fit now? Returns
 * FD_DROP_COUNT if so, else the cause. Lets an in-process producer wait; one
 * that waits must look at the fault too, which makes the answer FD_DROP_MEMORY
 * for good. QUEUE_LENGTH and QUEUE_SIZE bound what the consumer has not yet
 * given back, QUEUE_SIZE in bytes of ring space (a record is a multiple of 64);
 * an empty queue takes any record that the ring can hold. */
enum fd_drop fd_producer_refusal(struct fd_producer *producer, uint32_t l2_length,
                                 uint32_t captured);

/* Makes all reserved records visible. 1: the consumer sleeps and its doorbell
 * must be rung (it has been counted). */
int fd_producer_publish(struct fd_producer *producer);

/* As above, but only what lies before this position, which is that of head and
 * byte_head after a reservation: for producers that reserve under a lock and
 * fill their records outside of it, and must publish in order. */
int fd_producer_publish_to(struct fd_producer *producer, uint32_t head, uint64_t byte_head);

/* ---- consumer: one thread at a time ----------------------------------- */

/* A checked record: safe to read for as long as its slot is not released. */
struct fd_record {
    uint8_t *packet;
    uint32_t captured;
    uint8_t l2_length;
    uint8_t layer;
    uint8_t opaque; /* its link layer says that it is no IP packet: never parse it */
    uint8_t padding;
};

struct fd_consumer {
    struct fd_ring ring;
    uint32_t taken;    /* descriptors handed out */
    uint32_t released; /* descriptors given back */
    uint32_t handed;   /* behind the last one handed out: up to taken all have expired */
    uint64_t byte_taken;
    uint64_t byte_released;
    enum fd_ring_fault fault;
    struct fd_consumer_counters
        counters; /* authoritative; copied to the header at take and release */
};

void fd_consumer_attach(struct fd_consumer *consumer, const struct fd_ring *ring);

/* How many records wait (0 on a fault, which is then set). */
uint32_t fd_consumer_waiting(struct fd_consumer *consumer);

/* Takes up to most records of one layer that lie side by side in the descriptor
 * region and fills records[]. Returns how many; *first is the index of the first in the
 * region; consumer->taken and consumer->byte_taken are the positions to release
 * later. Leading records stamped before expire_before (INT64_MIN: none) have
 * waited longer than QUEUE_TIME: they are passed over and counted as expired. A
 * bad record ends the run before it; the fault is set once the good ones have
 * been taken. */
uint32_t fd_consumer_take(struct fd_consumer *consumer, uint32_t most, int64_t expire_before,
                          struct fd_record *records, uint32_t *first);

/* Gives back everything up to (not including) these positions, which come from
 * earlier takes, in order; also expired records right behind them. Positions
 * that were never taken, or are back already, change nothing. */
void fd_consumer_release(struct fd_consumer *consumer, uint32_t descriptor_end, uint64_t byte_end);

/* Before sleeping: 1 if it is safe to wait for the doorbell, 0 if a record has
 * come in the meantime. fd_consumer_wake undoes it. */
int fd_consumer_sleep(struct fd_consumer *consumer);
void fd_consumer_wake(struct fd_consumer *consumer);

#endif
