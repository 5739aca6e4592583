/* SPDX-License-Identifier: MIT */
#include "engine.h"

#include "classify.h"
#include "handle.h"
#include "mutex.h"

#define NAME L"fastdivert"

/* The last byte counts. The first words hold the interface's major, so that two
 * versions of the driver do not meet. */
#define KEY(number)                                            \
    {                                                          \
        0x5b1f7c30u + FD_WINDOWS_MAJOR, 0x64e2, 0x4d0f,        \
        {                                                      \
            0x9a, 0x41, 0xfd, 0x1e, 0x27, 0x60, 0x83, (number) \
        }                                                      \
    }

static const GUID sublayer_key = KEY(0xff);
static const GUID callout_key[FD_POINT_COUNT] = {KEY(0), KEY(1), KEY(2), KEY(3), KEY(4), KEY(5)};

static UINT32 callout_id[FD_POINT_COUNT];

static struct {
    struct fd_mutex mutex;
    HANDLE session;
    ULONG users;
} shared;

static NTSTATUS NTAPI notify(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID *key, FWPS_FILTER1 *filter)
{
    UNREFERENCED_PARAMETER(type);
    UNREFERENCED_PARAMETER(key);
    UNREFERENCED_PARAMETER(filter);
    return STATUS_SUCCESS;
}

NTSTATUS fd_engine_register(PDEVICE_OBJECT device)
{
    fd_mutex_initialise(&shared.mutex);
    shared.session = NULL;
    shared.users = 0;
    RtlZeroMemory(callout_id, sizeof(callout_id));
    for (ULONG point = 0; point < FD_POINT_COUNT; point++) {
        /* Without FWP_CALLOUT_FLAG_ALLOW_OFFLOAD: so the stack gives us no
         * segments that only a network card could cut up. */
        FWPS_CALLOUT1 callout = {
            .calloutKey = callout_key[point],
            .classifyFn = fd_classify_function(point),
            .notifyFn = notify,
        };
        NTSTATUS status = FwpsCalloutRegister1(device, &callout, &callout_id[point]);
        if (!NT_SUCCESS(status)) {
            fd_engine_unregister();
            return status;
        }
    }
    return STATUS_SUCCESS;
}

void fd_engine_unregister(void)
{
    for (ULONG point = 0; point < FD_POINT_COUNT; point++) {
        /* Only flow contexts could make it busy, and we have none. */
        if (callout_id[point] != 0)
            (void)FwpsCalloutUnregisterById0(callout_id[point]);
        callout_id[point] = 0;
    }
}

static NTSTATUS open_session(HANDLE *session)
{
    FWPM_SESSION0 options = {.displayData = {.name = NAME}, .flags = FWPM_SESSION_FLAG_DYNAMIC};

    NTSTATUS status = FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, &options, session);
    if (!NT_SUCCESS(status))
        *session = NULL;
    return status;
}

static NTSTATUS add_callout(HANDLE session, ULONG point)
{
    FWPM_CALLOUT0 callout = {
        .calloutKey = callout_key[point],
        .displayData = {.name = NAME},
        .applicableLayer = *fd_point_layer(point),
    };

    return FwpmCalloutAdd0(session, &callout, NULL, NULL);
}

/* What a transaction adds: for all handles, or for one at these points. */
struct addition {
    const struct fd_handle *handle;
    ULONG points;
};

static NTSTATUS add_shared(HANDLE session, const struct addition *what)
{
    FWPM_SUBLAYER0 sublayer = {
        .subLayerKey = sublayer_key,
        .displayData = {.name = NAME},
        .weight = 0xffff,
    };

    UNREFERENCED_PARAMETER(what);
    NTSTATUS status = FwpmSubLayerAdd0(session, &sublayer, NULL);
    for (ULONG point = 0; NT_SUCCESS(status) && point < FD_POINT_COUNT; point++)
        status = add_callout(session, point);
    return status;
}

static NTSTATUS add_filter(HANDLE session, const struct fd_handle *handle, ULONG point)
{
    UINT64 weight = handle->order;
    FWPM_FILTER0 filter = {
        .displayData = {.name = NAME},
        .layerKey = *fd_point_layer(point),
        .subLayerKey = sublayer_key,
        .weight = {.type = FWP_UINT64, .uint64 = &weight},
        .action = {.type = FWP_ACTION_CALLOUT_UNKNOWN, .calloutKey = callout_key[point]},
        .rawContext = handle->key,
    };

    return FwpmFilterAdd0(session, &filter, NULL, NULL);
}

static NTSTATUS add_filters(HANDLE session, const struct addition *what)
{
    NTSTATUS status = STATUS_SUCCESS;

    for (ULONG point = 0; NT_SUCCESS(status) && point < FD_POINT_COUNT; point++)
        if ((what->points >> point & 1) != 0)
            status = add_filter(session, what->handle, point);
    return status;
}

/* All of what add puts there, or nothing. */
static NTSTATUS transact(HANDLE session, NTSTATUS (*add)(HANDLE, const struct addition *),
                         const struct addition *what)
{
    NTSTATUS status = FwpmTransactionBegin0(session, 0);

    if (!NT_SUCCESS(status))
        return status;
    status = add(session, what);
    if (NT_SUCCESS(status))
        status = FwpmTransactionCommit0(session);
    /* Also if the commit failed: the session is to be used again. */
    if (!NT_SUCCESS(status))
        (void)FwpmTransactionAbort0(session);
    return status;
}

static NTSTATUS enter_shared(void)
{
    NTSTATUS status = STATUS_SUCCESS;

    fd_mutex_take(&shared.mutex);
    if (shared.users == 0) {
        status = open_session(&shared.session);
        if (NT_SUCCESS(status))
            status = transact(shared.session, add_shared, NULL);
        if (!NT_SUCCESS(status) && shared.session != NULL) {
            (void)FwpmEngineClose0(shared.session);
            shared.session = NULL;
        }
    }
    if (NT_SUCCESS(status))
        shared.users++;
    fd_mutex_give(&shared.mutex);
    return status;
}

static void leave_shared(void)
{
    fd_mutex_take(&shared.mutex);
    if (--shared.users == 0) {
        (void)FwpmEngineClose0(shared.session);
        shared.session = NULL;
    }
    fd_mutex_give(&shared.mutex);
}

NTSTATUS fd_engine_follow(struct fd_handle *handle, const struct fd_program *program)
{
    const struct addition more = {
        .handle = handle,
        .points = fd_points_of(program) & ~handle->points,
    };

    if (handle->engine == NULL || more.points == 0)
        return STATUS_SUCCESS;
    NTSTATUS status = transact(handle->engine, add_filters, &more);
    if (NT_SUCCESS(status))
        handle->points |= more.points;
    return status;
}

NTSTATUS fd_engine_start(struct fd_handle *handle, const struct fd_program *program)
{
    NTSTATUS status = enter_shared();

    if (!NT_SUCCESS(status))
        return status;
    status = open_session(&handle->engine);
    if (!NT_SUCCESS(status)) {
        leave_shared();
        return status;
    }
    handle->points = 0;
    status = fd_engine_follow(handle, program);
    if (!NT_SUCCESS(status))
        fd_engine_stop(handle);
    return status;
}

void fd_engine_stop(struct fd_handle *handle)
{
    if (handle->engine == NULL)
        return;
    (void)FwpmEngineClose0(handle->engine);
    handle->engine = NULL;
    leave_shared();
}
