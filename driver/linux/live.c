/* SPDX-License-Identifier: MIT */
#include "live.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "attach.h"
#include "attachments.h"
#include "emit.h"
#include "inject.h"
#include "interfaces.h"
#include "kernel_features.h"
#include "kernel_types.h"
#include "object.h"
#include "owner.h"
#include "registry.h"

extern const struct fd_object fd_divert_object;

#define ADDRESSES_MAX 65536u
#define STOP_MICROSECONDS 20000

struct fd_live {
    struct fd_live_options options;
    struct fd_live_config config;
    struct fd_owner owner;
    struct fd_object_maps maps;
    struct fd_queues queues;
    struct fd_live_control *control;
    struct fd_slot *slots;
    struct fd_live_outbox *outbox;
    int inject_program;
    int frames_program;
    struct fd_injector *injector;
    struct fd_btf *btf; /* kept: a filter may be swapped often */
    struct fd_features features;
    struct fd_watch *watch;
    struct fd_attachments attachments; /* the watch's thread changes them */
    pthread_mutex_t swap;              /* one filter is put in place at a time */
    struct fd_registration registration;
};

/* ---- maps --------------------------------------------------------------- */

static int map_named(const struct fd_live *live, const char *name)
{
    int index = fd_object_find_map(&fd_divert_object, name);

    return index < 0 ? -1 : live->maps.map[index];
}

/* What the object leaves open, because it depends on the handle. */
static int create_map(const struct fd_live *live, const struct fd_object_map *map,
                      struct fd_error *error)
{
    const struct {
        const char *name;
        uint32_t value_size;
        uint32_t entries;
    } sizes[] = {{"descriptors", live->queues.descriptor_stride, live->queues.count},
                 {"bytes", live->queues.byte_stride, live->queues.count},
                 {"addresses", 0, ADDRESSES_MAX}};

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        if (strcmp(map->name, sizes[i].name) == 0)
            return fd_object_create_map(map, sizes[i].value_size, sizes[i].entries, error);
    return fd_object_create_map(map, 0, 0, error);
}

static int create_maps(struct fd_live *live, struct fd_error *error)
{
    for (uint32_t i = 0; i < fd_divert_object.map_count; i++) {
        live->maps.map[i] = create_map(live, &fd_divert_object.maps[i], error);
        if (live->maps.map[i] < 0)
            return -1;
    }
    return 0;
}

static void *map_memory(int map, size_t size, struct fd_error *error)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);

    if (at != MAP_FAILED)
        return at;
    fd_fail_errno(error, "mapping an eBPF map");
    return NULL;
}

static int map_maps(struct fd_live *live, struct fd_error *error)
{
    live->control = map_memory(map_named(live, "control"), sizeof(*live->control), error);
    live->slots = map_memory(map_named(live, "slots"), FD_SLOTS * sizeof(*live->slots), error);
    live->outbox = map_memory(map_named(live, "outboxes"), sizeof(*live->outbox), error);
    if (live->control == NULL || live->slots == NULL || live->outbox == NULL ||
        fd_queues_map(&live->queues, map_named(live, "descriptors"), map_named(live, "bytes"),
                      map_named(live, "doorbell"), error) < 0)
        return -1;
    fd_queues_set_policy(&live->queues, live->options.queue_length, live->options.queue_time,
                         live->options.queue_size);
    return 0;
}

/* ---- programs ----------------------------------------------------------- */

