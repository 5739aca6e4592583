/* SPDX-License-Identifier: MIT */
/*
 * A reader of BTF (Documentation/bpf/btf.rst) for two questions only: which id
 * has a function, and where is a member of a struct. One pass notes where each
 * type stands; names are compared in place.
 */
#include "kernel_types.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BTF_PATH "/sys/kernel/btf/vmlinux"
#define DEPTH_MAX 16 /* of typedefs and of anonymous structs */

/* Kinds newer than our build headers. */
enum { KIND_FLOAT = 16, KIND_DECL_TAG = 17, KIND_TYPE_TAG = 18, KIND_ENUM64 = 19 };

struct fd_btf {
    uint8_t *data;
    const char *strings;
    uint32_t string_size;
    const struct btf_type **types; /* by id; 0 is void */
    uint32_t count;
};

static const char *text(const struct fd_btf *btf, uint32_t offset)
{
    return offset < btf->string_size ? btf->strings + offset : "";
}

/* Bytes behind a type's fixed part; -1: a kind from the future. */
static int64_t extra_size(const struct btf_type *type)
{
    uint32_t count = BTF_INFO_VLEN(type->info);

    switch (BTF_INFO_KIND(type->info)) {
    case BTF_KIND_INT:
    case BTF_KIND_VAR:
    case KIND_DECL_TAG:
        return 4;
    case BTF_KIND_ARRAY:
        return sizeof(struct btf_array);
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION:
        return (int64_t)count * (int64_t)sizeof(struct btf_member);
    case BTF_KIND_ENUM:
    case BTF_KIND_FUNC_PROTO:
        return (int64_t)count * 8;
    case BTF_KIND_DATASEC:
    case KIND_ENUM64:
        return (int64_t)count * 12;
    case BTF_KIND_PTR:
    case BTF_KIND_FWD:
    case BTF_KIND_TYPEDEF:
    case BTF_KIND_VOLATILE:
    case BTF_KIND_CONST:
    case BTF_KIND_RESTRICT:
    case BTF_KIND_FUNC:
    case KIND_FLOAT:
    case KIND_TYPE_TAG:
        return 0;
    default:
        return -1;
    }
}

static uint8_t *read_file(const char *path, size_t *size)
{
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC);

    if (file < 0)
        return NULL;
    uint8_t *data = NULL;
    if (fstat(file, &status) == 0 && status.st_size > 0)
        data = malloc((size_t)status.st_size);
    *size = 0;
    while (data != NULL && *size < (size_t)status.st_size) {
        ssize_t got = read(file, data + *size, (size_t)status.st_size - *size);
        if (got <= 0)
            break;
        *size += (size_t)got;
    }
    close(file);
    return data;
}

static int index_types(struct fd_btf *btf, const uint8_t *at, const uint8_t *end)
{
    uint32_t room = 0;

    btf->count = 1;
    while (at + sizeof(struct btf_type) <= end) {
        const struct btf_type *type = (const struct btf_type *)at;
        int64_t extra = extra_size(type);
        if (extra < 0 || (int64_t)(end - at) < (int64_t)sizeof(*type) + extra)
            return 0;
        if (btf->count >= room) {
            room = room * 2 + 65536;
            const struct btf_type **grown = realloc(btf->types, room * sizeof(*grown));
            if (grown == NULL)
                return 0;
            btf->types = grown;
        }
        btf->types[btf->count++] = type;
        at += (int64_t)sizeof(*type) + extra;
    }
    return btf->count > 1;
}

struct fd_btf *fd_btf_open(struct fd_error *error)
{
    struct fd_btf *btf = calloc(1, sizeof(*btf));
    size_t size = 0;

