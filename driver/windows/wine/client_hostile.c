/* SPDX-License-Identifier: MIT */
/* A process that may open the device, and means harm: requests that lie, and
 * rings that it writes into as it likes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include "../interface.h"
#include "../user/section.h"
#include "client_host.h"
#include "core/ring.h"
#include "programs.h"

/* Counted in client.c. */
void check_that(int condition, const char *text, int line);
#define CHECK_THAT(condition) check_that((condition), #condition, __LINE__)

static HANDLE device;

static HANDLE open_device(void)
{
    return CreateFileA("\\\\.\\" FD_WINDOWS_NAME, GENERIC_READ | GENERIC_WRITE, 0, NULL,
                       OPEN_EXISTING, 0, NULL);
}

/* The error, or 0. */
static DWORD control(DWORD code, const void *input, DWORD input_size, void *output,
                     DWORD output_size)
{
    DWORD count;

    return DeviceIoControl(device, code, (void *)input, input_size, output, output_size, &count,
                           NULL)
               ? 0
               : GetLastError();
}

static DWORD open_handle(void)
{
    struct {
        struct fd_windows_open open;
        uint32_t length, layer;
        struct fd_filter_test test;
    } request = {
        .open = {.size = sizeof(request),
                 .queue_length = 256,
                 .queue_time = 1000,
                 .queue_size = 1 << 20,
                 .program_size = (uint32_t)size_of(1)},
        .length = 1,
        .test = test_of(FD_FIELD_UDP, FD_OPERATOR_EQ, 1),
    };

    return control(FD_IOCTL_OPEN, &request, sizeof(request), NULL, 0);
}

struct registration {
    struct fd_windows_register head;
    struct fd_windows_queue queues[2];
};

static DWORD register_queues(const struct registration *asked)
{
    return control(FD_IOCTL_REGISTER, asked, sizeof(*asked), NULL, 0);
}

static struct registration registration_of(const struct fd_memory *memory)
{
    return (struct registration){
        .head = {.size = sizeof(struct registration), .receive_count = 1, .send_count = 1},
        .queues = {memory->queues[0], memory->queues[1]},
    };
}

/* Every request, in every length up to its own and a little more, of noise. */
static void try_noise(void)
{
    static uint8_t noise[4096], output[4096];
    uint64_t state = 0x5b1f7c30;

    for (uint32_t function = 0x8fe; function < 0x90c; function++)
        for (uint32_t size = 0; size < 200; size += 4) {
            for (uint32_t i = 0; i < size; i++)
                noise[i] = (uint8_t)((state = state * 6364136223846793005u + 1) >> 33);
            memcpy(noise, &size, 4); /* else all of it ends at the first check */
            (void)control(FD_WINDOWS_CONTROL(function), noise, size, output, size * 4);
        }
}

void check_hostile_requests(void)
{
    struct fd_memory memory;
    struct registration asked;

    device = open_device();
    CHECK_THAT(device != INVALID_HANDLE_VALUE);
    try_noise();
    CloseHandle(device);
    device = open_device();
    CHECK_THAT(open_handle() == 0);
    CHECK_THAT(fd_memory_create(&memory, 1, 512, 1 << 20, 1) == 0);

    asked = registration_of(&memory);
    asked.head.size--;
    CHECK_THAT(register_queues(&asked) == ERROR_BAD_LENGTH);
    asked = registration_of(&memory);
    asked.queues[0].descriptors += 64;
    CHECK_THAT(register_queues(&asked) == ERROR_NOACCESS);
    asked = registration_of(&memory);
    asked.queues[1].bytes = 0x7ffe0000 & ~0xfffull;
    CHECK_THAT(register_queues(&asked) == ERROR_INVALID_USER_BUFFER);
    asked = registration_of(&memory);
    asked.queues[0].bytes = 0xffff800000000000ull; /* the kernel's */
    CHECK_THAT(register_queues(&asked) == ERROR_INVALID_USER_BUFFER);
    asked = registration_of(&memory);
    asked.queues[0].descriptor_count = 500;
    CHECK_THAT(register_queues(&asked) == ERROR_INVALID_PARAMETER);
    asked = registration_of(&memory);
    asked.head.receive_count = 64;
    CHECK_THAT(register_queues(&asked) == ERROR_BAD_LENGTH);
    asked = registration_of(&memory);
    asked.head.doorbell = 0x7777774;
    CHECK_THAT(register_queues(&asked) == ERROR_INVALID_HANDLE);
    asked = registration_of(&memory);
    asked.head.doorbell = (uint64_t)(uintptr_t)memory.section; /* no event */
    CHECK_THAT(register_queues(&asked) == ERROR_INVALID_HANDLE);

    asked = registration_of(&memory);
    CHECK_THAT(register_queues(&asked) == 0);
    CHECK_THAT(register_queues(&asked) == ERROR_BAD_COMMAND); /* not twice */
    CloseHandle(device);
    fd_memory_free(&memory);
}

static struct fd_ring_header *header_of(const struct fd_memory *memory, uint32_t queue)
{
    return (struct fd_ring_header *)(uintptr_t)memory->queues[queue].descriptors;
}

static DWORD flush(struct fd_windows_flushed *flushed)
{
    static struct {
        struct fd_windows_flushed head;
        int32_t statuses[64];
    } output;
    struct fd_windows_request request = {.size = sizeof(request)};

    DWORD code = control(FD_IOCTL_FLUSH, &request, sizeof(request), &output, sizeof(output));
    *flushed = output.head;
    return code;
}

/* Positions and descriptors that are impossible, and all of a header rewritten. */
void check_hostile_rings(void)
{
    struct fd_windows_request request = {.size = sizeof(request)};
    struct fd_windows_flushed flushed;
    struct fd_memory memory;
    struct registration asked;

    device = open_device();
    CHECK_THAT(open_handle() == 0);
    CHECK_THAT(fd_memory_create(&memory, 1, 512, 1 << 20, 1) == 0);
    asked = registration_of(&memory);
    CHECK_THAT(register_queues(&asked) == 0);
    CHECK_THAT(control(FD_IOCTL_STARTUP, &request, sizeof(request), NULL, 0) == 0);

    /* The consumer claims to have given back what it was never given. */
    header_of(&memory, 0)->descriptor_tail = 0x12345;
    header_of(&memory, 0)->byte_tail = 0x4141414141414141ull;
    header_of(&memory, 0)->queue_length = 0xffffffff;
    host_request = (struct fd_wire_request){.lists = 100};
    CHECK_THAT(host_offer(FD_WIRE_OUTBOUND_V4, 1400, 1) == FD_WIRE_TAKEN);
    memset(header_of(&memory, 0), 0xee, sizeof(struct fd_ring_header));
    CHECK_THAT(host_offer(FD_WIRE_OUTBOUND_V4, 1400, 1) == FD_WIRE_TAKEN);

    /* The producer claims a million records; then one whose descriptor lies. */
    struct fd_ring_header *send = header_of(&memory, 1);
    struct fd_descriptor *descriptor = (struct fd_descriptor *)(send + 1);
    send->descriptor_head = 1000000;
    CHECK_THAT(flush(&flushed) == 0 && flushed.consumed == 0 && flushed.fault != 0);
    descriptor->captured = 0xfffffff0;
    send->descriptor_head = 1;
    send->byte_head = 64;
    CHECK_THAT(flush(&flushed) == 0 && flushed.consumed == 0 && flushed.fault != 0);
    CloseHandle(device);
    while (host_take(100)) /* what it had not received */
        continue;
    fd_memory_free(&memory);
}