static int64_t clock_now(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void configure(struct fd_live *live, const struct fd_filter_code *code)
{
    live->config.byte_size = live->queues.byte_size;
    live->config.descriptor_count = live->queues.descriptor_count;
    live->config.layer = live->options.program->layer;
    live->config.own_mark = live->owner.mark;
    live->config.note = live->owner.note;
    live->config.sniffs = live->options.sniffs ? FD_FLAG_SNIFFED : 0;
    live->config.discards = live->options.discards;
    live->config.passes_overflow = live->options.passes_overflow;
    live->config.prefix = code->prefix;
    live->config.hashes = code->hashes;
    live->config.times = code->times;
    live->config.reassembles = live->options.reassembles;
    live->config.casts = live->features.casts;
    live->config.reads = live->features.reads;
    live->config.loops = live->features.loops;
}

static int load_programs(struct fd_live *live, const struct fd_program *program, int loaded[2],
                         struct fd_error *error)
{
    static const char *const entries[] = {[FD_INGRESS] = "fd_ingress", [FD_EGRESS] = "fd_egress"};
    struct fd_filter_code code;

    loaded[FD_INGRESS] = loaded[FD_EGRESS] = -1;
    if (fd_emit(program, &code, error) < 0)
        return -1;
    configure(live, &code);
    struct fd_object_maps maps = live->maps;
    struct fd_replacement filter = {"filter", code.instructions, code.count};
    maps.config = fd_object_create_config(&live->config, sizeof(live->config), error);
    for (int direction = 0; maps.config >= 0 && direction < 2; direction++) {
        char name[FD_PROGRAM_NAME_SIZE];
        fd_program_name(name, FD_DIVERT_NAME, live->options.priority, (enum fd_direction)direction);
        loaded[direction] =
            fd_object_load(&fd_divert_object, entries[direction], BPF_PROG_TYPE_SCHED_CLS, name,
                           &maps, live->btf, &filter, error);
        if (loaded[direction] < 0)
            break;
    }
    if (maps.config >= 0)
        close(maps.config); /* the programs hold it */
    fd_filter_code_free(&code);
    if (loaded[FD_INGRESS] >= 0 && loaded[FD_EGRESS] >= 0)
        return 0;
    if (loaded[FD_INGRESS] >= 0)
        close(loaded[FD_INGRESS]);
    return -1;
}

/* ---- what the watch tells ------------------------------------------------ */

static void on_interface(void *context, const struct fd_interface *interface)
{
    struct fd_live *live = context;

    fd_attachments_changed(&live->attachments, interface);
}

static void on_gone(void *context, uint32_t index)
{
    struct fd_live *live = context;

    fd_attachments_gone(&live->attachments, index);
}

static void on_address(void *context, const uint8_t address[16], int exists)
{
    struct fd_live *live = context;
    union bpf_attr attributes;
    uint32_t one = 1;

    memset(&attributes, 0, sizeof(attributes));
    attributes.map_fd = (uint32_t)map_named(live, "addresses");
    attributes.key = (uint64_t)(uintptr_t)address;
    attributes.value = (uint64_t)(uintptr_t)&one;
    /* A failure costs time, not truth: the routing table is asked instead. */
    (void)fd_bpf(exists ? BPF_MAP_UPDATE_ELEM : BPF_MAP_DELETE_ELEM, &attributes,
                 sizeof(attributes));
}

static int on_find_device(void *context, uint32_t ifindex, struct fd_device *device)
{
    struct fd_live *live = context;

    return fd_attachments_find(&live->attachments, ifindex, device);
}

/* ---- life --------------------------------------------------------------- */

static struct fd_live *allocate(const struct fd_live_options *options)
{
    struct fd_live *live = calloc(1, sizeof(*live));

    if (live == NULL)
        return NULL;
    live->options = *options;
    live->owner.socket = -1;
    live->inject_program = live->frames_program = -1;
    live->registration.map = -1;
    for (uint32_t i = 0; i < FD_OBJECT_MAPS_MAX; i++)
        live->maps.map[i] = -1;
    fd_attachments_open(&live->attachments);
    pthread_mutex_init(&live->swap, NULL);
    return live;
}

/* It needs neither the filter nor anything else that a swap would change. */
static int open_injector(struct fd_live *live, struct fd_error *error)
{
    struct fd_object_maps maps = live->maps;

    maps.config = fd_object_create_config(&live->config, sizeof(live->config), error);
    if (maps.config < 0)
        return -1;
    live->inject_program = fd_object_load(&fd_divert_object, "fd_inject", BPF_PROG_TYPE_SCHED_CLS,
                                          "fd_inject", &maps, live->btf, NULL, error);
    live->frames_program = live->inject_program < 0
                               ? -1
                               : fd_object_load(&fd_divert_object, "fd_frames", BPF_PROG_TYPE_XDP,
                                                "fd_frames", &maps, live->btf, NULL, error);
    close(maps.config);
    if (live->inject_program < 0 || live->frames_program < 0)
        return -1;
    struct fd_injector_options options = {.mark = live->owner.mark,
                                          .slots = live->slots,
                                          .outbox = live->outbox,
                                          .inject_program =
                                              live->options.by_socket ? -1 : live->inject_program,
                                          .frames_program = live->frames_program,
                                          .queues = &live->queues,
                                          .find = on_find_device,
                                          .context = live};
    live->injector = fd_injector_open(&options, error);
    return live->injector == NULL ? -1 : 0;
}

static int prepare(struct fd_live *live, struct fd_error *error)
{
    int programs[2];

    live->queues.count = fd_possible_cpus();
    if (live->queues.count == 0)
        return fd_fail(error, FD_ERROR_SYSTEM, 0,
                       "cannot read /sys/devices/system/cpu/possible: mount /sys");
    fd_queues_size(&live->queues, live->options.queue_length, live->options.queue_size);
    live->config.epoch = clock_now(CLOCK_REALTIME) - clock_now(CLOCK_MONOTONIC);
    /* Without it the programs read less: see kernel_features.h. */
    live->btf = fd_btf_open(NULL);
    if (fd_features_find(&live->features, live->btf, error) < 0 ||
        fd_owner_take(&live->owner, error) < 0 || create_maps(live, error) < 0 ||
        map_maps(live, error) < 0 ||
        fd_attacher_open(&live->attachments.attacher, &live->features, live->owner.number,
                         live->options.priority, error) < 0 ||
        load_programs(live, live->options.program, programs, error) < 0 ||
        fd_attacher_set_programs(&live->attachments.attacher, programs, error) < 0)
        return -1;
    live->options.program = NULL; /* the caller's */
    return open_injector(live, error);
}

/* So that everybody can see that it is open. */
static int publish(struct fd_live *live, const struct fd_live_options *options,
                   struct fd_error *error)
{
    struct fd_handle_record *record = &live->registration.record;

    if (fd_registration_begin(&live->registration, error) < 0)
        return -1;
    record->priority = options->priority;
    record->flags = options->flags;
    record->mark = live->owner.mark;
    record->queue_count = live->queues.count;
    record->queue_stride = live->queues.descriptor_stride;
    record->queues_map = fd_registry_map_id(live->queues.descriptor_map);
    record->control_map = fd_registry_map_id(map_named(live, "control"));
    return fd_registration_publish(&live->registration, options->text, options->program, error);
}

struct fd_live *fd_live_open(const struct fd_live_options *options, struct fd_error *error)
{
    struct fd_live *live = allocate(options);
    struct fd_watch_events events = {live, on_interface, on_gone, on_address};

    if (live == NULL) {
        fd_fail(error, FD_ERROR_MEMORY, ENOMEM, "no memory for a handle");
        return NULL;
    }
    if (prepare(live, error) < 0) {
        fd_live_close(live);
        return NULL;
    }
    /* Before the first program sees a packet, so that none is missed after. */
    __atomic_store_n(&live->control->capturing, options->captures, __ATOMIC_RELEASE);
    live->watch = fd_watch_open(&events, error);
    int failed = live->watch == NULL;
    if (!failed && live->attachments.failures != 0) {
        failed = 1;
        if (error != NULL)
            *error = live->attachments.error;
    }
    if (failed || publish(live, options, error) < 0) {
        fd_live_close(live);
        return NULL;
    }
    return live;
}

int fd_live_try(const struct fd_live_options *options, struct fd_error *error)
{
    struct fd_live *live = allocate(options);

    if (live == NULL)
        return fd_fail(error, FD_ERROR_MEMORY, ENOMEM, "no memory for a handle");
    int failed = prepare(live, error);
    fd_live_close(live);
    return failed;
}

void fd_live_stop(struct fd_live *live)
{
    if (__atomic_exchange_n(&live->control->capturing, 0, __ATOMIC_SEQ_CST) == 0)
        return;
    /* The kernel answers once every program that could still have read the old
     * value has ended; where it does not know the call, a moment must do. */
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) != 0)
        (void)usleep(STOP_MICROSECONDS);
}

