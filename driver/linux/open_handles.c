/* SPDX-License-Identifier: MIT */
/*
 * Reading the records of open handles. Anybody who may create maps can make one
 * of this name, so nothing in a record is believed that was not checked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../core/ring.h"
#include "registry.h"
#include "shared.h"
#include "syscall.h"

#define QUEUES_MOST 65536u

static int open_map(uint32_t id, struct bpf_map_info *info)
{
    union bpf_attr attributes;

    memset(&attributes, 0, sizeof(attributes));
    attributes.map_id = id;
    int map = fd_bpf(BPF_MAP_GET_FD_BY_ID, &attributes, sizeof(attributes));
    if (map < 0)
        return -1;
    memset(info, 0, sizeof(*info));
    memset(&attributes, 0, sizeof(attributes));
    attributes.info.bpf_fd = (uint32_t)map;
    attributes.info.info_len = sizeof(*info);
    attributes.info.info = (uint64_t)(uintptr_t)info;
    if (fd_bpf(BPF_OBJ_GET_INFO_BY_FD, &attributes, sizeof(attributes)) < 0) {
        close(map);
        return -1;
    }
    return map;
}

static int read_element(int map, void *element)
{
    union bpf_attr attributes;
    uint32_t zero = 0;

    memset(&attributes, 0, sizeof(attributes));
    attributes.map_fd = (uint32_t)map;
    attributes.key = (uint64_t)(uintptr_t)&zero;
    attributes.value = (uint64_t)(uintptr_t)element;
    return fd_bpf(BPF_MAP_LOOKUP_ELEM, &attributes, sizeof(attributes));
}

/* ---- a record ------------------------------------------------------------- */

static int is_record(const struct fd_handle_record *record, uint32_t size)
{
    const uint64_t least = offsetof(struct fd_program, test);
    uint64_t rest = size - sizeof(*record);

    return record->magic == FD_REGISTRY_MAGIC && record->version == FD_REGISTRY_VERSION &&
           record->layer < FD_LAYER_COUNT && record->text_length <= FD_REGISTRY_TEXT_MAX &&
           record->program_length >= least && record->program_length <= sizeof(struct fd_program) &&
           (uint64_t)record->text_length + record->program_length == rest;
}

/* 1 if the map holds a record. */
static int read_record(int map, const struct bpf_map_info *info, struct fd_registry_entry *entry)
{
    const uint32_t most =
        sizeof(entry->record) + FD_REGISTRY_TEXT_MAX + (uint32_t)sizeof(struct fd_program);

    if (info->type != BPF_MAP_TYPE_ARRAY || info->max_entries != 1 ||
        strncmp(info->name, FD_REGISTRY_NAME, sizeof(info->name)) != 0 ||
        info->value_size <= sizeof(entry->record) || info->value_size > most)
        return 0;
    entry->element = malloc(info->value_size);
    if (entry->element == NULL || read_element(map, entry->element) < 0)
        return 0;
    memcpy(&entry->record, entry->element, sizeof(entry->record));
    if (!is_record(&entry->record, info->value_size))
        return 0; /* also one that is not filled yet */
    entry->record.command[sizeof(entry->record.command) - 1] = '\0';
    entry->text = (const char *)entry->element + sizeof(entry->record);
    entry->program = entry->element + sizeof(entry->record) + entry->record.text_length;
    return 1;
}

/* ---- what it points to ------------------------------------------------------ */

static void read_control(struct fd_registry_entry *entry)
{
    struct fd_live_control control = {0};
    struct bpf_map_info info;
    int map = entry->record.control_map ? open_map(entry->record.control_map, &info) : -1;

    if (map < 0)
        return;
    if (info.type == BPF_MAP_TYPE_ARRAY && info.value_size == sizeof(control) &&
        read_element(map, &control) == 0)
        entry->closed = control.closed != 0;
    close(map);
}

