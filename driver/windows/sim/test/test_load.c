/* SPDX-License-Identifier: MIT */
/* Loading, who may open the device, and unloading. */
#include "patches.h"

static void the_device_is_for_system_and_administrators(void)
{
    HANDLE file;
    world_begin();
    CHECK_EQ(sim_open(DEVICE_PATH, SIM_PLAIN_USER, &file), STATUS_ACCESS_DENIED);
    CHECK_EQ(sim_open(DEVICE_PATH L"\\below", SIM_PLAIN_USER, &file), STATUS_ACCESS_DENIED);
    CHECK_EQ(sim_open(DEVICE_PATH, SIM_ADMINISTRATOR, &file), STATUS_SUCCESS);
    sim_handle_close(file);
    CHECK_EQ(sim_open(DEVICE_PATH, SIM_SYSTEM, &file), STATUS_SUCCESS);
    sim_handle_close(file);
    world_end();
}

static void the_name_has_the_version_and_goes_with_the_driver(void)
{
    HANDLE file;
    world_begin();
    CHECK_EQ(sim_open(L"\\\\.\\fastdivert-2", SIM_SYSTEM, &file), STATUS_OBJECT_NAME_NOT_FOUND);
    world_end();
    CHECK_EQ(sim_open(DEVICE_PATH, SIM_SYSTEM, &file), STATUS_OBJECT_NAME_NOT_FOUND);
}

static void it_can_be_loaded_again(void)
{
    struct user_handle handle;
    for (int i = 0; i < 3; i++) {
        world_begin();
        handle_open(&handle, &(struct options){0});
        handle_close(&handle);
        world_end();
    }
}

static void what_is_no_ioctl_is_refused(void)
{
    HANDLE file;
    world_begin();
    CHECK_EQ(sim_open(DEVICE_PATH, SIM_SYSTEM, &file), STATUS_SUCCESS);
    for (UCHAR major = 0; major <= IRP_MJ_MAXIMUM_FUNCTION; major++)
        if (major != IRP_MJ_CREATE && major != IRP_MJ_CLOSE && major != IRP_MJ_CLEANUP &&
            major != IRP_MJ_DEVICE_CONTROL)
            CHECK_EQ(sim_request(file, major), STATUS_INVALID_DEVICE_REQUEST);
    for (uint32_t function = 0; function < 0x1000; function++) {
        struct fd_windows_request input = {sizeof(input), 0};
        uint32_t code = FD_WINDOWS_CONTROL(function);
        if (function < 0x900 || function > 0x909)
            CHECK_EQ(sim_ioctl(file, code, &input, sizeof(input), NULL, 0, NULL),
                     STATUS_INVALID_DEVICE_REQUEST);
    }
    /* The same functions with another access or device type are others. */
    CHECK_EQ(sim_ioctl(file, FD_IOCTL_STARTUP & ~(3u << 14), NULL, 0, NULL, 0, NULL),
             STATUS_INVALID_DEVICE_REQUEST);
    CHECK_EQ(sim_ioctl(file, FD_IOCTL_STARTUP + (1u << 16), NULL, 0, NULL, 0, NULL),
             STATUS_INVALID_DEVICE_REQUEST);
    sim_handle_close(file);
    world_end();
}

static void the_version_is_told_in_every_state(void)
{
    struct user_handle handle;
    struct fd_windows_request input = {sizeof(input), 0};
    struct fd_windows_version version;
    ULONG_PTR got;

    world_begin();
    sim_set_processor_count(6);
    CHECK_EQ(handle_create(&handle, &(struct options){0}), STATUS_SUCCESS);
    CHECK_EQ(sim_ioctl(handle.file, FD_IOCTL_QUERY_VERSION, &input, sizeof(input), &version,
                       sizeof(version), &got),
             STATUS_SUCCESS);
    CHECK_EQ(got, sizeof(version));
    CHECK_EQ(version.size, sizeof(version));
    CHECK_EQ(version.major, FD_WINDOWS_MAJOR);
    CHECK_EQ(version.minor, FD_WINDOWS_MINOR);
    CHECK_EQ(version.ring_major, FD_ABI_MAJOR);
    CHECK_EQ(version.ring_minor, FD_ABI_MINOR);
    CHECK_EQ(version.processors, 6);
    CHECK_EQ(version.queues_max, FD_WINDOWS_QUEUES_MAX);
    CHECK_EQ(version.locked_max, FD_WINDOWS_LOCKED_MAX);
    CHECK_EQ(version.state, FD_WINDOWS_CREATED);
    CHECK_EQ(handle_configure(&handle), STATUS_SUCCESS);
    CHECK_EQ(state_of(handle.file), FD_WINDOWS_OPENED);
    handle_allocate(&handle);
    CHECK_EQ(handle_register(&handle), STATUS_SUCCESS);
    CHECK_EQ(state_of(handle.file), FD_WINDOWS_REGISTERED);
    CHECK_EQ(handle_startup(&handle), STATUS_SUCCESS);
    CHECK_EQ(state_of(handle.file), FD_WINDOWS_STARTED);

    for (ULONG size = 0; size < sizeof(version); size++)
        CHECK_EQ(sim_ioctl(handle.file, FD_IOCTL_QUERY_VERSION, &input, sizeof(input), &version,
                           size, NULL),
                 STATUS_BUFFER_TOO_SMALL);
    check_lengths(handle.file, FD_IOCTL_QUERY_VERSION, &input, sizeof(input));
    input.argument = 1;
    CHECK_EQ(sim_ioctl(handle.file, FD_IOCTL_QUERY_VERSION, &input, sizeof(input), &version,
                       sizeof(version), NULL),
             STATUS_INVALID_PARAMETER);
    handle_close(&handle);
    sim_set_processor_count(4);
    world_end();
}

int main(void)
{
    the_device_is_for_system_and_administrators();
    the_name_has_the_version_and_goes_with_the_driver();
    it_can_be_loaded_again();
    what_is_no_ioctl_is_refused();
    the_version_is_told_in_every_state();
    return check_result();
}