void fd_live_detach(struct fd_live *live)
{
    if (live->control != NULL) {
        fd_live_stop(live);
        __atomic_store_n(&live->control->closed, 1, __ATOMIC_RELEASE);
    }
    fd_registration_end(&live->registration);
    fd_watch_close(live->watch);
    live->watch = NULL;
    fd_injector_close(live->injector);
    live->injector = NULL;
    fd_attachments_detach(&live->attachments);
    if (live->inject_program >= 0)
        close(live->inject_program);
    if (live->frames_program >= 0)
        close(live->frames_program);
    live->inject_program = live->frames_program = -1;
    fd_btf_close(live->btf);
    live->btf = NULL;
    fd_owner_free(&live->owner);
}

void fd_live_close(struct fd_live *live)
{
    if (live == NULL)
        return;
    fd_live_detach(live);
    fd_queues_unmap(&live->queues);
    if (live->control != NULL)
        munmap(live->control, sizeof(*live->control));
    if (live->slots != NULL)
        munmap(live->slots, FD_SLOTS * sizeof(*live->slots));
    if (live->outbox != NULL)
        munmap(live->outbox, sizeof(*live->outbox));
    for (uint32_t i = 0; i < FD_OBJECT_MAPS_MAX; i++)
        if (live->maps.map[i] >= 0)
            close(live->maps.map[i]);
    fd_attachments_close(&live->attachments);
    pthread_mutex_destroy(&live->swap);
    free(live);
}

