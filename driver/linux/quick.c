/* SPDX-License-Identifier: MIT */
#include "quick.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <string.h>
#include <sys/stat.h>

#include "../core/bytes.h"
#include "syscall.h"

/* A call costs about 6 us beside its packets, the socket 2 us for each packet:
 * even at 3. */
#define QUICK_MIN 4u
/* Live frames cost some 20 us a call, and then 0.1 us less for each packet than
 * the inject program does: even at 64, worth their page of memory from here on. */
#define FRAMES_MIN 128u
#define FRAMES_AT_ONCE 64u /* as many as the kernel passes up the stack in one list */
#define MOST 1024u         /* packets of one call */

#define PARTIAL ((uint32_t)(FD_FLAG_TCP_CHECKSUM_PARTIAL | FD_FLAG_UDP_CHECKSUM_PARTIAL))

ino_t fd_current_namespace(void)
{
    struct stat status;

    return stat("/proc/thread-self/ns/net", &status) == 0 ? status.st_ino : 0;
}

static const uint8_t *frame_of(const struct fd_record *record)
{
    return record->packet - record->l2_length;
}

static uint32_t length_of(const struct fd_record *record)
{
    return (uint32_t)record->l2_length + record->captured;
}

/* The queue in whose byte region the whole frame lies, or -1. */
static int find_queue(const struct fd_queues *queues, const struct fd_record *record)
{
    const uint8_t *frame = frame_of(record);
    uint32_t length = length_of(record);

    for (uint32_t i = 0; i < queues->count; i++) {
        const uint8_t *bytes = queues->regions[i].bytes;
        if (frame >= bytes && frame < bytes + queues->byte_size &&
            length <= (size_t)(bytes + queues->regions[i].bytes_size - frame))
            return (int)i;
    }
    return -1;
}

static int is_quick(const struct fd_descriptor *descriptor, const struct fd_record *record)
{
    const uint32_t gso = FD_FLAG_GSO_TCP | FD_FLAG_GSO_UDP;
    uint32_t length = length_of(record);

    if (record->l2_length != ETH_HLEN || length < FD_QUICK_MIN || length > FD_QUICK_MAX ||
        (descriptor->flags & gso) != 0 || (record->packet[-ETH_HLEN] & 1) != 0)
        return 0;
    if ((descriptor->flags & PARTIAL) == 0)
        return descriptor->csum_start == 0 || descriptor->csum_start == descriptor->l4_offset;
    return (uint32_t)descriptor->csum_start + descriptor->csum_offset + 2 <= record->captured;
}

static uint16_t ethernet_type(const struct fd_record *record)
{
    return fd_be16(record->packet - 2);
}

/* ---- the two programs ----------------------------------------------------- */

/* Runs a program until it has taken the slots from first to end, or fails. */
static uint32_t run(const struct fd_quick *quick, union bpf_attr *attributes, uint32_t per_turn,
                    uint32_t first, uint32_t count)
{
    uint32_t done = 0;

    quick->outbox->next = first;
    quick->outbox->end = first + count;
    while (done < count) {
        attributes->test.repeat = (count - done + per_turn - 1) / per_turn;
        int failed = fd_bpf(BPF_PROG_TEST_RUN, attributes, sizeof(*attributes));
        uint32_t before = done;
        done = quick->outbox->next - first;
        if (failed ? errno != EINTR && errno != EAGAIN : done == before)
            break;
    }
    return done < count ? done : count;
}

static uint32_t run_inject(const struct fd_quick *quick, uint16_t type, uint32_t first,
                           uint32_t count)
{
    uint8_t frame[64] = {[12] = (uint8_t)(type >> 8), [13] = (uint8_t)type};
    union bpf_attr attributes;

    frame[ETH_HLEN] = type == ETH_P_IPV6 ? 0x60 : 0x45;
    memset(&attributes, 0, sizeof(attributes));
    attributes.test.prog_fd = (uint32_t)quick->inject_program;
    attributes.test.data_in = (uint64_t)(uintptr_t)frame;
    attributes.test.data_size_in = sizeof(frame);
    return run(quick, &attributes, FD_QUICK_TURN, first, count);
}

/* length: of the first of them. If others are as long, nothing has to be cut. */
static uint32_t run_frames(const struct fd_quick *quick, uint32_t ifindex, uint32_t length,
                           uint32_t first, uint32_t count)
{
    static const uint8_t frame[FD_QUICK_MAX];
    struct xdp_md context = {.data_end = length, .ingress_ifindex = ifindex};
    union bpf_attr attributes;

    memset(&attributes, 0, sizeof(attributes));
    attributes.test.prog_fd = (uint32_t)quick->frames_program;
    attributes.test.data_in = (uint64_t)(uintptr_t)frame;
    attributes.test.data_size_in = length;
    attributes.test.ctx_in = (uint64_t)(uintptr_t)&context;
    attributes.test.ctx_size_in = sizeof(context);
    attributes.test.batch_size = FRAMES_AT_ONCE;
    attributes.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
    return run(quick, &attributes, 1, first, count);
}

