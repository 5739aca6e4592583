/* SPDX-License-Identifier: MIT */
/* REGISTER: every field wrong in turn, memory that is none, events that are
 * none, and that nothing stays locked when it fails. */
#include "patches.h"

struct input {
    struct fd_windows_register head;
    struct fd_windows_queue queues[2];
};

static struct user_handle handle;

static struct input valid_register(void)
{
    struct input input = {
        .head = {.size = sizeof(input),
                 .receive_count = 1,
                 .send_count = 1,
                 .doorbell = (uintptr_t)handle.doorbell},
    };
    const struct user_queue *queues[] = {&handle.receive[0], &handle.send};
    for (unsigned i = 0; i < 2; i++)
        input.queues[i] = (struct fd_windows_queue){
            .descriptors = (uintptr_t)queues[i]->descriptors,
            .bytes = (uintptr_t)queues[i]->bytes,
            .byte_size = queues[i]->byte_size,
            .descriptor_count = queues[i]->descriptor_count,
        };
    return input;
}

static void open_for_register(const struct options *options)
{
    world_begin();
    CHECK_EQ(handle_create(&handle, options), STATUS_SUCCESS);
    CHECK_EQ(handle_configure(&handle), STATUS_SUCCESS);
    handle_allocate(&handle);
}

#define REGISTER(field, value, expected) PATCH(struct fd_windows_register, field, value, expected)
#define QUEUE(n, field, value, expected)                                                  \
    PATCH_AT("queue " #n " " #field " = " #value,                                         \
             sizeof(struct fd_windows_register) + (n) * sizeof(struct fd_windows_queue) + \
                 offsetof(struct fd_windows_queue, field),                                \
             sizeof(((struct fd_windows_queue *)0)->field), value, expected)