static void add(uint64_t *sum, const volatile uint64_t *part, size_t bytes)
{
    for (size_t i = 0; i < bytes / sizeof(*sum); i++)
        sum[i] += part[i];
}

static void add_queue(struct fd_registry_queues *sum, const struct fd_ring_header *header)
{
    uint32_t head = __atomic_load_n(&header->descriptor_head, __ATOMIC_ACQUIRE);
    uint32_t taken = __atomic_load_n(&header->descriptor_taken, __ATOMIC_ACQUIRE);
    uint32_t tail = __atomic_load_n(&header->descriptor_tail, __ATOMIC_ACQUIRE);
    uint32_t count = __atomic_load_n(&header->descriptor_count, __ATOMIC_RELAXED);
    uint32_t waiting = head - taken;
    uint32_t held = taken - tail;

    /* Read one after the other while both sides move: a moment may look odd. */
    if (waiting > count)
        waiting = 0;
    if (held > count)
        held = 0;
    sum->waiting += waiting;
    sum->held += held;
    if (waiting > sum->fullest)
        sum->fullest = waiting;
    sum->length = __atomic_load_n(&header->queue_length, __ATOMIC_RELAXED);
    add((uint64_t *)&sum->producer, (const volatile uint64_t *)&header->producer,
        sizeof(sum->producer));
    add((uint64_t *)&sum->consumer, (const volatile uint64_t *)&header->consumer,
        sizeof(sum->consumer));
}

static void read_queues(struct fd_registry_entry *entry)
{
    const struct fd_handle_record *record = &entry->record;
    struct bpf_map_info info;
    int map = record->queues_map ? open_map(record->queues_map, &info) : -1;

    if (map < 0)
        return;
    if (info.type == BPF_MAP_TYPE_ARRAY && info.value_size == record->queue_stride &&
        info.max_entries == record->queue_count && record->queue_count <= QUEUES_MOST &&
        record->queue_stride >= sizeof(struct fd_ring_header)) {
        entry->has_queues = 1;
        for (uint32_t i = 0; entry->has_queues && i < record->queue_count; i++) {
            void *at = mmap(NULL, sizeof(struct fd_ring_header), PROT_READ, MAP_SHARED, map,
                            (off_t)i * record->queue_stride);
            if (at == MAP_FAILED) {
                entry->has_queues = 0;
                break;
            }
            add_queue(&entry->queues, at);
            munmap(at, sizeof(struct fd_ring_header));
        }
    }
    close(map);
}

/* ---- the list ---------------------------------------------------------------- */

int fd_registry_next(uint32_t *id, struct fd_registry_entry *entry, struct fd_error *error)
{
    for (;;) {
        union bpf_attr attributes;
        struct bpf_map_info info;

        memset(&attributes, 0, sizeof(attributes));
        attributes.start_id = *id;
        if (fd_bpf(BPF_MAP_GET_NEXT_ID, &attributes, sizeof(attributes)) < 0) {
            if (errno == ENOENT)
                return 0;
            if (errno == EPERM)
                return fd_fail(error, FD_ERROR_PERMISSION, EPERM,
                               "listing open handles: %s; run as root, or with the capability "
                               "CAP_SYS_ADMIN",
                               strerror(EPERM));
            return fd_fail_errno(error, "listing open handles");
        }
        *id = attributes.next_id;
        int map = open_map(*id, &info);
        if (map < 0) {
            if (errno == ENOENT)
                continue; /* gone meanwhile */
            return fd_fail_errno(error, "looking at an eBPF map");
        }
        memset(entry, 0, sizeof(*entry));
        int good = read_record(map, &info, entry);
        close(map);
        if (good) {
            read_control(entry);
            read_queues(entry);
            return 1;
        }
        fd_registry_entry_free(entry);
    }
}

void fd_registry_entry_free(struct fd_registry_entry *entry)
{
    free(entry->element);
    entry->element = NULL;
}
