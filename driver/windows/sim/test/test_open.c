/* SPDX-License-Identifier: MIT */
/* OPEN and SET_FILTER: every field wrong in turn, and every length. */
#include "patches.h"

struct input {
    struct fd_windows_open head;
    uint8_t program[8 + 32 * 3];
};

static struct input valid_open(void)
{
    struct input input = {
        .head =
            {
                .size = sizeof(input),
                .queue_length = FD_QUEUE_LENGTH_DEFAULT,
                .queue_time = FD_QUEUE_TIME_DEFAULT,
                .queue_size = FD_QUEUE_SIZE_DEFAULT,
                .program_size = sizeof(input.program),
            },
    };
    struct fd_program program = chain(3);
    memcpy(input.program, &program, sizeof(input.program));
    return input;
}

#define OPEN(field, value, expected) PATCH(struct fd_windows_open, field, value, expected)
#define PROGRAM(text, offset, width, value)                                 \
    PATCH_AT(text, sizeof(struct fd_windows_open) + (offset), width, value, \
             STATUS_INVALID_IMAGE_FORMAT)
#define TEST(n, field, value)                                      \
    PROGRAM("test " #n " " #field " = " #value,                    \
            8 + 32 * (n) + offsetof(struct fd_filter_test, field), \
            sizeof(((struct fd_filter_test *)0)->field), value)

static const struct patch open_patches[] = {
    OPEN(size, 0, STATUS_INFO_LENGTH_MISMATCH),
    OPEN(size, sizeof(struct input) - 1, STATUS_INFO_LENGTH_MISMATCH),
    OPEN(size, sizeof(struct input) + 1, STATUS_INFO_LENGTH_MISMATCH),
    OPEN(size, 0xffffffff, STATUS_INFO_LENGTH_MISMATCH),
    OPEN(layer, FD_LAYER_FLOW, STATUS_NOT_SUPPORTED),
    OPEN(layer, FD_LAYER_SOCKET, STATUS_NOT_SUPPORTED),
    OPEN(layer, FD_LAYER_REFLECT, STATUS_NOT_SUPPORTED),
    OPEN(layer, FD_LAYER_COUNT, STATUS_INVALID_PARAMETER),
    OPEN(layer, 0xffffffff, STATUS_INVALID_PARAMETER),
    OPEN(flags, 0x10, STATUS_INVALID_PARAMETER),
    OPEN(flags, 0x40, STATUS_INVALID_PARAMETER),
    OPEN(flags, 0x80000000, STATUS_INVALID_PARAMETER),
    OPEN(flags, FD_WINDOWS_SNIFF | FD_WINDOWS_DROP, STATUS_INVALID_PARAMETER),
    OPEN(flags, FD_WINDOWS_RECV_ONLY | FD_WINDOWS_SEND_ONLY, STATUS_INVALID_PARAMETER),
    OPEN(priority, FD_WINDOWS_PRIORITY_MAX + 1, STATUS_INVALID_PARAMETER),
    OPEN(priority, -FD_WINDOWS_PRIORITY_MAX - 1, STATUS_INVALID_PARAMETER),
    OPEN(priority, 0x80000000, STATUS_INVALID_PARAMETER),
    OPEN(queue_length, 0, STATUS_INVALID_PARAMETER),
    OPEN(queue_length, FD_QUEUE_LENGTH_MIN - 1, STATUS_INVALID_PARAMETER),
    OPEN(queue_length, FD_QUEUE_LENGTH_MAX + 1, STATUS_INVALID_PARAMETER),
    OPEN(queue_time, FD_QUEUE_TIME_MIN - 1, STATUS_INVALID_PARAMETER),
    OPEN(queue_time, FD_QUEUE_TIME_MAX + 1, STATUS_INVALID_PARAMETER),
    OPEN(queue_size, FD_QUEUE_SIZE_MIN - 1, STATUS_INVALID_PARAMETER),
    OPEN(queue_size, FD_QUEUE_SIZE_MAX + 1, STATUS_INVALID_PARAMETER),
    OPEN(queue_size, UINT64_MAX, STATUS_INVALID_PARAMETER),
    OPEN(program_size, 0, STATUS_INFO_LENGTH_MISMATCH),
    OPEN(program_size, 8 + 32 * 3 - 1, STATUS_INFO_LENGTH_MISMATCH),
    OPEN(program_size, 8 + 32 * 3 + 1, STATUS_INFO_LENGTH_MISMATCH),
    OPEN(program_size, 0xffffffff, STATUS_INFO_LENGTH_MISMATCH),
    OPEN(reserved, 1, STATUS_INVALID_PARAMETER),
    PROGRAM("program.length = 0", 0, 4, 0),
    PROGRAM("program.length = 4", 0, 4, 4),
    PROGRAM("program.length = 257", 0, 4, 257),
    PROGRAM("program.layer = 5", 4, 4, 5),
    TEST(0, field, FD_FIELD_COUNT),
    TEST(0, field, FD_FIELD_PROCESSID),
    TEST(1, op, FD_OPERATOR_COUNT),
    TEST(1, success, 1),
    TEST(1, success, 3),
    TEST(2, failure, 0),
    TEST(2, index, 1),
    TEST(0, negative, 2),
    TEST(2, reserved, 1),
};

