/* SPDX-License-Identifier: MIT */
/* Several queues, one for each CPU, as one in the order of their timestamps. */
#ifndef FD_ENGINE_MERGE_H
#define FD_ENGINE_MERGE_H

#include "rows.h"

/* What one queue gives to a batch. */
struct fd_share {
    struct fd_consumer *consumer;
    uint32_t early;   /* records that waited when all queues were looked at first */
    uint32_t waiting; /* and when all were looked at again */
    uint32_t expired; /* of those, at the beginning: they have waited too long */
    uint32_t count;   /* what fd_merge_plan says: records to take behind the expired ones */
};

/* How many records wait in each queue, before the second look. */
void fd_merge_look(struct fd_share *shares, uint32_t count);

/* Which records come first, most of them at most.
 *
 * A flow that moves from one CPU to another may publish in a queue that was
 * looked at already, and then in one that was not yet: so there are two looks,
 * and only what the first one has found is delivered, with all that is older.
 *
 * It ends early where a queue goes on at its region's other end: what the
 * others have behind that may be younger. Timestamps are the producer's word:
 * a lie costs order. */
void fd_merge_plan(struct fd_share *shares, uint32_t count, uint32_t most, int64_t expire_before);

/* The rows of parts, each in order, as the rows of out (which has room for all). */
void fd_merge(const struct fd_rows *const *parts, uint32_t *used, uint32_t count,
              const struct fd_rows *out);

/* Looks turns times for a record in any of the queues; 1 if one has come. No
 * thread may take from them meanwhile. */
int fd_merge_spin(const struct fd_share *shares, uint32_t count, uint32_t turns);

#endif
