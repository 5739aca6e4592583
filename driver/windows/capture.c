/* SPDX-License-Identifier: MIT */
/*
 * A packet's way out of the stack. The filter engine calls with a list of
 * lists of buffers, each of them one IP packet, and takes one answer for all.
 * So from the first packet on that we take, the whole is taken, and what the
 * filter does not want goes back by itself.
 */
#include "capture.h"

#include "../core/protocol.h"
#include "../core/segment.h"

/* ---- what is known of a list ------------------------------------------------ */

static ULONG sent_checksums(NDIS_TCP_IP_CHECKSUM_NET_BUFFER_LIST_INFO info)
{
    return (info.Transmit.IpHeaderChecksum ? FD_FLAG_IP_CHECKSUM_PARTIAL : 0) |
           (info.Transmit.TcpChecksum ? FD_FLAG_TCP_CHECKSUM_PARTIAL : 0) |
           (info.Transmit.UdpChecksum ? FD_FLAG_UDP_CHECKSUM_PARTIAL : 0);
}

/* A checksum that is good, but not the one in the header (the card has joined
 * segments), has to be computed by whoever sends the packet on. */
static ULONG received_checksums(NDIS_TCP_IP_CHECKSUM_NET_BUFFER_LIST_INFO info)
{
    ULONG flags = info.Receive.UdpChecksumSucceeded ? FD_FLAG_UDP_CHECKSUM_VALID : 0;

    if (info.Receive.IpChecksumValueInvalid)
        flags |= FD_FLAG_IP_CHECKSUM_PARTIAL;
    else if (info.Receive.IpChecksumSucceeded)
        flags |= FD_FLAG_IP_CHECKSUM_VALID;
    if (info.Receive.TcpChecksumValueInvalid)
        flags |= FD_FLAG_TCP_CHECKSUM_PARTIAL;
    else if (info.Receive.TcpChecksumSucceeded)
        flags |= FD_FLAG_TCP_CHECKSUM_VALID;
    return flags;
}

#define CHECKSUM_FLAGS                                                                     \
    (FD_FLAG_IP_CHECKSUM_VALID | FD_FLAG_TCP_CHECKSUM_VALID | FD_FLAG_UDP_CHECKSUM_VALID | \
     FD_FLAG_IP_CHECKSUM_PARTIAL | FD_FLAG_TCP_CHECKSUM_PARTIAL | FD_FLAG_UDP_CHECKSUM_PARTIAL)

/* Payload that an IP packet can carry behind its longest headers. */
#define SEGMENT_MAX (65535u - 120u)

static void look_at_list(struct fd_capture *capture, NET_BUFFER_LIST *list)
{
    NDIS_TCP_IP_CHECKSUM_NET_BUFFER_LIST_INFO checksums;
    NDIS_TCP_LARGE_SEND_OFFLOAD_NET_BUFFER_LIST_INFO large;
    BOOLEAN outbound = (capture->way.flags & FD_FLAG_OUTBOUND) != 0;

    checksums.Value = NET_BUFFER_LIST_INFO(list, TcpIpChecksumNetBufferListInfo);
    capture->way.flags &= ~(ULONG)CHECKSUM_FLAGS;
    capture->way.flags |= outbound ? sent_checksums(checksums) : received_checksums(checksums);
    large.Value = outbound ? NET_BUFFER_LIST_INFO(list, TcpLargeSendNetBufferListInfo) : NULL;
    capture->way.gso_size =
        large.LsoV2Transmit.MSS < SEGMENT_MAX ? large.LsoV2Transmit.MSS : SEGMENT_MAX;
    if (capture->way.gso_size != 0) /* who cuts also computes, whether it is said or not */
        capture->way.flags |= FD_FLAG_IP_CHECKSUM_PARTIAL | FD_FLAG_TCP_CHECKSUM_PARTIAL;
}

/* ---- one packet ---------------------------------------------------------------- */

/* Further back than its memory goes, NDIS would put a new MDL in front, in which
 * there is no header. */
