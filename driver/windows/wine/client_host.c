/* SPDX-License-Identifier: MIT */
#include "client_host.h"

#include <string.h>

struct fd_wire_request host_request;
struct fd_wire_reply host_reply;
static HANDLE pipe = INVALID_HANDLE_VALUE;

int host_connect(void)
{
    DWORD mode = PIPE_READMODE_MESSAGE;

    /* The client before may still be there: one at a time. */
    for (int tries = 0; tries < 500 && pipe == INVALID_HANDLE_VALUE; tries++) {
        pipe = CreateFileA(FD_WIRE_PIPE, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0,
                           NULL);
        if (pipe == INVALID_HANDLE_VALUE)
            Sleep(10);
    }
    return pipe != INVALID_HANDLE_VALUE && SetNamedPipeHandleState(pipe, &mode, NULL, NULL) ? 0
                                                                                            : -1;
}

void host_disconnect(void)
{
    CloseHandle(pipe);
    pipe = INVALID_HANDLE_VALUE;
}

static uint32_t ask(enum fd_wire_operation operation)
{
    DWORD count = 0;

    host_request.operation = operation;
    memset(&host_reply, 0, sizeof(host_reply));
    if (!WriteFile(pipe, &host_request, FD_WIRE_REQUEST_HEAD + host_request.length, &count, NULL) ||
        !ReadFile(pipe, &host_reply, sizeof(host_reply), &count, NULL))
        memset(&host_reply, 0xff, FD_WIRE_REPLY_HEAD);
    return host_reply.result;
}

void host_make_datagram(uint8_t *packet, uint32_t length, uint32_t number)
{
    const uint32_t udp = length - 20;
    uint32_t sum = 0;

    memset(packet, 0, length);
    packet[0] = 0x45;
    packet[2] = (uint8_t)(length >> 8);
    packet[3] = (uint8_t)length;
    packet[8] = 64;
    packet[9] = 17;
    packet[12] = packet[16] = 10;
    packet[15] = 1;
    packet[19] = 2;
    for (uint32_t i = 0; i < 20; i += 2)
        sum += (uint32_t)packet[i] << 8 | packet[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    packet[10] = (uint8_t)(~sum >> 8);
    packet[11] = (uint8_t)~sum;
    packet[21] = packet[23] = 53;
    packet[24] = (uint8_t)(udp >> 8);
    packet[25] = (uint8_t)udp;
    for (uint32_t i = 28; i < length; i++)
        packet[i] = (uint8_t)(i * 7 + number);
}

enum fd_wire_fate host_offer(enum fd_wire_layer layer, uint32_t length, uint32_t number)
{
    host_request.layer = layer;
    host_request.length = length;
    host_make_datagram(host_request.data, length, number);
    return (enum fd_wire_fate)ask(FD_WIRE_OFFER);
}

int host_take(uint32_t patience)
{
    host_request = (struct fd_wire_request){.patience = patience};
    return ask(FD_WIRE_TAKE) == 1;
}

struct fd_wire_state host_state(void)
{
    struct fd_wire_state state;

    host_request = (struct fd_wire_request){0};
    (void)ask(FD_WIRE_STATE);
    memcpy(&state, host_reply.data, sizeof(state));
    return state;
}