static void each_field_of_open_is_checked(void)
{
    struct input input = valid_open();
    HANDLE file;

    world_begin();
    CHECK_EQ(sim_open(DEVICE_PATH, SIM_SYSTEM, &file), STATUS_SUCCESS);
    check_patches(file, FD_IOCTL_OPEN, &input, sizeof(input), open_patches,
                  sizeof(open_patches) / sizeof(open_patches[0]));
    check_lengths(file, FD_IOCTL_OPEN, &input, sizeof(input));
    CHECK_EQ(state_of(file), FD_WINDOWS_CREATED);
    CHECK_EQ(sim_ioctl(file, FD_IOCTL_OPEN, &input, sizeof(input), NULL, 0, NULL), STATUS_SUCCESS);
    CHECK_EQ(sim_ioctl(file, FD_IOCTL_OPEN, &input, sizeof(input), NULL, 0, NULL),
             STATUS_INVALID_DEVICE_STATE);
    sim_handle_close(file);
    world_end();
}

static void the_program_is_of_the_handles_layer(void)
{
    struct fd_program program = everything(FD_LAYER_NETWORK);
    struct user_handle handle;

    world_begin();
    CHECK_EQ(handle_create(&handle, &(struct options){.layer = FD_LAYER_NETWORK_FORWARD,
                                                      .program = &program}),
             STATUS_SUCCESS);
    CHECK(!NT_SUCCESS(handle_configure(&handle)));
    handle.options.program = NULL;
    CHECK_EQ(handle_configure(&handle), STATUS_SUCCESS);
    CHECK(!NT_SUCCESS(set_filter(&handle, &program)));
    program = nothing(FD_LAYER_NETWORK_FORWARD);
    CHECK_EQ(set_filter(&handle, &program), STATUS_SUCCESS);
    handle_close(&handle);
    world_end();
}

static void a_program_of_the_greatest_length_is_taken(void)
{
    struct fd_program program = chain(FD_PROGRAM_TESTS_MAX);
    struct user_handle handle;

    world_begin();
    CHECK_EQ(handle_create(&handle, &(struct options){.program = &program}), STATUS_SUCCESS);
    CHECK_EQ(handle_configure(&handle), STATUS_SUCCESS);
    CHECK_EQ(set_filter(&handle, &program), STATUS_SUCCESS);
    handle_close(&handle);
    world_end();
}

static void each_field_of_set_filter_is_checked(void)
{
    struct {
        struct fd_windows_set_filter head;
        uint8_t program[8 + 32 * 3];
    } input = {.head = {sizeof(input), sizeof(input.program)}};
    struct fd_program program = chain(3);
    struct user_handle handle;

    memcpy(input.program, &program, sizeof(input.program));
#define FILTER(field, value, expected) PATCH(struct fd_windows_set_filter, field, value, expected)
    const struct patch patches[] = {
        FILTER(size, 0, STATUS_INFO_LENGTH_MISMATCH),
        FILTER(size, sizeof(input) + 1, STATUS_INFO_LENGTH_MISMATCH),
        FILTER(program_size, 0, STATUS_INFO_LENGTH_MISMATCH),
        FILTER(program_size, sizeof(input.program) + 1, STATUS_INFO_LENGTH_MISMATCH),
        FILTER(program_size, 0xffffffff, STATUS_INFO_LENGTH_MISMATCH),
        PATCH_AT("length = 4", 8, 4, 4, STATUS_INVALID_IMAGE_FORMAT),
        PATCH_AT("field = COUNT", 16, 2, FD_FIELD_COUNT, STATUS_INVALID_IMAGE_FORMAT),
    };
    world_begin();
    CHECK_EQ(handle_create(&handle, &(struct options){0}), STATUS_SUCCESS);
    CHECK_EQ(sim_ioctl(handle.file, FD_IOCTL_SET_FILTER, &input, sizeof(input), NULL, 0, NULL),
             STATUS_INVALID_DEVICE_STATE);
    CHECK_EQ(handle_configure(&handle), STATUS_SUCCESS);
    check_patches(handle.file, FD_IOCTL_SET_FILTER, &input, sizeof(input), patches,
                  sizeof(patches) / sizeof(patches[0]));
    check_lengths(handle.file, FD_IOCTL_SET_FILTER, &input, sizeof(input));
    CHECK_EQ(sim_ioctl(handle.file, FD_IOCTL_SET_FILTER, &input, sizeof(input), NULL, 0, NULL),
             STATUS_SUCCESS);
    handle_close(&handle);
    world_end();
}

static void so_many_handles_and_no_more(void)
{
    static struct user_handle handles[FD_WINDOWS_HANDLES_MAX + 1];
    uint32_t count = 0;

    world_begin();
    for (; count <= FD_WINDOWS_HANDLES_MAX; count++) {
        CHECK_EQ(handle_create(&handles[count], &(struct options){0}), STATUS_SUCCESS);
        NTSTATUS status = handle_configure(&handles[count]);
        CHECK_EQ(status,
                 count < FD_WINDOWS_HANDLES_MAX ? STATUS_SUCCESS : STATUS_TOO_MANY_CONTEXT_IDS);
    }
    handle_close(&handles[0]); /* and one place is free again */
    CHECK_EQ(handle_configure(&handles[FD_WINDOWS_HANDLES_MAX]), STATUS_SUCCESS);
    for (uint32_t i = 1; i < count; i++)
        handle_close(&handles[i]);
    world_end();
}

int main(void)
{
    each_field_of_open_is_checked();
    the_program_is_of_the_handles_layer();
    a_program_of_the_greatest_length_is_taken();
    each_field_of_set_filter_is_checked();
    so_many_handles_and_no_more();
    return check_result();
}
