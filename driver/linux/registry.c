/* SPDX-License-Identifier: MIT */
/* A handle's own entry: see registry.h; the reading is in open_handles.c. */
#include "registry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "syscall.h"

static int inode_of(const char *path, uint64_t *inode, struct fd_error *error)
{
    struct stat status;

    if (stat(path, &status) < 0)
        return fd_fail(error, FD_ERROR_SYSTEM, errno, "cannot look at %s: mount /proc", path);
    *inode = status.st_ino;
    return 0;
}

static void read_command(char command[16])
{
    int file = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);

    if (file < 0)
        return;
    ssize_t got = read(file, command, 15);
    close(file);
    for (ssize_t i = 0; i < got; i++)
        if (command[i] == '\n')
            command[i] = '\0';
}

/* In a PID namespace of its own a process cannot ask for the number that the
 * rest of the host knows it by. A program that runs in its context can tell. */
static uint32_t initial_pid(void)
{
    const struct bpf_insn instructions[] = {
        {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_get_current_pid_tgid},
        {.code = BPF_ALU64 | BPF_RSH | BPF_K, .dst_reg = BPF_REG_0, .imm = 32},
        {.code = BPF_JMP | BPF_EXIT}};
    union bpf_attr attributes;
    uint32_t pid = 0;

    memset(&attributes, 0, sizeof(attributes));
    attributes.prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT;
    attributes.insns = (uint64_t)(uintptr_t)instructions;
    attributes.insn_cnt = sizeof(instructions) / sizeof(instructions[0]);
    attributes.license = (uint64_t)(uintptr_t)"Dual MIT/GPL";
    memcpy(attributes.prog_name, "fd_pid", 6);
    int program = fd_bpf(BPF_PROG_LOAD, &attributes, sizeof(attributes));
    if (program >= 0) {
        memset(&attributes, 0, sizeof(attributes));
        attributes.test.prog_fd = (uint32_t)program;
        if (fd_bpf(BPF_PROG_TEST_RUN, &attributes, sizeof(attributes)) == 0)
            pid = attributes.test.retval;
        close(program);
    }
    return pid != 0 ? pid : (uint32_t)getpid();
}

uint32_t fd_registry_map_id(int map)
{
    union bpf_attr attributes;
    struct bpf_map_info info;

    memset(&info, 0, sizeof(info));
    memset(&attributes, 0, sizeof(attributes));
    attributes.info.bpf_fd = (uint32_t)map;
    attributes.info.info_len = sizeof(info);
    attributes.info.info = (uint64_t)(uintptr_t)&info;
    return fd_bpf(BPF_OBJ_GET_INFO_BY_FD, &attributes, sizeof(attributes)) == 0 ? info.id : 0;
}

int fd_registration_begin(struct fd_registration *registration, struct fd_error *error)
{
    struct fd_handle_record *record = &registration->record;
    struct timespec now;

    registration->map = -1;
    memset(record, 0, sizeof(*record));
    record->magic = FD_REGISTRY_MAGIC;
    record->version = FD_REGISTRY_VERSION;
    if (getrandom(&record->identity, sizeof(record->identity), 0) !=
        (ssize_t)sizeof(record->identity))
        return fd_fail_errno(error, "drawing a random number");
    clock_gettime(CLOCK_REALTIME, &now);
    record->opened = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    if (inode_of("/proc/thread-self/ns/net", &record->net_namespace, error) < 0 ||
        inode_of("/proc/self/ns/pid", &record->pid_namespace, error) < 0)
        return -1;
    record->pid = initial_pid();
    record->own_pid = (uint32_t)getpid();
    record->user = (uint32_t)getuid();
    read_command(record->command);
    return 0;
}

static int create_map(uint32_t size, struct fd_error *error)
{
    union bpf_attr attributes;

    memset(&attributes, 0, sizeof(attributes));
    attributes.map_type = BPF_MAP_TYPE_ARRAY;
    attributes.key_size = sizeof(uint32_t);
    attributes.value_size = size;
    attributes.max_entries = 1;
    memcpy(attributes.map_name, FD_REGISTRY_NAME, sizeof(FD_REGISTRY_NAME));
    int map = fd_bpf(BPF_MAP_CREATE, &attributes, sizeof(attributes));
    return map < 0 ? fd_fail_errno(error, "creating a handle's record") : map;
}

/* Frozen, so that nobody can make it say something else. */
static int fill_map(int map, const void *element, struct fd_error *error)
{
    union bpf_attr attributes;
    uint32_t zero = 0;

    memset(&attributes, 0, sizeof(attributes));
    attributes.map_fd = (uint32_t)map;
    attributes.key = (uint64_t)(uintptr_t)&zero;
    attributes.value = (uint64_t)(uintptr_t)element;
    if (fd_bpf(BPF_MAP_UPDATE_ELEM, &attributes, sizeof(attributes)) < 0)
        return fd_fail_errno(error, "writing a handle's record");
    memset(&attributes, 0, sizeof(attributes));
    attributes.map_fd = (uint32_t)map;
    if (fd_bpf(BPF_MAP_FREEZE, &attributes, sizeof(attributes)) < 0)
        return fd_fail_errno(error, "freezing a handle's record");
    return 0;
}

/* Cut between two characters. */
static uint32_t text_length(const char *text)
{
    size_t length = strlen(text);

    if (length <= FD_REGISTRY_TEXT_MAX)
        return (uint32_t)length;
    length = FD_REGISTRY_TEXT_MAX;
    while (length > 0 && ((uint8_t)text[length] & 0xc0) == 0x80)
        length--;
    return (uint32_t)length;
}

int fd_registration_publish(struct fd_registration *registration, const char *text,
                            const struct fd_program *program, struct fd_error *error)
{
    struct fd_handle_record *record = &registration->record;

    if (text == NULL)
        text = "";
    record->layer = program->layer;
    record->text_length = text_length(text);
    record->program_length =
        (uint32_t)(offsetof(struct fd_program, test) + program->length * sizeof(program->test[0]));
    size_t size = sizeof(*record) + record->text_length + record->program_length;
    uint8_t *element = malloc(size);
    if (element == NULL)
        return fd_fail(error, FD_ERROR_MEMORY, ENOMEM, "no memory for a handle's record");
    record->revision++;
    memcpy(element, record, sizeof(*record));
    memcpy(element + sizeof(*record), text, record->text_length);
    memcpy(element + sizeof(*record) + record->text_length, program, record->program_length);
    int map = create_map((uint32_t)size, error);
    int failed = map < 0 || fill_map(map, element, error) < 0;
    free(element);
    if (failed) {
        if (map >= 0)
            close(map);
        return -1;
    }
    /* For a moment there are two; a reader goes by the higher revision. */
    fd_registration_end(registration);
    registration->map = map;
    return 0;
}

void fd_registration_end(struct fd_registration *registration)
{
    if (registration->map >= 0)
        close(registration->map);
    registration->map = -1;
}
