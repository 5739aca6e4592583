/* SPDX-License-Identifier: MIT */
#include "way_back.h"

#include <time.h>

#include "../core/bytes.h"
#include "../core/checksum.h"

/* A packet that has not come by then was dropped on its way, by a full backlog
 * or another's program: nothing else would clear its slot. */
#define LOST_AFTER 10000000

static int64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

uint32_t fd_way_back_state(const struct fd_way_back *back, const struct fd_descriptor *descriptor)
{
    uint32_t state = FD_SLOT_LIVE;

    if (!back->untouched || (descriptor->flags & FD_FLAG_REINJECTED))
        state |= FD_SLOT_IMPOSTOR | FD_SLOT_REINJECTED;
    else if (descriptor->flags & FD_FLAG_IMPOSTOR)
        state |= FD_SLOT_IMPOSTOR;

    if (fd_is_inbound(descriptor))
        state |= FD_SLOT_INBOUND;
    else if (descriptor->ifindex == LOOPBACK_IFINDEX)
        state |= FD_SLOT_ROUTE; /* without a route its receiver calls it martian */
    if (descriptor->flags & FD_FLAG_FORWARDED)
        state |= FD_SLOT_FORWARDED;
    return state;
}

struct fd_slot *fd_way_back_take(struct fd_way_back *back, const struct fd_descriptor *descriptor,
                                 uint32_t state)
{
    struct fd_slot *slot = &back->slots[back->next++ & FD_MARK_SLOT];

    slot->mark = descriptor->mark;
    slot->ifindex = descriptor->ifindex;
    slot->fault = 0;
    __atomic_store_n(&slot->state, state, __ATOMIC_RELEASE);
    return slot;
}

void fd_way_back_queued(struct fd_way_back *back)
{
    back->sent = now();
    if (back->next - back->unsettled > FD_SLOTS / 2) /* the oldest will be reused */
        back->unsettled = back->next - FD_SLOTS / 2;
}

int fd_way_back_is_settled(struct fd_way_back *back)
{
    const uint32_t waits = FD_SLOT_LIVE | FD_SLOT_INBOUND;

    while (back->unsettled != back->next) {
        const struct fd_slot *slot = &back->slots[back->unsettled & FD_MARK_SLOT];
        uint32_t state = __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE);
        if ((state & waits) == waits && now() - back->sent < LOST_AFTER)
            return 0;
        back->unsettled++;
    }
    return 1;
}

void fd_way_back_passed(struct fd_way_back *back)
{
    back->unsettled = back->next;
}

void fd_complete_checksum(const struct fd_descriptor *descriptor, const struct fd_record *record)
{
    const uint32_t partial = FD_FLAG_TCP_CHECKSUM_PARTIAL | FD_FLAG_UDP_CHECKSUM_PARTIAL;
    uint32_t start = descriptor->csum_start;
    uint32_t field = start + descriptor->csum_offset;

    if ((descriptor->flags & partial) == 0 || field + 2 > record->captured)
        return;
    uint16_t sum = (uint16_t)~fd_fold(fd_sum(record->packet + start, record->captured - start));
    if (sum == 0)
        sum = 0xffff; /* RFC 768: 0 would say that there is none */
    fd_copy(record->packet + field, &sum, sizeof(sum));
}
