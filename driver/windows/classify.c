/* SPDX-License-Identifier: MIT */
/*
 * A packet's way out of the stack. The filter engine calls with a list of
 * lists of buffers, each of them one IP packet, and takes one answer for all.
 * So from the first packet on that we take, the whole is taken, and what the
 * filter does not want goes back by itself.
 */
#include "classify.h"

#include "../core/atomic.h"
#include "../core/protocol.h"
#include "../core/reach.h"
#include "clock.h"
#include "handle.h"
#include "inject.h"
#include "slot.h"

struct point {
    const GUID *layer;
    UCHAR handle_layer; /* enum fd_layer */
    UCHAR interface_field;
    UCHAR sub_interface_field;
    UCHAR flags_field;
    UCHAR header_size; /* inbound data begins behind the IP header; this is the least */
    ULONG flags;       /* enum fd_descriptor_flag */
};

#define INBOUND(family, size, more)                                  \
    {.layer = &FWPM_LAYER_INBOUND_IPPACKET_##family,                 \
     .handle_layer = FD_LAYER_NETWORK,                               \
     .interface_field = FD_INBOUND_IPPACKET_INTERFACE_INDEX,         \
     .sub_interface_field = FD_INBOUND_IPPACKET_SUB_INTERFACE_INDEX, \
     .flags_field = FD_INBOUND_IPPACKET_FLAGS,                       \
     .header_size = (size),                                          \
     .flags = (more)}
#define OUTBOUND(family, more)                                        \
    {.layer = &FWPM_LAYER_OUTBOUND_IPPACKET_##family,                 \
     .handle_layer = FD_LAYER_NETWORK,                                \
     .interface_field = FD_OUTBOUND_IPPACKET_INTERFACE_INDEX,         \
     .sub_interface_field = FD_OUTBOUND_IPPACKET_SUB_INTERFACE_INDEX, \
     .flags_field = FD_OUTBOUND_IPPACKET_FLAGS,                       \
     .flags = FD_FLAG_OUTBOUND | (more)}
#define FORWARD(family, more)                                             \
    {.layer = &FWPM_LAYER_IPFORWARD_##family,                             \
     .handle_layer = FD_LAYER_NETWORK_FORWARD,                            \
     .interface_field = FD_IPFORWARD_DESTINATION_INTERFACE_INDEX,         \
     .sub_interface_field = FD_IPFORWARD_DESTINATION_SUB_INTERFACE_INDEX, \
     .flags_field = FD_IPFORWARD_FLAGS,                                   \
     .flags = FD_FLAG_FORWARDED | (more)}

static const struct point points[FD_POINT_COUNT] = {
    [FD_POINT_INBOUND_V4] = INBOUND(V4, FD_IPV4_LENGTH, 0),
    [FD_POINT_INBOUND_V6] = INBOUND(V6, FD_IPV6_LENGTH, FD_FLAG_IPV6),
    [FD_POINT_OUTBOUND_V4] = OUTBOUND(V4, 0),
    [FD_POINT_OUTBOUND_V6] = OUTBOUND(V6, FD_FLAG_IPV6),
    [FD_POINT_FORWARD_V4] = FORWARD(V4, 0),
    [FD_POINT_FORWARD_V6] = FORWARD(V6, FD_FLAG_IPV6),
};

const GUID *fd_point_layer(ULONG point)
{
    return points[point].layer;
}

ULONG fd_points_of(const struct fd_program *program)
{
    ULONG set = 0;

    for (ULONG point = 0; point < FD_POINT_COUNT; point++) {
        ULONG flags = points[point].flags;
        ULONG known = FD_FLAG_OUTBOUND | FD_FLAG_IPV6;
        if ((flags & FD_FLAG_OUTBOUND) == 0)
            known |= FD_FLAG_LOOPBACK; /* seen on its way out alone */
        if (points[point].handle_layer == program->layer &&
            fd_program_may_match(program, known, flags))
            set |= 1u << point;
    }
    return set;
}

