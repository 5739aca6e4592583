/* SPDX-License-Identifier: MIT */
#include "standin.h"

#include <stdlib.h>

static HANDLE pipe, thread, ending;
static struct fd_wire_request request;
static struct fd_wire_reply reply;

/* Waits for an operation on the pipe that was begun; FALSE: it failed, or the
 * driver is unloaded. */
static BOOLEAN await(OVERLAPPED *operation, BOOL done, DWORD *count)
{
    HANDLE either[] = {operation->hEvent, ending};

    if (!done && GetLastError() != ERROR_IO_PENDING)
        return GetLastError() == ERROR_PIPE_CONNECTED;
    if (!done && WaitForMultipleObjects(2, either, FALSE, INFINITE) != WAIT_OBJECT_0) {
        (void)CancelIo(pipe);
        (void)GetOverlappedResult(pipe, operation, count, TRUE);
        return FALSE;
    }
    return GetOverlappedResult(pipe, operation, count, TRUE) != FALSE;
}

static BOOLEAN is_sound(DWORD size)
{
    return size >= FD_WIRE_REQUEST_HEAD && request.length <= FD_WIRE_PACKET_MOST &&
           size == FD_WIRE_REQUEST_HEAD + request.length && request.layer < FD_WIRE_LAYER_COUNT &&
           request.lists <= 256 && request.buffers <= 256;
}

static void offer(void)
{
    reply.result = fd_engine_offer(&request, NULL, NULL);
    if (reply.result == FD_WIRE_PASSED)
        fd_injection_deliver(&request, FALSE);
}

static void describe(void)
{
    struct fd_wire_state state = {0};

    fd_engine_describe(&state);
    fd_injection_describe(&state);
    state.regions = (uint32_t)fd_kernel_regions();
    memcpy(reply.data, &state, sizeof(state));
    reply.length = sizeof(state);
}

static void answer(void)
{
    memset(&reply, 0, FD_WIRE_REPLY_HEAD);
    if (request.operation == FD_WIRE_OFFER && request.length >= 1)
        offer();
    else if (request.operation == FD_WIRE_TAKE)
        reply.result = fd_injection_take(&reply, request.patience);
    else
        describe();
}

static void serve_client(OVERLAPPED *operation)
{
    DWORD count;

    for (;;) {
        if (!await(operation, ReadFile(pipe, &request, sizeof(request), NULL, operation), &count) ||
            !is_sound(count))
            return;
        answer();
        if (!await(operation,
                   WriteFile(pipe, &reply, FD_WIRE_REPLY_HEAD + reply.length, NULL, operation),
                   &count))
            return;
    }
}

static DWORD WINAPI serve(void *unused)
{
    OVERLAPPED operation = {.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL)};
    DWORD count;

    (void)unused;
    while (WaitForSingleObject(ending, 0) != WAIT_OBJECT_0) {
        if (await(&operation, ConnectNamedPipe(pipe, &operation), &count))
            serve_client(&operation);
        (void)DisconnectNamedPipe(pipe);
    }
    CloseHandle(operation.hEvent);
    return 0;
}

void fd_wire_begin(void)
{
    ending = CreateEventW(NULL, TRUE, FALSE, NULL);
    pipe = CreateNamedPipeA(FD_WIRE_PIPE, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED,
                            PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE, 1, sizeof(reply),
                            sizeof(request), 0, NULL);
    thread = CreateThread(NULL, 0, serve, NULL, 0, NULL);
}

void fd_wire_end(void)
{
    SetEvent(ending);
    (void)WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
    CloseHandle(pipe);
    CloseHandle(ending);
}
