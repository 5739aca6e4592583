/* SPDX-License-Identifier: MIT */
#include "produce.h"

#include <string.h>

/* Copies one row into the ring. The place and length are the record's own;
 * everything else that is known of the packet comes along. */
static int queue_row(struct fd_producer *producer, const struct fd_rows *rows, uint32_t row,
                     uint32_t set_flags)
{
    const struct fd_record *from = &rows->records[row];
    uint8_t *packet;
    struct fd_descriptor *to =
        fd_producer_reserve(producer, from->l2_length, from->captured, &packet);
    if (to == NULL)
        return 0;
    const struct fd_descriptor own = *to;
    *to = rows->descriptors[row];
    to->offset = own.offset;
    to->captured = own.captured;
    to->l2_length = own.l2_length;
    to->layer = (uint8_t)rows->layer;
    to->verdict = FD_VERDICT_PASS;
    /* Headers are the user's to write, but a kind that does not exist would kill the ring. */
    if (to->event >= FD_EVENT_COUNT)
        to->event = FD_EVENT_NETWORK_PACKET;
    if (to->link >= FD_LINK_OTHER)
        to->link = FD_LINK_NONE;
    to->flags |= set_flags;
    fd_describe(&rows->parsed[row], from->captured, to);
    memcpy(packet - from->l2_length, from->packet - from->l2_length,
           (size_t)from->l2_length + from->captured);
    return 1;
}

static int matches(const struct fd_rows *rows, uint32_t row, const struct fd_program *program)
{
    const struct fd_subject subject = {&rows->descriptors[row], rows->records[row].packet,
                                       rows->records[row].captured, &rows->parsed[row]};
    return program->layer == rows->layer && fd_program_run(program, &subject);
}

uint32_t fd_produce(struct fd_producer *producer, const struct fd_program *program,
                    const struct fd_rows *rows, uint32_t begin,
                    const struct fd_produce_options *options, uint8_t *outcome)
{
    struct fd_producer_counters *counters = &producer->counters;
    uint32_t row = begin;
    for (; row < rows->count; row++) {
        const struct fd_record *record = &rows->records[row];
        int network = fd_is_network(rows->layer);
        if (network && rows->parsed[row].headers == 0) {
            counters->seen++;
            counters->malformed++;
            outcome[row] = FD_PRODUCE_UNMATCHED;
            continue;
        }
        if (!matches(rows, row, program)) {
            counters->seen++;
            outcome[row] = FD_PRODUCE_UNMATCHED;
            continue;
        }
        if (options->count_only) {
            counters->seen++;
            outcome[row] = FD_PRODUCE_DROPPED;
            continue;
        }
        if (options->wait) {
            enum fd_drop refusal =
                fd_producer_refusal(producer, record->l2_length, record->captured);
            if (refusal == FD_DROP_QUEUE_LENGTH || refusal == FD_DROP_QUEUE_SIZE)
                break;
        }
        counters->seen++;
        counters->matched++;
        outcome[row] = queue_row(producer, rows, row, options->set_flags) ? FD_PRODUCE_QUEUED
                                                                          : FD_PRODUCE_DROPPED;
        if (producer->fault != FD_RING_OK)
            break;
    }
    fd_producer_publish(producer);
    return row;
}