/* One call of the filter engine for one handle. */
struct capture {
    struct fd_handle *handle;
    const struct fd_program *program;
    struct fd_queue *queue;
    ULONG retreat;     /* bytes from the IP header to where a buffer begins */
    struct fd_way way; /* of the list that is looked at */
    ULONG gso_size;    /* of that list */
    LONG64 timestamp;
    struct fd_reservation reservation;
    BOOLEAN queued;   /* something is to be published */
    BOOLEAN absorbed; /* all of it is ours by now */
};

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

static void look_at_list(struct capture *capture, NET_BUFFER_LIST *list)
{
    NDIS_TCP_IP_CHECKSUM_NET_BUFFER_LIST_INFO checksums;
    NDIS_TCP_LARGE_SEND_OFFLOAD_NET_BUFFER_LIST_INFO large;
    BOOLEAN outbound = (capture->way.flags & FD_FLAG_OUTBOUND) != 0;

    checksums.Value = NET_BUFFER_LIST_INFO(list, TcpIpChecksumNetBufferListInfo);
    capture->way.flags &= ~(ULONG)CHECKSUM_FLAGS;
    capture->way.flags |= outbound ? sent_checksums(checksums) : received_checksums(checksums);
    large.Value = outbound ? NET_BUFFER_LIST_INFO(list, TcpLargeSendNetBufferListInfo) : NULL;
    capture->gso_size = large.LsoV2Transmit.MSS;
}

/* ---- one packet ---------------------------------------------------------------- */

/* Further back than its memory goes, NDIS would put a new MDL in front, in which
 * there is no header. */
static BOOLEAN begin_at_header(const struct capture *capture, PNET_BUFFER buffer)
{
    return capture->retreat == 0 ||
           (NET_BUFFER_DATA_OFFSET(buffer) >= capture->retreat &&
            NdisRetreatNetBufferDataStart(buffer, capture->retreat, 0, NULL) == 0);
}

static void begin_as_before(const struct capture *capture, PNET_BUFFER buffer)
{
    if (capture->retreat != 0)
        NdisAdvanceNetBufferDataStart(buffer, capture->retreat, FALSE, NULL);
}

static void put_back(struct capture *capture, PNET_BUFFER buffer)
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

static void describe(const struct capture *capture, const UCHAR *packet, ULONG length,
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
    if (capture->gso_size != 0 && length > capture->gso_size &&
        (parsed->headers & FD_HAS(FD_HEADER_TCP)) != 0) {
        descriptor->flags |= FD_FLAG_GSO_TCP;
        descriptor->gso_size = (USHORT)capture->gso_size;
    }
}

/* Whether the packet is not the host's any more. */
static BOOLEAN lost(struct capture *capture, enum fd_drop cause)
{
    BOOLEAN passes = fd_handle_has(capture->handle, FD_WINDOWS_OVERFLOW_PASS);

    fd_queue_drop(capture->queue, passes ? FD_DROP_PASSED_BY : cause);
    return !passes && !fd_handle_has(capture->handle, FD_WINDOWS_SNIFF);
}

static BOOLEAN queue_packet(struct capture *capture, const UCHAR *packet,
                            struct fd_descriptor *descriptor)
{
    struct fd_reservation *place = &capture->reservation;
    BOOLEAN sniffs = fd_handle_has(capture->handle, FD_WINDOWS_SNIFF);

    enum fd_drop drop = fd_queue_reserve(capture->queue, place, descriptor->captured,
                                         fd_handle_has(capture->handle, FD_WINDOWS_OVERFLOW_PASS));
    if (drop != FD_DROP_COUNT)
        return !sniffs && drop != FD_DROP_PASSED_BY;
    RtlCopyMemory(place->packet, packet, descriptor->captured);
    descriptor->offset = place->offset;
    descriptor->sequence = place->sequence;
    *place->descriptor = *descriptor;
    capture->queued = TRUE;
    return !sniffs;
}

