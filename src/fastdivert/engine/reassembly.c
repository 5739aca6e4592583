/* SPDX-License-Identifier: MIT */
#include "reassembly.h"

#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "datagram.h"

#define BUCKETS 1024u /* a power of two */
#define SECOND 1000000000ll

/* Of each IP version: begun first to last, so that what ends is at the front. */
struct queue {
    struct fd_datagram *oldest;
    struct fd_datagram *newest;
    int64_t patience; /* ns */
};

struct fd_reassembly {
    uint64_t memory; /* the most */
    uint64_t used;
    uint64_t secret;
    int gives_up;
    uint32_t held;
    struct queue queues[2];
    struct fd_datagram *given_up;
    struct fd_datagram **given_up_end;
    struct fd_reassembly_counters counters;
    struct fd_datagram *buckets[BUCKETS];
};

struct fd_reassembly *fd_reassembly_open(uint64_t memory, uint64_t secret, int gives_up)
{
    struct fd_reassembly *reassembly = calloc(1, sizeof(*reassembly));

    if (reassembly == NULL)
        return NULL;
    reassembly->memory = memory;
    reassembly->secret = secret;
    reassembly->gives_up = gives_up;
    reassembly->given_up_end = &reassembly->given_up;
    reassembly->queues[0].patience = 30 * SECOND; /* net.ipv4.ipfrag_time */
    reassembly->queues[1].patience = 60 * SECOND; /* RFC 8200 4.5 */
    return reassembly;
}

/* ---- the table -------------------------------------------------------------- */

/* Multiplications by secret numbers: who does not know them cannot fill one
 * bucket on purpose. */
static uint32_t bucket_of(const struct fd_reassembly *reassembly, const struct fd_fragment_key *key)
{
    const uint8_t *bytes = (const uint8_t *)key;
    uint64_t hash = reassembly->secret;

    _Static_assert(sizeof(*key) % 8 == 0, "whole words");
    for (size_t at = 0; at < sizeof(*key); at += 8) {
        hash = (hash ^ fd_host64(bytes + at)) * (reassembly->secret | 1);
        hash ^= hash >> 29;
    }
    return (uint32_t)(hash >> 32) & (BUCKETS - 1);
}

static struct queue *queue_of(struct fd_reassembly *reassembly, const struct fd_fragment_key *key)
{
    return &reassembly->queues[key->version == 6];
}

static struct fd_datagram *find(const struct fd_reassembly *reassembly,
                                const struct fd_fragment_key *key)
{
    struct fd_datagram *datagram = reassembly->buckets[bucket_of(reassembly, key)];

    while (datagram != NULL && memcmp(&datagram->key, key, sizeof(*key)) != 0)
        datagram = datagram->next;
    return datagram;
}

static struct fd_datagram *begin(struct fd_reassembly *reassembly,
                                 const struct fd_fragment_key *key, int64_t now)
{
    struct queue *queue = queue_of(reassembly, key);
    struct fd_datagram *datagram = calloc(1, sizeof(*datagram));

    if (datagram == NULL)
        return NULL;
    datagram->key = *key;
    datagram->begun = now;
    datagram->bucket = bucket_of(reassembly, key);
    datagram->next = reassembly->buckets[datagram->bucket];
    reassembly->buckets[datagram->bucket] = datagram;
    datagram->older = queue->newest;
    if (queue->newest != NULL)
        queue->newest->newer = datagram;
    else
        queue->oldest = datagram;
    queue->newest = datagram;
    reassembly->used += sizeof(*datagram);
    return datagram;
}

/* From now on it is not ours, and neither is what it takes. */
static void take_out(struct fd_reassembly *reassembly, struct fd_datagram *datagram)
{
    struct queue *queue = queue_of(reassembly, &datagram->key);
    struct fd_datagram **link = &reassembly->buckets[datagram->bucket];

    while (*link != datagram)
        link = &(*link)->next;
    *link = datagram->next;
    *(datagram->older ? &datagram->older->newer : &queue->oldest) = datagram->newer;
    *(datagram->newer ? &datagram->newer->older : &queue->newest) = datagram->older;
    datagram->next = datagram->older = datagram->newer = NULL;
    for (const struct fd_held *held = datagram->first; held != NULL; held = held->next)
        reassembly->used -= fd_held_size(&held->record);
    reassembly->used -= sizeof(*datagram);
}