    if (btf == NULL) {
        fd_fail(error, FD_ERROR_MEMORY, ENOMEM, "no memory for the kernel's type information");
        return NULL;
    }
    btf->data = read_file(BTF_PATH, &size);
    if (btf->data == NULL) {
        fd_fail(error, FD_ERROR_KERNEL, errno,
                "cannot read %s (%s): this kernel was built without CONFIG_DEBUG_INFO_BTF, or /sys "
                "is hidden in this container; use a distribution kernel, and mount sysfs",
                BTF_PATH, strerror(errno));
        fd_btf_close(btf);
        return NULL;
    }
    const struct btf_header *header = (const struct btf_header *)btf->data;
    uint64_t begin = size >= sizeof(*header) ? header->hdr_len : size;
    if (size < sizeof(*header) || header->magic != BTF_MAGIC ||
        begin + header->type_off + header->type_len > size ||
        begin + header->str_off + header->str_len > size || header->str_len == 0 ||
        btf->data[begin + header->str_off + header->str_len - 1] != 0) {
        fd_fail(error, FD_ERROR_KERNEL, 0, "%s is not BTF as we know it", BTF_PATH);
        fd_btf_close(btf);
        return NULL;
    }
    btf->strings = (const char *)btf->data + begin + header->str_off;
    btf->string_size = header->str_len;
    const uint8_t *types = btf->data + begin + header->type_off;
    if (!index_types(btf, types, types + header->type_len)) {
        fd_fail(error, FD_ERROR_KERNEL, 0,
                "%s holds a kind of type that this fastdivert does not know; update fastdivert",
                BTF_PATH);
        fd_btf_close(btf);
        return NULL;
    }
    return btf;
}

void fd_btf_close(struct fd_btf *btf)
{
    if (btf == NULL)
        return;
    free(btf->types);
    free(btf->data);
    free(btf);
}

static uint32_t find(const struct fd_btf *btf, uint32_t kind, const char *name)
{
    for (uint32_t id = 1; id < btf->count; id++)
        if (BTF_INFO_KIND(btf->types[id]->info) == kind &&
            strcmp(text(btf, btf->types[id]->name_off), name) == 0)
            return id;
    return 0;
}

uint32_t fd_btf_function(const struct fd_btf *btf, const char *name)
{
    return find(btf, BTF_KIND_FUNC, name);
}

/* Behind typedefs and qualifiers; NULL for void. */
static const struct btf_type *plain(const struct fd_btf *btf, uint32_t id)
{
    for (int depth = 0; depth < DEPTH_MAX && id != 0 && id < btf->count; depth++) {
        const struct btf_type *type = btf->types[id];
        switch (BTF_INFO_KIND(type->info)) {
        case BTF_KIND_TYPEDEF:
        case BTF_KIND_VOLATILE:
        case BTF_KIND_CONST:
        case BTF_KIND_RESTRICT:
        case KIND_TYPE_TAG:
            id = type->type;
            break;
        default:
            return type;
        }
    }
    return NULL;
}

static uint32_t size_of(const struct btf_type *type)
{
    if (type == NULL)
        return 0;
    return BTF_INFO_KIND(type->info) == BTF_KIND_PTR ? (uint32_t)sizeof(void *) : type->size;
}

static int search(const struct fd_btf *btf, const struct btf_type *type, const char *name,
                  uint32_t base, int depth, struct fd_btf_member *found)
{
    uint32_t kind = BTF_INFO_KIND(type->info);

    if ((kind != BTF_KIND_STRUCT && kind != BTF_KIND_UNION) || depth > DEPTH_MAX)
        return 0;
    const struct btf_member *member = (const struct btf_member *)(type + 1);
    for (uint32_t i = 0; i < BTF_INFO_VLEN(type->info); i++, member++) {
        int packed = BTF_INFO_KFLAG(type->info) != 0;
        uint32_t bit = base + (packed ? BTF_MEMBER_BIT_OFFSET(member->offset) : member->offset);
        const struct btf_type *of = plain(btf, member->type);
        if (of == NULL)
            continue;
        if (member->name_off == 0) {
            if (search(btf, of, name, bit, depth + 1, found))
                return 1;
        } else if (strcmp(text(btf, member->name_off), name) == 0) {
            uint32_t bits = packed ? BTF_MEMBER_BITFIELD_SIZE(member->offset) : 0;
            *found = (struct fd_btf_member){
                .bit = bit, .bits = bits ? bits : size_of(of) * 8, .size = size_of(of)};
            return 1;
        }
    }
    return 0;
}

int fd_btf_member(const struct fd_btf *btf, const char *type, const char *name,
                  struct fd_btf_member *member)
{
    uint32_t id = find(btf, BTF_KIND_STRUCT, type);

    return id != 0 && search(btf, btf->types[id], name, 0, 0, member);
}