static BOOLEAN judge_packet(struct capture *capture, const UCHAR *packet, ULONG length)
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

/* A buffer that begins with the IP header. What the filter cannot be asked
 * about is lost, and counted: it might have matched. */
static BOOLEAN judge_bytes(struct capture *capture, PNET_BUFFER buffer)
{
    ULONG length = NET_BUFFER_DATA_LENGTH(buffer);

    if (length > FD_CAPTURED_MAX)
        return lost(capture, FD_DROP_OVERSIZE);
    if (length == 0)
        return judge_packet(capture, NULL, 0);
    const UCHAR *packet = NdisGetDataBuffer(buffer, length, NULL, 1, 0);
    if (packet != NULL)
        return judge_packet(capture, packet, length);

    /* In pieces. */
    UCHAR *whole = ExAllocatePoolWithTag(NonPagedPoolNx, length, FD_TAG);
    if (whole == NULL)
        return lost(capture, FD_DROP_MEMORY);
    packet = NdisGetDataBuffer(buffer, length, whole, 1, 0);
    BOOLEAN taken =
        packet != NULL ? judge_packet(capture, packet, length) : lost(capture, FD_DROP_UNREADABLE);
    ExFreePoolWithTag(whole, FD_TAG);
    return taken;
}

static BOOLEAN judge(struct capture *capture, PNET_BUFFER buffer)
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
static void put_back_before(struct capture *capture, NET_BUFFER_LIST *lists, PNET_BUFFER taken)
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

static void judge_list(struct capture *capture, NET_BUFFER_LIST *lists, NET_BUFFER_LIST *list)
{
    enum fd_origin origin = fd_inject_origin(capture->handle, list, capture->way.flags);

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

static BOOLEAN concerns(const struct fd_handle *handle, const struct point *point, ULONG flags)
{
    BOOLEAN inbound = (point->flags & (FD_FLAG_OUTBOUND | FD_FLAG_FORWARDED)) == 0;

    if ((fd_load32((const uint32_t *)&handle->shutdown) & FD_WINDOWS_SHUTDOWN_RECV) != 0)
        return FALSE;
    if ((point->flags & FD_FLAG_FORWARDED) != 0)
        return (flags & FWP_CONDITION_FLAG_IS_FRAGMENT_GROUP) == 0; /* each has been here before */
    if (!inbound)
        return TRUE;
    if ((flags & FWP_CONDITION_FLAG_IS_LOOPBACK) != 0)
        return FALSE; /* has been outbound */
    return fd_handle_has(handle, FD_WINDOWS_FRAGMENTS)
               ? (flags & FWP_CONDITION_FLAG_IS_REASSEMBLED) == 0
               : (flags & FWP_CONDITION_FLAG_IS_FRAGMENT) == 0;
}

static ULONG header_size(const struct point *point, const FWPS_INCOMING_METADATA_VALUES0 *metadata)
{
    if (point->header_size != 0 &&
        FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_IP_HEADER_SIZE))
        return metadata->ipHeaderSize;
    return point->header_size;
}

