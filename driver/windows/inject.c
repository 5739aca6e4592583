/* SPDX-License-Identifier: MIT */
/* What goes into the stack: checked, completed, and cut if nobody behind us
 * would cut it. */
#include "inject.h"

#include "../core/checksum.h"
#include "../core/protocol.h"
#include "../core/segment.h"

/* Consumes the injection, whatever becomes of it. */
static NTSTATUS send(struct fd_injection *injection, ULONG length, const struct fd_way *way,
                     HANDLE signed_by)
{
    NTSTATUS status = fd_injection_prepare(injection, length, way->flags);

    if (NT_SUCCESS(status))
        return fd_injection_give(injection, way, signed_by);
    fd_injection_destroy(injection);
    return status;
}

/* ---- a super-packet ------------------------------------------------------------------- */

static void destroy_all(struct fd_injection *first)
{
    while (first != NULL) {
        struct fd_injection *next = first->next;
        fd_injection_destroy(first);
        first = next;
    }
}

static struct fd_injection *make_segment(struct fd_handle *handle, const struct fd_super *super,
                                         ULONG number, ULONG flags)
{
    ULONG length = fd_segment_length(super, number);
    struct fd_injection *segment = fd_injection_create(handle, length);

    if (segment == NULL)
        return NULL;
    (void)fd_segment_write_complete(super, number, segment->bytes);
    if (NT_SUCCESS(fd_injection_prepare(segment, length, flags)))
        return segment;
    fd_injection_destroy(segment);
    return NULL;
}

static NTSTATUS give_all_to_stack(struct fd_way_back *way_back, struct fd_injection *first,
                                  const struct fd_way *way, HANDLE signed_by)
{
    NTSTATUS status = STATUS_SUCCESS;
    LONG64 given = 0;

    while (first != NULL) {
        struct fd_injection *next = first->next; /* it may be gone when the call returns */
        NTSTATUS one = fd_injection_give(first, way, signed_by);
        if (NT_SUCCESS(one))
            given++;
        else if (NT_SUCCESS(status))
            status = one;
        first = next;
    }
    /* What succeeds counts as one elsewhere. */
    (void)InterlockedExchangeAdd64(&way_back->segments, NT_SUCCESS(status) ? given - 1 : given);
    return status;
}

/* All segments are made before the first is given to the stack: for want of
 * memory there is none of them. One that the stack refuses is a lost packet, as
 * in any network, and no reason to lose those behind it. */