static BOOLEAN begin_at_header(const struct fd_capture *capture, PNET_BUFFER buffer)
{
    return capture->retreat == 0 ||
           (NET_BUFFER_DATA_OFFSET(buffer) >= capture->retreat &&
            NdisRetreatNetBufferDataStart(buffer, capture->retreat, 0, NULL) == 0);
}

static void begin_as_before(const struct fd_capture *capture, PNET_BUFFER buffer)
{
    if (capture->retreat != 0)
        NdisAdvanceNetBufferDataStart(buffer, capture->retreat, FALSE, NULL);
}

static void put_back(struct fd_capture *capture, PNET_BUFFER buffer)
{
    /* It could be brought there when it was judged, and now cannot. */
    if (!begin_at_header(capture, buffer)) {
        (void)InterlockedIncrement64(&capture->handle->way_back.returned_failed);
        return;
    }
    fd_inject_unmatched(capture->handle, buffer, &capture->way);
    begin_as_before(capture, buffer);
}

/* The states that concern headers which the packet has, and where a partial
 * checksum is. */
static void describe_checksums(struct fd_descriptor *descriptor, const struct fd_parsed *parsed)
{
    if ((parsed->headers & FD_HAS(FD_HEADER_IP)) == 0)
        descriptor->flags &= ~(ULONG)(FD_FLAG_IP_CHECKSUM_VALID | FD_FLAG_IP_CHECKSUM_PARTIAL);
    if ((parsed->headers & FD_HAS(FD_HEADER_TCP)) == 0)
        descriptor->flags &= ~(ULONG)(FD_FLAG_TCP_CHECKSUM_VALID | FD_FLAG_TCP_CHECKSUM_PARTIAL);
    if ((parsed->headers & FD_HAS(FD_HEADER_UDP)) == 0)
        descriptor->flags &= ~(ULONG)(FD_FLAG_UDP_CHECKSUM_VALID | FD_FLAG_UDP_CHECKSUM_PARTIAL);
    if ((descriptor->flags & (FD_FLAG_TCP_CHECKSUM_PARTIAL | FD_FLAG_UDP_CHECKSUM_PARTIAL)) != 0) {
        descriptor->csum_start = descriptor->l4_offset;
        descriptor->csum_offset = (descriptor->flags & FD_FLAG_TCP_CHECKSUM_PARTIAL) != 0
                                      ? FD_TCP_CHECKSUM
                                      : FD_UDP_CHECKSUM;
    }
}

static void describe(const struct fd_capture *capture, const UCHAR *packet, ULONG length,
                     struct fd_parsed *parsed, struct fd_descriptor *descriptor)
{
    *descriptor = (struct fd_descriptor){
        .timestamp = capture->timestamp,
        .captured = length,
        .flags = capture->way.flags,
        .ifindex = capture->way.ifindex,
        .subifindex = capture->way.subifindex,
        .mark = capture->way.compartment,
        .layer = (UCHAR)capture->handle->layer,
        .event = FD_EVENT_NETWORK_PACKET,
    };
    if (fd_handle_has(capture->handle, FD_WINDOWS_SNIFF))
        descriptor->flags |= FD_FLAG_SNIFFED;
    (void)fd_parse_and_describe(packet, length, parsed, descriptor);
    describe_checksums(descriptor, parsed);
    if (capture->way.gso_size != 0 && parsed->payload_length > capture->way.gso_size &&
        (parsed->headers & FD_HAS(FD_HEADER_TCP)) != 0) {
        descriptor->flags |= FD_FLAG_GSO_TCP;
        descriptor->gso_size = (USHORT)capture->way.gso_size;
    }
}

/* Whether the packet is not the host's any more. */
static BOOLEAN lost(struct fd_capture *capture, enum fd_drop cause)
{
    BOOLEAN passes = fd_handle_has(capture->handle, FD_WINDOWS_OVERFLOW_PASS);

    fd_queue_drop(capture->queue, passes ? FD_DROP_PASSED_BY : cause);
    return !passes && !fd_handle_has(capture->handle, FD_WINDOWS_SNIFF);
}

