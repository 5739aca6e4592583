/* SPDX-License-Identifier: MIT */
/*
 * An eBPF object as build_object.py leaves it: functions with their
 * instructions, and a list of the places that only the running kernel, or this
 * handle, can fill in. No ELF is read at run time.
 */
#ifndef FD_LINUX_OBJECT_H
#define FD_LINUX_OBJECT_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "syscall.h"

enum fd_relocation_kind {
    FD_RELOCATE_MAP,      /* index: of the map */
    FD_RELOCATE_CONFIG,   /* index: offset in struct fd_live_config */
    FD_RELOCATE_FUNCTION, /* index: of a function of this object */
    FD_RELOCATE_KERNEL,   /* name: a kernel function; index 1: one that may be missing */
    FD_RELOCATE_OFFSET,   /* the rest: name.member of a kernel struct */
    FD_RELOCATE_SIZE,
    FD_RELOCATE_EXISTS,
    FD_RELOCATE_SHIFT_LEFT, /* of a bit-field in a 64-bit word */
    FD_RELOCATE_SHIFT_RIGHT,
};

struct fd_relocation {
    uint32_t at; /* instruction */
    uint32_t kind;
    uint32_t index;
    const char *name;
    const char *member;
};

struct fd_object_function {
    const char *name;
    const uint64_t *instructions;
    uint32_t count;
    uint32_t relocation_count;
    const struct fd_relocation *relocations;
};

struct fd_object_map {
    const char *name;
    uint32_t type;
    uint32_t key_size;
    uint32_t value_size; /* 0, and entries 0: the handle says */
    uint32_t entries;
    uint32_t flags;
};

struct fd_object {
    const struct fd_object_map *maps;
    const struct fd_object_function *functions;
    uint32_t map_count;
    uint32_t function_count;
};

#define FD_OBJECT_MAPS_MAX 16

/* The maps of one loaded handle, in the object's order, and its constants. */
struct fd_object_maps {
    int map[FD_OBJECT_MAPS_MAX];
    int config;
};

/* What stands in for a function of the object: the generated filter. */
struct fd_replacement {
    const char *name;
    const struct bpf_insn *instructions;
    uint32_t count;
};

struct fd_btf;

/* The index of a map or function, or -1. */
int fd_object_find_map(const struct fd_object *object, const char *name);
int fd_object_find_function(const struct fd_object *object, const char *name);

/* A map of the object, with sizes of its own where the object leaves them
 * open. Returns its descriptor, or -1. */
int fd_object_create_map(const struct fd_object_map *map, uint32_t value_size, uint32_t entries,
                         struct fd_error *error);

/* Read-only data that the verifier knows the values of. */
int fd_object_create_config(const void *config, uint32_t size, struct fd_error *error);

/* Links function and all that it calls, fills everything in, and loads it as
 * a program of this type and name. Returns its descriptor, or -1. */
int fd_object_load(const struct fd_object *object, const char *function, uint32_t type,
                   const char *name, const struct fd_object_maps *maps, const struct fd_btf *btf,
                   const struct fd_replacement *replacement, struct fd_error *error);

#endif