static void each_field_is_checked(void)
{
    open_for_register(&(struct options){0});
    struct input input = valid_register();
    uint64_t there = input.queues[0].descriptors;
    HANDLE weak = sim_event_create(SynchronizationEvent, SYNCHRONIZE);
    uint8_t *read_only = sim_user_allocate(fd_ring_byte_region_size(1 << 20));
    sim_user_read_only(read_only);
    const struct patch patches[] = {
        REGISTER(size, 0, STATUS_INFO_LENGTH_MISMATCH),
        REGISTER(size, sizeof(input) - 1, STATUS_INFO_LENGTH_MISMATCH),
        REGISTER(size, sizeof(input) + 1, STATUS_INFO_LENGTH_MISMATCH),
        REGISTER(receive_count, 0, STATUS_INVALID_PARAMETER),
        REGISTER(receive_count, 2, STATUS_INFO_LENGTH_MISMATCH),
        REGISTER(receive_count, 65, STATUS_INVALID_PARAMETER),
        REGISTER(receive_count, 0xffffffff, STATUS_INVALID_PARAMETER),
        REGISTER(send_count, 2, STATUS_INVALID_PARAMETER),
        REGISTER(send_count, 0xffffffff, STATUS_INVALID_PARAMETER),
        REGISTER(send_count, 0, STATUS_INFO_LENGTH_MISMATCH),
        REGISTER(reserved, 1, STATUS_INVALID_PARAMETER),
        REGISTER(doorbell, 3, STATUS_INVALID_HANDLE),
        REGISTER(doorbell, 4 * 500, STATUS_INVALID_HANDLE),
        REGISTER(doorbell, UINT64_MAX, STATUS_INVALID_HANDLE),
        REGISTER(doorbell, (uintptr_t)handle.file, STATUS_OBJECT_TYPE_MISMATCH),
        REGISTER(doorbell, (uintptr_t)weak, STATUS_ACCESS_DENIED),
        QUEUE(0, descriptors, 0, STATUS_INVALID_USER_BUFFER),
        QUEUE(0, descriptors, there + 64, STATUS_DATATYPE_MISALIGNMENT),
        QUEUE(0, descriptors, there + PAGE_SIZE, STATUS_INVALID_USER_BUFFER),
        QUEUE(0, descriptors, 0xffff800000000000, STATUS_INVALID_USER_BUFFER),
        QUEUE(0, descriptors, 0xfffffffffffff000, STATUS_INVALID_USER_BUFFER),
        QUEUE(0, bytes, 0, STATUS_INVALID_USER_BUFFER),
        QUEUE(0, bytes, input.queues[0].bytes + 16, STATUS_DATATYPE_MISALIGNMENT),
        QUEUE(0, bytes, (uintptr_t)read_only, STATUS_INVALID_USER_BUFFER),
        QUEUE(0, byte_size, 0, STATUS_INVALID_PARAMETER),
        QUEUE(0, byte_size, FD_BYTES_MIN / 2, STATUS_INVALID_PARAMETER),
        QUEUE(0, byte_size, (1 << 20) + 64, STATUS_INVALID_PARAMETER),
        QUEUE(0, byte_size, 1 << 21, STATUS_INVALID_USER_BUFFER),
        QUEUE(0, byte_size, FD_BYTES_MAX, STATUS_QUOTA_EXCEEDED),
        QUEUE(0, byte_size, FD_BYTES_MAX * 2, STATUS_INVALID_PARAMETER),
        QUEUE(0, byte_size, 1ull << 63, STATUS_INVALID_PARAMETER),
        QUEUE(0, descriptor_count, 0, STATUS_INVALID_PARAMETER),
        QUEUE(0, descriptor_count, FD_DESCRIPTORS_MIN / 2, STATUS_INVALID_PARAMETER),
        QUEUE(0, descriptor_count, 65, STATUS_INVALID_PARAMETER),
        QUEUE(0, descriptor_count, 1 << 16, STATUS_INVALID_USER_BUFFER),
        QUEUE(0, descriptor_count, FD_DESCRIPTORS_MAX * 2, STATUS_INVALID_PARAMETER),
        QUEUE(0, reserved, 1, STATUS_INVALID_PARAMETER),
        QUEUE(1, descriptors, 0, STATUS_INVALID_USER_BUFFER),
        QUEUE(1, bytes, 4096, STATUS_INVALID_USER_BUFFER),
        QUEUE(1, byte_size, 3, STATUS_INVALID_PARAMETER),
        QUEUE(1, descriptor_count, 33, STATUS_INVALID_PARAMETER),
        QUEUE(1, reserved, 0xffffffff, STATUS_INVALID_PARAMETER),
    };
    check_patches(handle.file, FD_IOCTL_REGISTER, &input, sizeof(input), patches,
                  sizeof(patches) / sizeof(patches[0]));
    check_lengths(handle.file, FD_IOCTL_REGISTER, &input, sizeof(input));
    CHECK_EQ(state_of(handle.file), FD_WINDOWS_OPENED);
    CHECK_EQ(handle_register(&handle), STATUS_SUCCESS);
    CHECK_EQ(handle_register(&handle), STATUS_INVALID_DEVICE_STATE);
    sim_handle_close(weak);
    handle_close(&handle);
    world_end();
}

static void it_may_be_without_a_doorbell(void)
{
    open_for_register(&(struct options){0});
    struct input input = valid_register();
    input.head.doorbell = 0;
    CHECK_EQ(sim_ioctl(handle.file, FD_IOCTL_REGISTER, &input, sizeof(input), NULL, 0, NULL),
             STATUS_SUCCESS);
    CHECK_EQ(handle_startup(&handle), STATUS_SUCCESS);
    handle_close(&handle);
    world_end();
}

static void it_needs_to_be_opened_first(void)
{
    world_begin();
    CHECK_EQ(handle_create(&handle, &(struct options){0}), STATUS_SUCCESS);
    handle_allocate(&handle);
    CHECK_EQ(handle_register(&handle), STATUS_INVALID_DEVICE_STATE);
    handle_close(&handle);
    world_end();
}