static BOOLEAN capture_lists(struct fd_handle *handle, ULONG epoch, const struct point *point,
                             const FWPS_INCOMING_VALUES0 *values,
                             const FWPS_INCOMING_METADATA_VALUES0 *metadata, NET_BUFFER_LIST *lists)
{
    const FWPS_INCOMING_VALUE0 *value = values->incomingValue;
    ULONG flags = value[point->flags_field].value.uint32;

    if (!concerns(handle, point, flags))
        return FALSE;
    struct capture capture = {
        .handle = handle,
        .program = &handle->program[epoch],
        .queue = &handle->queues[KeGetCurrentProcessorNumberEx(NULL) % handle->queue_count],
        .retreat = header_size(point, metadata),
        .way = {.flags = point->flags,
                .ifindex = value[point->interface_field].value.uint32,
                .subifindex = value[point->sub_interface_field].value.uint32,
                .compartment =
                    FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_COMPARTMENT_ID)
                        ? (ULONG)metadata->compartmentId
                        : UNSPECIFIED_COMPARTMENT_ID},
        .timestamp = fd_clock_now(),
    };
    if ((flags & FWP_CONDITION_FLAG_IS_LOOPBACK) != 0)
        capture.way.flags |= FD_FLAG_LOOPBACK;

    for (NET_BUFFER_LIST *list = lists; list != NULL; list = NET_BUFFER_LIST_NEXT_NBL(list))
        judge_list(&capture, lists, list);
    if (capture.queued && fd_queue_publish(capture.queue, &capture.reservation) &&
        handle->doorbell != NULL)
        (void)KeSetEvent(handle->doorbell, IO_NETWORK_INCREMENT, FALSE);
    return capture.absorbed;
}

static void classify(const struct point *point, const FWPS_INCOMING_VALUES0 *values,
                     const FWPS_INCOMING_METADATA_VALUES0 *metadata, void *lists,
                     const FWPS_FILTER1 *filter, FWPS_CLASSIFY_OUT0 *out)
{
    ULONG epoch;

    /* Another filter has decided, or there is nothing to decide about. */
    if ((out->rights & FWPS_RIGHT_ACTION_WRITE) == 0 || lists == NULL)
        return;
    out->actionType = FWP_ACTION_CONTINUE;
    struct fd_handle *handle = fd_slot_enter(filter->context, &epoch);
    if (handle == NULL)
        return;
    if (capture_lists(handle, epoch, point, values, metadata, lists)) {
        out->actionType = FWP_ACTION_BLOCK;
        out->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
        out->rights &= ~(UINT32)FWPS_RIGHT_ACTION_WRITE;
    }
    fd_slot_leave(filter->context, epoch);
}

/* The filter engine has no parameter of the callout's own: a function for each. */
#define CLASSIFY(name, point)                                                                \
    static VOID NTAPI name(const FWPS_INCOMING_VALUES0 *values,                              \
                           const FWPS_INCOMING_METADATA_VALUES0 *metadata, VOID *layer_data, \
                           const VOID *classify_context, const FWPS_FILTER1 *filter,         \
                           UINT64 flow_context, FWPS_CLASSIFY_OUT0 *out)                     \
    {                                                                                        \
        UNREFERENCED_PARAMETER(classify_context);                                            \
        UNREFERENCED_PARAMETER(flow_context);                                                \
        classify(&points[point], values, metadata, layer_data, filter, out);                 \
    }

CLASSIFY(classify_inbound_v4, FD_POINT_INBOUND_V4)
CLASSIFY(classify_inbound_v6, FD_POINT_INBOUND_V6)
CLASSIFY(classify_outbound_v4, FD_POINT_OUTBOUND_V4)
CLASSIFY(classify_outbound_v6, FD_POINT_OUTBOUND_V6)
CLASSIFY(classify_forward_v4, FD_POINT_FORWARD_V4)
CLASSIFY(classify_forward_v6, FD_POINT_FORWARD_V6)

FWPS_CALLOUT_CLASSIFY_FN1 fd_classify_function(ULONG point)
{
    static const FWPS_CALLOUT_CLASSIFY_FN1 functions[FD_POINT_COUNT] = {
        [FD_POINT_INBOUND_V4] = classify_inbound_v4,
        [FD_POINT_INBOUND_V6] = classify_inbound_v6,
        [FD_POINT_OUTBOUND_V4] = classify_outbound_v4,
        [FD_POINT_OUTBOUND_V6] = classify_outbound_v6,
        [FD_POINT_FORWARD_V4] = classify_forward_v4,
        [FD_POINT_FORWARD_V6] = classify_forward_v6,
    };

    return functions[point];
}