/* Ends a datagram that will not be whole; cause counts its fragments. */
static void end(struct fd_reassembly *reassembly, struct fd_datagram *datagram, uint64_t *cause,
                int gives_up)
{
    take_out(reassembly, datagram);
    if (gives_up && datagram->count != 0) {
        *reassembly->given_up_end = datagram;
        reassembly->given_up_end = &datagram->next;
        return;
    }
    *cause += datagram->count;
    reassembly->held -= datagram->count;
    fd_datagram_free(datagram);
}

/* Nothing of it will ever be accepted, whatever still comes (RFC 5722): it
 * stays in the table, empty, until its time is over. */
static void refuse(struct fd_reassembly *reassembly, struct fd_datagram *datagram)
{
    reassembly->counters.invalid += datagram->count;
    reassembly->held -= datagram->count;
    reassembly->used -= fd_datagram_empty(datagram);
    datagram->is_refused = 1;
}

static struct fd_datagram *oldest(const struct fd_reassembly *reassembly)
{
    struct fd_datagram *ipv4 = reassembly->queues[0].oldest;
    struct fd_datagram *ipv6 = reassembly->queues[1].oldest;

    if (ipv4 == NULL || ipv6 == NULL)
        return ipv4 != NULL ? ipv4 : ipv6;
    return ipv4->begun <= ipv6->begun ? ipv4 : ipv6;
}

static int make_room(struct fd_reassembly *reassembly, uint64_t size)
{
    while (reassembly->used + size > reassembly->memory) {
        struct fd_datagram *victim = oldest(reassembly);
        if (victim == NULL)
            return 0;
        end(reassembly, victim, &reassembly->counters.crowded_out, reassembly->gives_up);
    }
    return 1;
}

void fd_reassembly_expire(struct fd_reassembly *reassembly, int64_t now)
{
    for (unsigned i = 0; i < 2; i++) {
        struct queue *queue = &reassembly->queues[i];
        while (queue->oldest != NULL && now - queue->oldest->begun >= queue->patience)
            end(reassembly, queue->oldest, &reassembly->counters.timed_out, reassembly->gives_up);
    }
}

void fd_reassembly_give_up(struct fd_reassembly *reassembly)
{
    struct fd_datagram *datagram;

    while ((datagram = oldest(reassembly)) != NULL)
        end(reassembly, datagram, &reassembly->counters.timed_out, 1);
}

struct fd_datagram *fd_reassembly_take(struct fd_reassembly *reassembly)
{
    struct fd_datagram *datagram = reassembly->given_up;

    if (datagram == NULL)
        return NULL;
    reassembly->given_up = datagram->next;
    if (reassembly->given_up == NULL)
        reassembly->given_up_end = &reassembly->given_up;
    datagram->next = NULL;
    reassembly->held -= datagram->count;
    reassembly->counters.given_up += datagram->count;
    return datagram;
}

void fd_reassembly_close(struct fd_reassembly *reassembly)
{
    struct fd_datagram *datagram;

    if (reassembly == NULL)
        return;
    fd_reassembly_give_up(reassembly);
    while ((datagram = fd_reassembly_take(reassembly)) != NULL)
        fd_datagram_free(datagram);
    free(reassembly);
}

uint32_t fd_reassembly_held(const struct fd_reassembly *reassembly)
{
    return reassembly->held;
}

const struct fd_reassembly_counters *fd_reassembly_counters(const struct fd_reassembly *reassembly)
{
    return &reassembly->counters;
}

/* ---- a fragment comes --------------------------------------------------------- */

static enum fd_reassembly_result finish(struct fd_reassembly *reassembly,
                                        struct fd_datagram *datagram, struct fd_datagram **whole)
{
    if (fd_datagram_has_mixed_ecn(datagram)) {
        refuse(reassembly, datagram);
        return FD_REASSEMBLY_GONE;
    }
    take_out(reassembly, datagram);
    reassembly->held -= datagram->count;
    reassembly->counters.whole++;
    reassembly->counters.joined += datagram->count;
    *whole = datagram;
    return FD_REASSEMBLY_WHOLE;
}