/* The header belongs to the driver, whatever the process left there. */
static void old_contents_of_the_memory_do_not_matter(void)
{
    open_for_register(&(struct options){0});
    memset(handle.receive[0].descriptors, 0xff, fd_ring_descriptor_region_size(64));
    memset(handle.send.descriptors, 0xff, fd_ring_descriptor_region_size(64));
    CHECK_EQ(handle_register(&handle), STATUS_SUCCESS);
    const struct fd_ring_header *header = handle.receive[0].ring.header;
    CHECK_EQ(header->magic, FD_RING_MAGIC);
    CHECK_EQ(header->sleeping, 0);
    CHECK_EQ(header->descriptor_head | header->descriptor_tail, 0);
    CHECK_EQ(header->queue_length, FD_QUEUE_LENGTH_DEFAULT);
    CHECK_EQ(header->queue_time, FD_QUEUE_TIME_DEFAULT);
    CHECK_EQ(header->queue_size, FD_QUEUE_SIZE_DEFAULT);
    CHECK_EQ(header->producer.seen | header->producer.matched, 0);
    CHECK_EQ(handle_startup(&handle), STATUS_SUCCESS);
    handle_close(&handle);
    world_end();
}

static void a_handle_that_only_sends_has_no_receive_queue(void)
{
    open_for_register(&(struct options){.flags = FD_WINDOWS_SEND_ONLY});
    handle.receive_count = 1;
    handle.receive[0] = handle.send;
    CHECK_EQ(handle_register(&handle), STATUS_INVALID_PARAMETER);
    handle.receive_count = 0;
    CHECK_EQ(handle_register(&handle), STATUS_SUCCESS);
    CHECK_EQ(handle_startup(&handle), STATUS_SUCCESS);
    CHECK_EQ(sim_filter_count(), 0);
    handle_close(&handle);
    world_end();
}

static void a_handle_that_only_receives_has_no_send_queue(void)
{
    open_for_register(&(struct options){.flags = FD_WINDOWS_RECV_ONLY});
    handle.send_count = 1;
    handle.send = handle.receive[0];
    CHECK_EQ(handle_register(&handle), STATUS_INVALID_PARAMETER);
    handle.send_count = 0;
    handle.send = (struct user_queue){0};
    CHECK_EQ(handle_register(&handle), STATUS_SUCCESS);
    handle_close(&handle);
    world_end();
}

static void many_queues_can_be_registered(void)
{
    open_for_register(&(struct options){.receive_count = FD_WINDOWS_QUEUES_MAX,
                                        .byte_size = FD_BYTES_MIN,
                                        .descriptor_count = FD_DESCRIPTORS_MIN});
    CHECK_EQ(handle_register(&handle), STATUS_SUCCESS);
    for (uint32_t i = 0; i < FD_WINDOWS_QUEUES_MAX; i++)
        CHECK_EQ(handle.receive[i].ring.header->queue, i);
    CHECK_EQ(handle_startup(&handle), STATUS_SUCCESS);
    handle_close(&handle);
    world_end();
}

static void the_last_of_many_queues_may_be_the_bad_one(void)
{
    open_for_register(&(struct options){.receive_count = 8, .byte_size = FD_BYTES_MIN});
    void *bytes = handle.receive[7].bytes;
    handle.receive[7].bytes = (uint8_t *)bytes + PAGE_SIZE;
    CHECK_EQ(handle_register(&handle), STATUS_INVALID_USER_BUFFER);
    handle.receive[7].bytes = bytes;
    CHECK_EQ(handle_register(&handle), STATUS_SUCCESS);
    handle_close(&handle);
    world_end();
}

static void another_process_may_not_lend_its_memory(void)
{
    open_for_register(&(struct options){0});
    PEPROCESS other = sim_process_create();
    HANDLE theirs = sim_handle_duplicate(handle.file, other);
    struct input input = valid_register();
    input.head.doorbell = 0;
    sim_process_enter(other);
    CHECK_EQ(sim_ioctl(theirs, FD_IOCTL_REGISTER, &input, sizeof(input), NULL, 0, NULL),
             STATUS_INVALID_USER_BUFFER);
    sim_process_enter(world_process());
    sim_process_exit(other);
    handle_close(&handle);
    world_end();
}

int main(void)
{
    each_field_is_checked();
    it_may_be_without_a_doorbell();
    it_needs_to_be_opened_first();
    old_contents_of_the_memory_do_not_matter();
    a_handle_that_only_sends_has_no_receive_queue();
    a_handle_that_only_receives_has_no_send_queue();
    many_queues_can_be_registered();
    the_last_of_many_queues_may_be_the_bad_one();
    another_process_may_not_lend_its_memory();
    return check_result();
}
