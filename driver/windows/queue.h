/* SPDX-License-Identifier: MIT */
/*
 * A receive queue, the producer's end. Several processors may be at it at once:
 * a place is reserved under the queue's lock, the bytes are copied outside of
 * it, and what is complete is published in order.
 */
#ifndef FD_WINDOWS_QUEUE_H
#define FD_WINDOWS_QUEUE_H

#include "../core/atomic.h"
#include "../core/ring.h"
#include "interface.h"
#include "nt.h"
#include "region.h"

/* Of a handle, from SET_PARAM. */
struct fd_policy {
    ULONG length;
    ULONG time; /* milliseconds; for the consumer, which asks */
    ULONG64 size;
};

struct fd_queue {
    struct fd_region descriptors;
    struct fd_region bytes;
    KSPIN_LOCK lock; /* over all below but the two that are added to atomically */
    struct fd_producer producer;
    LIST_ENTRY reservations; /* not complete, in the order of their places */
    ULONG complete;          /* before these positions everything is */
    ULONG64 complete_bytes;
    volatile LONG64 seen;
    volatile LONG64 malformed;
};

/* A place that is being filled, on the stack of whoever fills it. */
struct fd_reservation {
    LIST_ENTRY link;
    ULONG end; /* positions behind it, and behind what is complete right after it */
    ULONG64 end_bytes;
    struct fd_descriptor *descriptor;
    UCHAR *packet;
    /* What the descriptor has to say of the place: from the producer, because
     * what stands in the ring the process can change. */
    ULONG offset;
    ULONG sequence;
    BOOLEAN open; /* reserved, not yet completed */
};

void fd_queue_initialise(struct fd_queue *queue);

/* Locks the two regions and lays the ring out in them. */
NTSTATUS fd_queue_lock(struct fd_queue *queue, const struct fd_windows_queue *place, ULONG number);
void fd_queue_unlock(struct fd_queue *queue);

void fd_queue_set_policy(struct fd_queue *queue, const struct fd_policy *policy);

/* For one packet that the filter matched. FD_DROP_COUNT: the reservation is
 * there to be filled. FD_DROP_PASSED_BY: there is no room, and it passes. Any
 * other: it is lost. Counted in each case. If the reservation is open, it has
 * been filled, and is completed by the way, which spares a turn of the lock. */
enum fd_drop fd_queue_reserve(struct fd_queue *queue, struct fd_reservation *reservation,
                              ULONG captured, BOOLEAN passes);

/* The same for one that does not get so far. */
void fd_queue_drop(struct fd_queue *queue, enum fd_drop cause);

/* Writes the descriptor of a place. What it says of the place goes in last, and
 * straight into the ring: a copy that is changed and at once read again in
 * larger pieces waits for the store: a fifth of the ring's time. */
static inline void fd_queue_describe(const struct fd_reservation *reservation,
                                     const struct fd_descriptor *descriptor)
{
    *reservation->descriptor = *descriptor;
    fd_store32(&reservation->descriptor->offset, reservation->offset);
    fd_store32(&reservation->descriptor->sequence, reservation->sequence);
}

/* Completes a reservation that is open, and publishes; TRUE: ring the doorbell. */
BOOLEAN fd_queue_publish(struct fd_queue *queue, struct fd_reservation *reservation);

void fd_queue_read_counters(struct fd_queue *queue, struct fd_producer_counters *counters);

#endif
