/* SPDX-License-Identifier: MIT */
/*
 * The IOCTL surface: a process sends sequences of IOCTLs, arbitrary or valid
 * with some bytes changed, on several handles in any state, with output buffers
 * of any size, while packets pass, calls fail and handles are closed.
 */
#include "session.h"

#define HANDLES 3u
#define MOST_INPUT 9000u

static HANDLE files[HANDLES];
static uint8_t *regions[4];
static HANDLE doorbell;

static HANDLE file_of(struct input *input)
{
    unsigned which = take8(input) % HANDLES;
    if (files[which] == NULL)
        (void)sim_open(DEVICE_PATH, SIM_SYSTEM, &files[which]);
    return files[which];
}

/* Valid for a start; the fuzzer changes bytes of it afterwards. */
static uint32_t build_open(struct input *input, uint8_t *to)
{
    uint32_t length = 1 + take8(input) % 4;
    struct fd_program program = {.length = length, .layer = take8(input) % 2};
    struct fd_windows_open open = {
        .size = (uint32_t)(sizeof(open) + size_of(length)),
        .layer = program.layer,
        .flags = take8(input),
        .priority = (int16_t)take16(input),
        .queue_length = FD_QUEUE_LENGTH_MIN + take8(input),
        .queue_time = FD_QUEUE_TIME_DEFAULT,
        .queue_size = FD_QUEUE_SIZE_MIN + take16(input),
        .program_size = (uint32_t)size_of(length),
    };
    for (uint32_t i = 0; i < length; i++) {
        program.test[i] =
            test_of(take8(input) % FD_FIELD_COUNT,
                    (enum fd_operator)(take8(input) % FD_OPERATOR_COUNT), take8(input));
        if (i + 1 < length && take8(input) & 1)
            program.test[i].failure = (uint16_t)(i + 1);
    }
    memcpy(to, &open, sizeof(open));
    memcpy(to + sizeof(open), &program, size_of(length));
    return open.size;
}

static uint32_t build_register(struct input *input, uint8_t *to)
{
    uint8_t shape = take8(input);
    uint32_t count = (shape & 1) + (shape >> 1 & 1);
    struct fd_windows_register head = {
        .size = (uint32_t)(sizeof(head) + count * sizeof(struct fd_windows_queue)),
        .receive_count = shape & 1,
        .send_count = shape >> 1 & 1,
        .doorbell = shape & 4 ? (uintptr_t)doorbell : 0,
    };
    memcpy(to, &head, sizeof(head));
    for (uint32_t i = 0; i < count; i++) {
        struct fd_windows_queue queue = {
            .descriptors = (uintptr_t)regions[i * 2],
            .bytes = (uintptr_t)regions[i * 2 + 1],
            .byte_size = FD_BYTES_MIN,
            .descriptor_count = FD_DESCRIPTORS_MIN,
        };
        memcpy(to + sizeof(head) + i * sizeof(queue), &queue, sizeof(queue));
    }
    return head.size;
}

static uint32_t build(struct input *input, uint32_t code, uint8_t *to)
{
    switch (code) {
    case FD_IOCTL_OPEN:
        return build_open(input, to);
    case FD_IOCTL_REGISTER:
        return build_register(input, to);
    case FD_IOCTL_SET_FILTER: {
        struct fd_program program = everything(take8(input) % 2);
        struct fd_windows_set_filter head = {(uint32_t)(sizeof(head) + size_of(1)),
                                             (uint32_t)size_of(1)};
        memcpy(to, &head, sizeof(head));
        memcpy(to + sizeof(head), &program, size_of(1));
        return head.size;
    }
    case FD_IOCTL_GET_PARAM:
    case FD_IOCTL_SET_PARAM: {
        struct fd_windows_parameter parameter = {sizeof(parameter), take8(input) % 6,
                                                 take16(input)};
        memcpy(to, &parameter, sizeof(parameter));
        return sizeof(parameter);
    }
    default: {
        struct fd_windows_request request = {sizeof(request), take8(input) % 4};
        memcpy(to, &request, sizeof(request));
        return sizeof(request);
    }
    }
}

static void control(struct input *input)
{
    static uint8_t buffer[MOST_INPUT], output[MOST_INPUT];
    uint32_t code = FD_WINDOWS_CONTROL(0x900u + take8(input) % 11);
    uint32_t size = build(input, code, buffer);
    uint8_t spoil = take8(input);

    if (spoil & 1) { /* some bytes of it */
        for (unsigned n = spoil >> 4; n != 0; n--) {
            uint16_t at = take16(input);
            buffer[at % size] = take8(input);
        }
    } else if ((spoil & 6) == 6) { /* its length */
        size = take16(input) % MOST_INPUT;
    } else if ((spoil & 10) == 10) { /* all of it */
        take_bytes(input, buffer, size);
    }
    uint8_t *exact = exact_copy(buffer, size);
    (void)sim_ioctl(file_of(input), code, exact, size, output,
                    take8(input) & 1 ? MOST_INPUT : take16(input) % MOST_INPUT, NULL);
    free(exact);
}

static void traffic(struct input *input)
{
    uint8_t bytes[64];
    struct sim_traffic how = take_traffic(input);
    take_bytes(input, bytes, sizeof(bytes));
    bytes[0] = (uint8_t)((how.ipv6 ? 0x60 : 0x45) | (bytes[0] & 0x0a));
    (void)sim_packet(&how, bytes, sizeof(bytes));
}

static void close_one(struct input *input)
{
    unsigned which = take8(input) % HANDLES;
    if (files[which] != NULL)
        (void)sim_handle_close(files[which]);
    files[which] = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    long blocks = session_begin();

    memset(files, 0, sizeof(files));
    for (unsigned i = 0; i < 4; i++)
        regions[i] = sim_user_allocate(i % 2 ? fd_ring_byte_region_size(FD_BYTES_MIN)
                                             : fd_ring_descriptor_region_size(FD_DESCRIPTORS_MIN));
    doorbell = sim_event_create(SynchronizationEvent, EVENT_MODIFY_STATE);
    sim_completion_set(take8(&input) & 1 ? SIM_DEFERRED : SIM_INLINE);
    while (input.left != 0) {
        switch (take8(&input) % 8) {
        case 0:
            traffic(&input);
            break;
        case 1:
            close_one(&input);
            break;
        case 2:
            sim_fail_after(take8(&input) % 32);
            break;
        case 3:
            sim_set_processor(take8(&input));
            (void)sim_complete(take8(&input));
            break;
        default:
            control(&input);
            break;
        }
    }
    session_end(blocks);
    return 0;
}