static enum fd_reassembly_result add(struct fd_reassembly *reassembly,
                                     const struct fd_fragment *fragment,
                                     const struct fd_descriptor *descriptor,
                                     const struct fd_record *record, int64_t now,
                                     struct fd_datagram **whole)
{
    uint64_t size = fd_held_size(record);

    if (!make_room(reassembly, size + sizeof(struct fd_datagram))) {
        reassembly->counters.crowded_out++;
        return FD_REASSEMBLY_GONE;
    }
    struct fd_datagram *datagram = find(reassembly, &fragment->key);
    if (datagram == NULL)
        datagram = begin(reassembly, &fragment->key, now);
    if (datagram == NULL || datagram->is_refused) {
        *(datagram == NULL ? &reassembly->counters.crowded_out : &reassembly->counters.invalid) +=
            1;
        return FD_REASSEMBLY_GONE;
    }
    switch (fd_datagram_fits(datagram, fragment, record)) {
    case FD_DATAGRAM_COPY:
        reassembly->counters.copies++;
        return FD_REASSEMBLY_GONE;
    case FD_DATAGRAM_REFUSES:
        reassembly->counters.invalid++;
        refuse(reassembly, datagram);
        return FD_REASSEMBLY_GONE;
    case FD_DATAGRAM_FITS:
        break;
    }
    if (fd_datagram_add(datagram, fragment, descriptor, record) < 0) {
        reassembly->counters.crowded_out++;
        return FD_REASSEMBLY_GONE;
    }
    reassembly->used += size;
    reassembly->held++;
    return fd_datagram_is_whole(datagram) ? finish(reassembly, datagram, whole)
                                          : FD_REASSEMBLY_HELD;
}

/* It has nothing to wait for, nor to do with others of its identification
 * (RFC 6946): never in the table. */
static enum fd_reassembly_result add_atomic(struct fd_reassembly *reassembly,
                                            const struct fd_fragment *fragment,
                                            const struct fd_descriptor *descriptor,
                                            const struct fd_record *record,
                                            struct fd_datagram **whole)
{
    struct fd_datagram *datagram = calloc(1, sizeof(*datagram));

    if (datagram == NULL || fd_datagram_add(datagram, fragment, descriptor, record) < 0) {
        free(datagram);
        reassembly->counters.crowded_out++;
        return FD_REASSEMBLY_GONE;
    }
    reassembly->counters.whole++;
    reassembly->counters.joined++;
    *whole = datagram;
    return FD_REASSEMBLY_WHOLE;
}

/* A fragment that breaks a rule takes its datagram with it. */
static enum fd_reassembly_result refuse_bad(struct fd_reassembly *reassembly,
                                            const struct fd_fragment *fragment, int64_t now)
{
    struct fd_datagram *datagram = find(reassembly, &fragment->key);

    reassembly->counters.invalid++;
    if (datagram == NULL && make_room(reassembly, sizeof(*datagram)))
        datagram = begin(reassembly, &fragment->key, now);
    if (datagram != NULL)
        refuse(reassembly, datagram);
    return FD_REASSEMBLY_GONE;
}

enum fd_reassembly_result fd_reassembly_put(struct fd_reassembly *reassembly,
                                            const struct fd_descriptor *descriptor,
                                            const struct fd_record *record, int64_t now,
                                            struct fd_datagram **whole)
{
    struct fd_fragment fragment;

    *whole = NULL;
    switch (fd_fragment_read(record->packet, record->captured, descriptor->ifindex, &fragment)) {
    case FD_FRAGMENT_NONE:
        return FD_REASSEMBLY_NONE;
    case FD_FRAGMENT_BAD:
        reassembly->counters.fragments++;
        return refuse_bad(reassembly, &fragment, now);
    case FD_FRAGMENT_GOOD:
        break;
    }
    reassembly->counters.fragments++;
    fd_reassembly_expire(reassembly, now);
    if (fd_fragment_is_atomic(&fragment))
        return add_atomic(reassembly, &fragment, descriptor, record, whole);
    return add(reassembly, &fragment, descriptor, record, now, whole);
}