static BOOLEAN queue_packet(struct fd_capture *capture, const UCHAR *packet,
                            const struct fd_descriptor *descriptor)
{
    struct fd_reservation *place = &capture->reservation;
    BOOLEAN sniffs = fd_handle_has(capture->handle, FD_WINDOWS_SNIFF);

    enum fd_drop drop = fd_queue_reserve(capture->queue, place, descriptor->captured,
                                         fd_handle_has(capture->handle, FD_WINDOWS_OVERFLOW_PASS));
    if (drop != FD_DROP_COUNT)
        return !sniffs && drop != FD_DROP_PASSED_BY;
    RtlCopyMemory(place->packet, packet, descriptor->captured);
    fd_queue_describe(place, descriptor);
    capture->queued = TRUE;
    return !sniffs;
}

static BOOLEAN judge_packet(struct fd_capture *capture, const UCHAR *packet, ULONG length)
{
    struct fd_parsed parsed;
    struct fd_descriptor descriptor;
    const struct fd_subject subject = {&descriptor, packet, length, &parsed};

    describe(capture, packet, length, &parsed, &descriptor);
    if (parsed.headers == 0)
        (void)InterlockedIncrement64(&capture->queue->malformed);
    if (!fd_program_run(capture->program, &subject))
        return FALSE;
    if (fd_handle_has(capture->handle, FD_WINDOWS_DROP)) {
        fd_queue_drop(capture->queue, FD_DROP_BY_FLAG);
        return TRUE;
    }
    return queue_packet(capture, packet, &descriptor);
}

/* ---- what a card was to cut -------------------------------------------------------- */

/* With LSO a buffer may be longer than its IP header says, or than it could. */
static BOOLEAN says_its_length(const UCHAR *packet, ULONG length)
{
    struct fd_parsed parsed;

    return fd_parse(packet, length, &parsed) != 0 && parsed.length == length;
}

static void put_segment_back(struct fd_capture *capture, const struct fd_super *super, ULONG number,
                             UCHAR *segment)
{
    ULONG length = fd_segment_write_complete(super, number, segment);

    fd_inject_count_returned(capture->handle,
                             fd_inject(capture->handle, segment, length, &capture->way, TRUE));
}

/* As with a list: from the first segment on that is taken, the whole is, and
 * those that are not wanted go back by themselves. */
static BOOLEAN judge_segments(struct fd_capture *capture, const struct fd_super *super,
                              UCHAR *segment)
{
    BOOLEAN taken = FALSE;

    for (ULONG number = 0; number < super->count; number++) {
        ULONG length = fd_segment_write_complete(super, number, segment);
        BOOLEAN takes = judge_packet(capture, segment, length);
        for (ULONG before = 0; takes && !taken && before < number; before++)
            put_segment_back(capture, super, before, segment);
        if (taken && !takes)
            put_segment_back(capture, super, number, segment);
        taken = taken || takes;
    }
    return taken;
}

/* Whose header does not say how long it is: it is shown as what goes over the
 * wire. whole is a copy. */
static BOOLEAN judge_super(struct fd_capture *capture, UCHAR *whole, ULONG length)
{
    struct fd_way way = capture->way;
    struct fd_parsed parsed;
    struct fd_super super;

    (void)fd_super_parse(whole, length, &parsed);
    ULONG count = fd_super_begin(&super, whole, length, &parsed, way.gso_size);
    if (count == 1)
        return judge_packet(capture, whole, length);
    UCHAR *segment = ExAllocatePoolWithTag(NonPagedPoolNx, fd_segment_length(&super, 0), FD_TAG);
    if (segment == NULL)
        return lost(capture, FD_DROP_MEMORY);
    (void)InterlockedExchangeAdd64(&capture->queue->seen, (LONG64)count - 1);
    capture->way.gso_size = 0;
    capture->way.flags &= ~(ULONG)CHECKSUM_FLAGS;
    BOOLEAN taken = judge_segments(capture, &super, segment);
    capture->way = way;
    ExFreePoolWithTag(segment, FD_TAG);
    return taken;
}

/* ---- a buffer ---------------------------------------------------------------------- */

