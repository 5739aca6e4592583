/* SPDX-License-Identifier: MIT */
/* What the filter engine calls: where its layers are, and which of its calls
 * concern a handle. */
#include "classify.h"

#include "../core/atomic.h"
#include "../core/protocol.h"
#include "../core/reach.h"
#include "capture.h"
#include "clock.h"
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
    struct fd_capture capture = {
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

    fd_capture_lists(&capture, lists);
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
