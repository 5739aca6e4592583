/* SPDX-License-Identifier: MIT */
#include "object.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "assembler.h"
#include "kernel_types.h"

#define FUNCTIONS_MAX 16
#define LOG_SIZE (1u << 20)
#define LICENSE "Dual MIT/GPL"

int fd_object_find_map(const struct fd_object *object, const char *name)
{
    for (uint32_t i = 0; i < object->map_count; i++)
        if (strcmp(object->maps[i].name, name) == 0)
            return (int)i;
    return -1;
}

int fd_object_find_function(const struct fd_object *object, const char *name)
{
    for (uint32_t i = 0; i < object->function_count; i++)
        if (strcmp(object->functions[i].name, name) == 0)
            return (int)i;
    return -1;
}

static void set_name(char *to, size_t size, const char *prefix, const char *name)
{
    size_t used = strlen(prefix);

    memset(to, 0, size);
    memcpy(to, prefix, used);
    for (size_t i = 0; used + 1 < size && name[i] != '\0'; i++)
        to[used++] = name[i];
}

int fd_object_create_map(const struct fd_object_map *map, uint32_t value_size, uint32_t entries,
                         struct fd_error *error)
{
    union bpf_attr attributes;

    memset(&attributes, 0, sizeof(attributes));
    attributes.map_type = map->type;
    attributes.key_size = map->key_size;
    attributes.value_size = map->value_size ? map->value_size : value_size;
    attributes.max_entries = map->entries ? map->entries : entries;
    attributes.map_flags = map->flags;
    set_name(attributes.map_name, sizeof(attributes.map_name), "fd_", map->name);
    int created = fd_bpf(BPF_MAP_CREATE, &attributes, sizeof(attributes));
    if (created < 0 && errno == E2BIG)
        return fd_fail(error, FD_ERROR_KERNEL, E2BIG,
                       "this kernel takes no map elements of %u bytes; try a smaller queue_size",
                       attributes.value_size);
    if (created < 0)
        return fd_fail_errno(error, "creating an eBPF map");
    return created;
}

int fd_object_create_config(const void *config, uint32_t size, struct fd_error *error)
{
    union bpf_attr attributes;
    uint32_t zero = 0;

    memset(&attributes, 0, sizeof(attributes));
    attributes.map_type = BPF_MAP_TYPE_ARRAY;
    attributes.key_size = sizeof(zero);
    attributes.value_size = size;
    attributes.max_entries = 1;
    attributes.map_flags = BPF_F_RDONLY_PROG;
    set_name(attributes.map_name, sizeof(attributes.map_name), "fd_", "config");
    int map = fd_bpf(BPF_MAP_CREATE, &attributes, sizeof(attributes));
    if (map < 0)
        return fd_fail_errno(error, "creating an eBPF map");

    memset(&attributes, 0, sizeof(attributes));
    attributes.map_fd = (uint32_t)map;
    attributes.key = (uint64_t)(uintptr_t)&zero;
    attributes.value = (uint64_t)(uintptr_t)config;
    int failed = fd_bpf(BPF_MAP_UPDATE_ELEM, &attributes, sizeof(attributes));
    if (!failed) { /* frozen: only then is it constant to the verifier */
        memset(&attributes, 0, sizeof(attributes));
        attributes.map_fd = (uint32_t)map;
        failed = fd_bpf(BPF_MAP_FREEZE, &attributes, sizeof(attributes));
    }
    if (failed) {
        fd_fail_errno(error, "filling an eBPF map");
        close(map);
        return -1;
    }
    return map;
}

/* ---- linking ------------------------------------------------------------ */

/* A program in the making: functions one after the other. */
struct image {
    const struct fd_object *object;
    const struct fd_object_maps *maps;
    const struct fd_btf *btf;
    const struct fd_replacement *replacement;
    struct fd_error *error;
    struct bpf_insn *instructions;
    uint32_t count;
    uint32_t start[FUNCTIONS_MAX];
    uint8_t placed[FUNCTIONS_MAX];
};