static BOOLEAN judge_copy(struct fd_capture *capture, PNET_BUFFER buffer, UCHAR *copy, ULONG length)
{
    const UCHAR *packet = NdisGetDataBuffer(buffer, length, copy, 1, 0);

    if (packet == NULL)
        return lost(capture, FD_DROP_UNREADABLE);
    if (packet != copy)
        RtlCopyMemory(copy, packet, length);
    return capture->way.gso_size == 0 || says_its_length(copy, length)
               ? judge_packet(capture, copy, length)
               : judge_super(capture, copy, length);
}

/* One that begins with the IP header. What the filter cannot be asked about is
 * lost, and counted: it might have matched. */
static BOOLEAN judge_bytes(struct fd_capture *capture, PNET_BUFFER buffer)
{
    ULONG length = NET_BUFFER_DATA_LENGTH(buffer);

    if (length > FD_CAPTURED_MAX)
        return lost(capture, FD_DROP_OVERSIZE);
    if (length == 0)
        return judge_packet(capture, NULL, 0);
    const UCHAR *packet = NdisGetDataBuffer(buffer, length, NULL, 1, 0);
    if (packet != NULL && (capture->way.gso_size == 0 || says_its_length(packet, length)))
        return judge_packet(capture, packet, length);

    /* In pieces, or of another length than it says. */
    UCHAR *copy = ExAllocatePoolWithTag(NonPagedPoolNx, length, FD_TAG);
    if (copy == NULL)
        return lost(capture, FD_DROP_MEMORY);
    BOOLEAN taken = judge_copy(capture, buffer, copy, length);
    ExFreePoolWithTag(copy, FD_TAG);
    return taken;
}

static BOOLEAN judge(struct fd_capture *capture, PNET_BUFFER buffer)
{
    (void)InterlockedIncrement64(&capture->queue->seen);
    if (!begin_at_header(capture, buffer))
        return lost(capture, FD_DROP_UNREADABLE);
    BOOLEAN taken = judge_bytes(capture, buffer);
    begin_as_before(capture, buffer);
    return taken;
}

/* ---- all of them ------------------------------------------------------------------ */

/* From the first on to the one that is taken. */
static void put_back_before(struct fd_capture *capture, NET_BUFFER_LIST *lists, PNET_BUFFER taken)
{
    for (NET_BUFFER_LIST *list = lists; list != NULL; list = NET_BUFFER_LIST_NEXT_NBL(list)) {
        look_at_list(capture, list);
        for (PNET_BUFFER buffer = NET_BUFFER_LIST_FIRST_NB(list); buffer != NULL;
             buffer = NET_BUFFER_NEXT_NB(buffer)) {
            if (buffer == taken)
                return;
            put_back(capture, buffer);
        }
    }
}

static void judge_list(struct fd_capture *capture, NET_BUFFER_LIST *lists, NET_BUFFER_LIST *list)
{
    enum fd_origin origin = fd_injection_origin(capture->handle, list, capture->way.flags);

    look_at_list(capture, list);
    capture->way.flags &= ~(ULONG)FD_FLAG_IMPOSTOR;
    if (origin == FD_ORIGIN_IMPOSTOR)
        capture->way.flags |= FD_FLAG_IMPOSTOR;
    if (origin == FD_ORIGIN_PASSED)
        (void)InterlockedIncrement64(&capture->handle->way_back.own);
    for (PNET_BUFFER buffer = NET_BUFFER_LIST_FIRST_NB(list); buffer != NULL;
         buffer = NET_BUFFER_NEXT_NB(buffer)) {
        if (origin != FD_ORIGIN_PASSED && judge(capture, buffer)) {
            if (!capture->absorbed)
                put_back_before(capture, lists, buffer);
            capture->absorbed = TRUE;
        } else if (capture->absorbed) {
            put_back(capture, buffer);
        }
    }
}

void fd_capture_lists(struct fd_capture *capture, NET_BUFFER_LIST *lists)
{
    for (NET_BUFFER_LIST *list = lists; list != NULL; list = NET_BUFFER_LIST_NEXT_NBL(list))
        judge_list(capture, lists, list);
}