static NTSTATUS send_segments(struct fd_handle *handle, const struct fd_super *super,
                              const struct fd_way *way, HANDLE signed_by)
{
    struct fd_injection *first = NULL;
    struct fd_injection **end = &first;

    for (ULONG number = 0; number < super->count; number++) {
        *end = make_segment(handle, super, number, way->flags);
        if (*end == NULL) {
            destroy_all(first);
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        end = &(*end)->next;
    }
    return give_all_to_stack(&handle->way_back, first, way, signed_by);
}

/* ---- checks ----------------------------------------------------------------------------- */

/* Outbound loopback leaves the field empty, and says so nowhere. Where zero is
 * the right checksum, computing it gives zero. */
static BOOLEAN has_no_ip_checksum(const UCHAR *packet, const struct fd_parsed *parsed, ULONG flags)
{
    return (flags & FD_FLAG_OUTBOUND) != 0 && (parsed->headers & FD_HAS(FD_HEADER_IP)) != 0 &&
           (packet[FD_IPV4_CHECKSUM] | packet[FD_IPV4_CHECKSUM + 1]) == 0;
}

/* Checksums that nobody has computed yet, because a card would have. The stack
 * takes no packet without. */
static void finish_checksums(UCHAR *packet, const struct fd_parsed *parsed, ULONG flags)
{
    ULONG leave = FD_CHECKSUM_FLAGS_ALL;
    uint32_t written;

    if ((flags & FD_FLAG_IP_CHECKSUM_PARTIAL) != 0 || has_no_ip_checksum(packet, parsed, flags))
        leave &= ~(ULONG)FD_CHECKSUM_NO_IP;
    if ((flags & FD_FLAG_TCP_CHECKSUM_PARTIAL) != 0)
        leave &= ~(ULONG)FD_CHECKSUM_NO_TCP;
    if ((flags & FD_FLAG_UDP_CHECKSUM_PARTIAL) != 0)
        leave &= ~(ULONG)FD_CHECKSUM_NO_UDP;
    if (leave != FD_CHECKSUM_FLAGS_ALL)
        (void)fd_checksum_update(packet, parsed, leave, &written);
}

/* Consumes a copy that has been parsed. */
static NTSTATUS finish_and_send(struct fd_injection *injection, ULONG length,
                                const struct fd_parsed *parsed, const struct fd_way *way,
                                HANDLE signed_by)
{
    struct fd_super super;
    ULONG count = fd_super_begin(&super, injection->bytes, length, parsed, way->gso_size);

    if (count == 1) {
        finish_checksums(injection->bytes, parsed, way->flags);
        return send(injection, length, way, signed_by);
    }
    BOOLEAN few =
        count <= FD_WINDOWS_SEGMENTS_MAX && fd_super_size(&super) <= FD_WINDOWS_SEGMENTS_SIZE_MAX;
    NTSTATUS status =
        few ? send_segments(injection->handle, &super, way, signed_by) : STATUS_INVALID_PARAMETER;
    fd_injection_destroy(injection);
    return status;
}

/* What a process calls a super-packet. */
static BOOLEAN is_of_its_kind(const struct fd_parsed *parsed, const struct fd_way *way)
{
    ULONG kinds = (parsed->headers & FD_HAS(FD_HEADER_TCP) ? FD_FLAG_GSO_TCP : 0) |
                  (parsed->headers & FD_HAS(FD_HEADER_UDP) ? FD_FLAG_GSO_UDP : 0);

    return way->gso_size == 0 || (way->flags & (FD_FLAG_GSO_TCP | FD_FLAG_GSO_UDP)) == kinds;
}

/* The copy is complete: is it a packet, and may it go on? Consumes it. */
static NTSTATUS check_and_send(struct fd_injection *injection, struct fd_way *way, HANDLE signed_by,
                               BOOLEAN guards_ttl)
{
    struct fd_parsed parsed;
    unsigned headers = fd_parse(injection->bytes, injection->size, &parsed);

    if (headers == 0 || (parsed.state & FD_PARSED_TRUNCATED) != 0 ||
        !is_of_its_kind(&parsed, way)) {
        fd_injection_destroy(injection);
        return STATUS_INVALID_PARAMETER;
    }
    /* The last defence against two programs that feed each other. */
    if (guards_ttl && (way->flags & FD_FLAG_IMPOSTOR) != 0 &&
        !fd_decrement_ttl(injection->bytes, &parsed)) {
        fd_injection_destroy(injection);
        return STATUS_HOST_UNREACHABLE;
    }
    way->flags &= ~(ULONG)FD_FLAG_IPV6;
    if ((headers & FD_HAS(FD_HEADER_IPV6)) != 0)
        way->flags |= FD_FLAG_IPV6;
    return finish_and_send(injection, parsed.length, &parsed, way, signed_by);
}

NTSTATUS fd_inject(struct fd_handle *handle, const UCHAR *packet, ULONG length, struct fd_way *way,
                   BOOLEAN untouched)
{
    struct fd_injection *injection = fd_injection_create(handle, length);

    if (injection == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    RtlCopyMemory(injection->bytes, packet, length);
    BOOLEAN hosts = untouched && (way->flags & FD_FLAG_IMPOSTOR) == 0;
    return check_and_send(injection, way, fd_injection_signature(handle, hosts), !untouched);
}

/* ---- out of the stack, and back ---------------------------------------------------------- */

/* As it came, whatever it is: nothing here has to be understood, but where the
 * checksums are that a card was to compute. */
static NTSTATUS send_back(struct fd_handle *handle, PNET_BUFFER buffer, const struct fd_way *way)
{
    ULONG length = NET_BUFFER_DATA_LENGTH(buffer);
    struct fd_parsed parsed;

    struct fd_injection *injection = fd_injection_create(handle, length);
    if (injection == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    const UCHAR *bytes = NdisGetDataBuffer(buffer, length, injection->bytes, 1, 0);
    if (bytes == NULL) {
        fd_injection_destroy(injection);
        return STATUS_DATA_ERROR;
    }
    if (bytes != injection->bytes)
        RtlCopyMemory(injection->bytes, bytes, length);
    HANDLE signed_by = fd_injection_signature(handle, (way->flags & FD_FLAG_IMPOSTOR) == 0);
    unsigned headers = way->gso_size != 0 ? fd_super_parse(injection->bytes, length, &parsed)
                                          : fd_parse(injection->bytes, length, &parsed);
    return headers != 0 ? finish_and_send(injection, length, &parsed, way, signed_by)
                        : send(injection, length, way, signed_by);
}

void fd_inject_count_returned(struct fd_handle *handle, NTSTATUS status)
{
    (void)InterlockedIncrement64(NT_SUCCESS(status) ? &handle->way_back.returned
                                                    : &handle->way_back.returned_failed);
}

void fd_inject_unmatched(struct fd_handle *handle, PNET_BUFFER buffer, const struct fd_way *way)
{
    fd_inject_count_returned(handle, send_back(handle, buffer, way));
}