static int is_replaced(const struct image *image, uint32_t function)
{
    return image->replacement != NULL &&
           strcmp(image->object->functions[function].name, image->replacement->name) == 0;
}

static int append(struct image *image, const void *instructions, uint32_t count)
{
    size_t size = sizeof(struct bpf_insn);
    struct bpf_insn *grown = realloc(image->instructions, (image->count + count) * size);

    if (grown == NULL)
        return fd_fail(image->error, FD_ERROR_MEMORY, ENOMEM, "no memory for a program");
    image->instructions = grown;
    memcpy(grown + image->count, instructions, count * size);
    image->count += count;
    return 0;
}

static int place(struct image *image, uint32_t function)
{
    const struct fd_object_function *from = &image->object->functions[function];

    if (image->placed[function])
        return 0;
    image->placed[function] = 1;
    image->start[function] = image->count;
    if (is_replaced(image, function))
        return append(image, image->replacement->instructions, image->replacement->count);
    if (append(image, from->instructions, from->count) < 0)
        return -1;
    for (uint32_t i = 0; i < from->relocation_count; i++)
        if (from->relocations[i].kind == FD_RELOCATE_FUNCTION &&
            place(image, from->relocations[i].index) < 0)
            return -1;
    return 0;
}

/* The value of a CO-RE relocation (Documentation/bpf/llvm_reloc.rst). */
static int field_value(struct image *image, const struct fd_relocation *relocation, int32_t *value)
{
    struct fd_btf_member member;

    *value = 0;
    if (image->btf == NULL) /* in a branch that is never taken */
        return 0;
    if (!fd_btf_member(image->btf, relocation->name, relocation->member, &member)) {
        if (relocation->kind == FD_RELOCATE_EXISTS)
            return 0;
        return fd_fail(image->error, FD_ERROR_KERNEL, 0,
                       "this kernel's struct %s has no %s: fastdivert does not know this kernel",
                       relocation->name, relocation->member);
    }
    /* A bit-field is read by the smallest aligned word that holds all of it. */
    uint32_t size = member.size;
    uint32_t at = member.bit / 8;
    if (member.bits != size * 8) {
        at = member.bit / 8 / size * size;
        while (member.bit + member.bits - at * 8 > size * 8 && size < 8) {
            size *= 2;
            at = member.bit / 8 / size * size;
        }
    }
    switch (relocation->kind) {
    case FD_RELOCATE_OFFSET:
        *value = (int32_t)at;
        break;
    case FD_RELOCATE_SIZE:
        *value = (int32_t)size;
        break;
    case FD_RELOCATE_EXISTS:
        *value = 1;
        break;
    case FD_RELOCATE_SHIFT_LEFT:
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        *value = (int32_t)(64 - (member.bit + member.bits - at * 8));
#else
        *value = (int32_t)((8 - size) * 8 + (member.bit - at * 8));
#endif
        break;
    default:
        *value = (int32_t)(64 - member.bits);
        break;
    }
    return 0;
}

static int relocate(struct image *image, uint32_t function, const struct fd_relocation *relocation)
{
    uint32_t at = image->start[function] + relocation->at;
    struct bpf_insn *instruction = &image->instructions[at];

    switch (relocation->kind) {
    case FD_RELOCATE_MAP:
        instruction->src_reg = BPF_PSEUDO_MAP_FD;
        instruction->imm = image->maps->map[relocation->index];
        return 0;
    case FD_RELOCATE_CONFIG:
        instruction[0].src_reg = BPF_PSEUDO_MAP_VALUE;
        instruction[0].imm = image->maps->config;
        instruction[1].imm = (int32_t)relocation->index;
        return 0;
    case FD_RELOCATE_FUNCTION:
        instruction->src_reg = BPF_PSEUDO_CALL;
        instruction->imm = (int32_t)(image->start[relocation->index] - at) - 1;
        return 0;
    case FD_RELOCATE_KERNEL:
        instruction->src_reg = BPF_PSEUDO_KFUNC_CALL;
        instruction->off = 0;
        instruction->imm =
            image->btf == NULL ? 0 : (int32_t)fd_btf_function(image->btf, relocation->name);
        if (instruction->imm == 0 && relocation->index != 0)
            *instruction = FD_MOVE_VALUE(BPF_REG_0, 0); /* in a branch that is never taken */
        else if (instruction->imm == 0)
            return fd_fail(image->error, FD_ERROR_KERNEL, 0,
                           "this kernel has no %s; Linux 6.6 or later is needed", relocation->name);
        return 0;
    default: {
        int32_t value = 0;
        if (field_value(image, relocation, &value) < 0)
            return -1;
        unsigned class = BPF_CLASS(instruction->code);
        if (class == BPF_LDX || class == BPF_ST || class == BPF_STX)
            instruction->off = (int16_t)value;
        else
            instruction->imm = value;
        return 0;
    }
    }
}