/* Live frames, if they can be had and would overtake nobody. */
static int may_use_frames(struct fd_quick *quick, struct fd_way_back *back,
                          const struct fd_descriptor *descriptor, uint32_t count)
{
    if (quick->frames_program < 0 || count < FRAMES_MIN || !fd_is_inbound(descriptor))
        return 0;
    if (!quick->anchor.was_cast)
        fd_anchor_cast(&quick->anchor, quick->frames_program);
    return fd_anchor_holds(&quick->anchor) && fd_way_back_is_settled(back);
}

/* ---- a run of packets that are alike --------------------------------------- */

/* Whether packet number goes with the first. One call is of one protocol, and
 * of one device's ingress or of any egress. */
static int goes_along(const struct fd_descriptor *descriptors, const struct fd_record *records,
                      uint32_t number)
{
    const struct fd_descriptor *descriptor = &descriptors[number];

    if (!is_quick(descriptor, &records[number]) ||
        ethernet_type(records) != ethernet_type(&records[number]) ||
        fd_is_inbound(descriptors) != fd_is_inbound(descriptor))
        return 0;
    return !fd_is_inbound(descriptor) || descriptor->ifindex == descriptors->ifindex;
}

static int is_home(struct fd_quick *quick)
{
    if (quick->whereabouts == FD_SOMEWHERE)
        quick->whereabouts =
            quick->home != 0 && fd_current_namespace() == quick->home ? FD_HOME : FD_ABROAD;
    return quick->whereabouts == FD_HOME;
}

int fd_quick_suits(struct fd_quick *quick, const struct fd_descriptor *descriptors,
                   const struct fd_record *records, uint32_t count)
{
    if (quick->inject_program < 0 || count < QUICK_MIN || find_queue(quick->queues, records) < 0)
        return 0;
    for (uint32_t i = 0; i < QUICK_MIN; i++)
        if (!goes_along(descriptors, records, i))
            return 0;
    return is_home(quick);
}

/* Takes a slot for every packet that is like the first; returns how many. */
static uint32_t fill_slots(const struct fd_quick *quick, struct fd_way_back *back,
                           const struct fd_descriptor *descriptors, const struct fd_record *records,
                           uint32_t count)
{
    uint32_t number = 0;

    while (number < count && number < MOST) {
        const struct fd_descriptor *descriptor = &descriptors[number];
        const struct fd_record *record = &records[number];
        if (!goes_along(descriptors, records, number))
            break;
        int queue = find_queue(quick->queues, record);
        if (queue < 0)
            break;
        fd_complete_checksum(descriptor, record);
        struct fd_slot *slot =
            fd_way_back_take(back, descriptor, fd_way_back_state(back, descriptor));
        slot->queue = (uint32_t)queue;
        slot->offset =
            (uint32_t)(frame_of(record) - (const uint8_t *)quick->queues->regions[queue].bytes);
        slot->length = length_of(record);
        number++;
    }
    return number;
}

static int32_t read_fault(struct fd_slot *slot)
{
    int32_t fault = (int32_t)slot->fault;

    if (fault != 0) /* it has gone nowhere: nothing is to be waited for */
        __atomic_store_n(&slot->state, 0, __ATOMIC_RELAXED);
    return fault;
}

uint32_t fd_quick_send(struct fd_quick *quick, struct fd_way_back *back,
                       const struct fd_descriptor *descriptors, const struct fd_record *records,
                       uint32_t count, int32_t *faults)
{
    int frames = may_use_frames(quick, back, descriptors, count);
    uint32_t first = back->next;
    uint32_t number = fill_slots(quick, back, descriptors, records, count);
    uint32_t done;

    if (number == 0)
        return 0;
    frames = frames && number >= FRAMES_MIN;
    if (frames)
        done = run_frames(quick, descriptors->ifindex, ETH_HLEN + records->captured, first, number);
    else
        done = run_inject(quick, ethernet_type(records), first, number);
    for (uint32_t i = 0; i < number; i++)
        faults[i] = i < done ? read_fault(&back->slots[(first + i) & FD_MARK_SLOT]) : EIO;
    if (frames)
        fd_way_back_passed(back);
    else
        fd_way_back_queued(back);
    return number;
}

void fd_quick_close(struct fd_quick *quick)
{
    fd_anchor_weigh(&quick->anchor);
}