int fd_live_set_program(struct fd_live *live, const struct fd_program *program,
                        uint32_t reassembles, const char *text, struct fd_error *error)
{
    int loaded[2];

    if (program->layer != live->config.layer)
        return fd_fail(error, FD_ERROR_ARGUMENT, 0,
                       "the filter is of layer %u, the handle of layer %u", program->layer,
                       live->config.layer);
    pthread_mutex_lock(&live->swap);
    live->options.program = program;
    live->options.reassembles = reassembles;
    int failed = load_programs(live, program, loaded, error);
    live->options.program = NULL;
    if (!failed && fd_registration_publish(&live->registration, text, program, error) < 0) {
        close(loaded[FD_INGRESS]);
        close(loaded[FD_EGRESS]);
        failed = -1;
    }
    if (!failed)
        failed = fd_attachments_replace(&live->attachments, loaded, error);
    pthread_mutex_unlock(&live->swap);
    return failed;
}

/* ---- the rest ----------------------------------------------------------- */

const struct fd_queues *fd_live_queues(const struct fd_live *live)
{
    return &live->queues;
}

void fd_live_set_policy(struct fd_live *live, uint32_t length, uint32_t time, uint64_t size)
{
    fd_queues_set_policy(&live->queues, length, time, size);
}

int fd_live_doorbell(const struct fd_live *live)
{
    return live->queues.doorbell;
}

void fd_live_silence(struct fd_live *live)
{
    fd_queues_silence(&live->queues);
}

int64_t fd_live_now(const struct fd_live *live)
{
    return clock_now(CLOCK_MONOTONIC) + live->config.epoch;
}

uint32_t fd_live_inject(struct fd_live *live, const struct fd_descriptor *descriptors,
                        const struct fd_record *records, uint32_t count, int untouched,
                        int32_t *faults)
{
    if (live->injector == NULL) {
        for (uint32_t i = 0; i < count; i++)
            faults[i] = EBADF;
        return 0;
    }
    return fd_inject(live->injector, descriptors, records, count, untouched, faults);
}

int fd_live_program(const struct fd_live *live, int direction)
{
    return live->attachments.attacher.programs[direction == FD_EGRESS];
}

static void add(uint64_t *sum, const volatile uint64_t *part, size_t bytes)
{
    for (size_t i = 0; i < bytes / sizeof(*sum); i++)
        sum[i] += part[i];
}

static int read_way_back(struct fd_live *live, struct fd_live_counters *sum, struct fd_error *error)
{
    struct fd_live_counters *each = calloc(live->queues.count, sizeof(*each));
    union bpf_attr attributes;
    uint32_t zero = 0;

    if (each == NULL)
        return fd_fail(error, FD_ERROR_MEMORY, ENOMEM, "no memory for counters");
    memset(&attributes, 0, sizeof(attributes));
    attributes.map_fd = (uint32_t)map_named(live, "counters");
    attributes.key = (uint64_t)(uintptr_t)&zero;
    attributes.value = (uint64_t)(uintptr_t)each;
    int failed = fd_bpf(BPF_MAP_LOOKUP_ELEM, &attributes, sizeof(attributes));
    for (uint32_t i = 0; !failed && i < live->queues.count; i++)
        add((uint64_t *)sum, (const uint64_t *)&each[i], sizeof(*sum));
    free(each);
    return failed ? fd_fail_errno(error, "reading counters") : 0;
}

int fd_live_read_stats(struct fd_live *live, struct fd_live_stats *stats, struct fd_error *error)
{
    memset(stats, 0, sizeof(*stats));
    for (uint32_t i = 0; i < live->queues.count; i++) {
        const struct fd_ring_header *header = live->queues.regions[i].descriptors;
        add((uint64_t *)&stats->producer, (const volatile uint64_t *)&header->producer,
            sizeof(stats->producer));
    }
    stats->interfaces = fd_attachments_count(&live->attachments, &stats->attach_failures);
    return read_way_back(live, &stats->way_back, error);
}