static int link_image(struct image *image, uint32_t function)
{
    if (place(image, function) < 0)
        return -1;
    for (uint32_t f = 0; f < image->object->function_count; f++) {
        const struct fd_object_function *from = &image->object->functions[f];
        if (!image->placed[f] || is_replaced(image, f))
            continue;
        for (uint32_t i = 0; i < from->relocation_count; i++)
            if (relocate(image, f, &from->relocations[i]) < 0)
                return -1;
    }
    return 0;
}

/* ---- loading ------------------------------------------------------------ */

static int load(const struct image *image, uint32_t type, const char *name, char *log)
{
    union bpf_attr attributes;

    memset(&attributes, 0, sizeof(attributes));
    attributes.prog_type = type;
    attributes.insns = (uint64_t)(uintptr_t)image->instructions;
    attributes.insn_cnt = image->count;
    attributes.license = (uint64_t)(uintptr_t)LICENSE;
    set_name(attributes.prog_name, sizeof(attributes.prog_name), "", name);
    if (log != NULL) {
        attributes.log_buf = (uint64_t)(uintptr_t)log;
        attributes.log_size = LOG_SIZE;
        attributes.log_level = 1;
    }
    return fd_bpf(BPF_PROG_LOAD, &attributes, sizeof(attributes));
}

/* The verifier's last words say what it did not like. */
static int refused(const struct image *image, uint32_t type, const char *name)
{
    int number = errno;
    char *log = calloc(1, LOG_SIZE);

    if (number == EPERM || number == ENOMEM || log == NULL) {
        free(log);
        errno = number;
        return fd_fail_errno(image->error, "loading an eBPF program");
    }
    int again = load(image, type, name, log);
    if (again >= 0) { /* it was short of something for a moment */
        free(log);
        return again;
    }
    size_t length = strlen(log);
    if (fd_lacks_capability()) /* without CAP_PERFMON the verifier trusts nobody */
        fd_fail_permission(image->error, number, "the kernel's verifier refuses an eBPF program");
    else
        fd_fail(image->error, FD_ERROR_FILTER, number,
                "the kernel's verifier refuses program %s (%s); please report this with: %s", name,
                strerror(number), log + (length > 700 ? length - 700 : 0));
    if (getenv("FASTDIVERT_VERIFIER_LOG") != NULL) {
        ssize_t written = write(2, log, length);
        (void)written;
    }
    free(log);
    return -1;
}

int fd_object_load(const struct fd_object *object, const char *function, uint32_t type,
                   const char *name, const struct fd_object_maps *maps, const struct fd_btf *btf,
                   const struct fd_replacement *replacement, struct fd_error *error)
{
    struct image image = {
        .object = object, .maps = maps, .btf = btf, .replacement = replacement, .error = error};
    int index = fd_object_find_function(object, function);
    int program = -1;

    if (index < 0 || object->function_count > FUNCTIONS_MAX)
        return fd_fail(error, FD_ERROR_ARGUMENT, 0, "the object has no function %s", function);
    if (link_image(&image, (uint32_t)index) == 0) {
        program = load(&image, type, name, NULL);
        if (program < 0)
            program = refused(&image, type, name);
    }
    free(image.instructions);
    return program;
}
