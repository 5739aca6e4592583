/* SPDX-License-Identifier: MIT */
#include "attach_tcx.h"

#include <errno.h>
#include <stdio.h>

#include "syscall.h"

#define CHAIN_MAX 64 /* the kernel's own limit of a tcx chain */
#define TRIES 100

/* Attributes of Linux 6.6, which older headers do not have. */
struct query_attributes {
    uint32_t target;
    uint32_t attach_type;
    uint32_t query_flags;
    uint32_t attach_flags;
    uint64_t program_ids;
    uint32_t count;
    uint32_t padding;
    uint64_t program_flags;
    uint64_t link_ids;
    uint64_t link_flags;
    uint64_t revision;
};

struct link_attributes {
    uint32_t program;
    uint32_t target;
    uint32_t attach_type;
    uint32_t flags;
    uint32_t relative;
    uint32_t padding;
    uint64_t expected_revision;
};

static uint32_t attach_type(enum fd_direction direction)
{
    return direction == FD_EGRESS ? FD_BPF_TCX_EGRESS : FD_BPF_TCX_INGRESS;
}

/* 1 and the priority if this program is a handle's. */
static int read_priority(uint32_t id, int *priority)
{
    union bpf_attr attributes;
    struct bpf_prog_info info;
    int biased;
    int end = 0;

    memset(&attributes, 0, sizeof(attributes));
    attributes.prog_id = id;
    int program = fd_bpf(BPF_PROG_GET_FD_BY_ID, &attributes, sizeof(attributes));
    if (program < 0)
        return 0;
    memset(&info, 0, sizeof(info));
    memset(&attributes, 0, sizeof(attributes));
    attributes.info.bpf_fd = (uint32_t)program;
    attributes.info.info_len = sizeof(info);
    attributes.info.info = (uint64_t)(uintptr_t)&info;
    int failed = fd_bpf(BPF_OBJ_GET_INFO_BY_FD, &attributes, sizeof(attributes));
    close(program);
    if (failed || sscanf(info.name, "fdv%5d%*[ei]%n", &biased, &end) != 1 || end != 9)
        return 0;
    *priority = biased - FD_PRIORITY_MAX;
    return 1;
}

/* The chain as it is; an empty one has no entry in the kernel. */
static int query(uint32_t ifindex, enum fd_direction direction, uint32_t ids[CHAIN_MAX],
                 struct query_attributes *attributes)
{
    memset(attributes, 0, sizeof(*attributes));
    attributes->target = ifindex;
    attributes->attach_type = attach_type(direction);
    attributes->program_ids = (uint64_t)(uintptr_t)ids;
    attributes->count = CHAIN_MAX;
    if (fd_bpf(BPF_PROG_QUERY, attributes, sizeof(*attributes)) == 0)
        return 0;
    attributes->count = 0;
    attributes->revision = 0;
    return errno == ENOENT ? 0 : -1;
}

int fd_tcx_attach(int program, uint32_t ifindex, enum fd_direction direction, int priority,
                  struct fd_error *error)
{
    uint32_t ids[CHAIN_MAX];
    struct query_attributes chain;

    /* Between the query and the link others may come and go: the kernel
     * compares the revision, and we look again. */
    for (int attempt = 0; attempt < TRIES; attempt++) {
        struct link_attributes attributes = {.program = (uint32_t)program,
                                             .target = ifindex,
                                             .attach_type = attach_type(direction),
                                             .flags = FD_BPF_F_AFTER};
        if (query(ifindex, direction, ids, &chain) < 0)
            break;
        for (uint32_t i = 0; i < chain.count; i++) {
            int other;
            if (read_priority(ids[i], &other) && other < priority) {
                attributes.flags = FD_BPF_F_BEFORE | FD_BPF_F_ID;
                attributes.relative = ids[i];
                break;
            }
        }
        attributes.expected_revision = chain.revision;
        int link = fd_bpf(BPF_LINK_CREATE, &attributes, sizeof(attributes));
        if (link >= 0)
            return link;
        if (errno != ESTALE && errno != ENOENT)
            break;
    }
    if (errno == ENODEV)
        return fd_fail(error, FD_ERROR_ARGUMENT, ENODEV, "interface %u does not exist", ifindex);
    if (errno == EINVAL)
        return fd_fail(error, FD_ERROR_KERNEL, EINVAL,
                       "this kernel cannot link programs to tcx; Linux 6.6 or later, built with "
                       "CONFIG_NET_XGRESS, is needed");
    if (errno == ERANGE)
        return fd_fail(error, FD_ERROR_BUSY, ERANGE,
                       "interface %u has %d programs already, and takes no more", ifindex,
                       CHAIN_MAX);
    return fd_fail_errno(error, "attaching to an interface");
}

int fd_tcx_replace(int link, int program, struct fd_error *error)
{
    union bpf_attr attributes;

    memset(&attributes, 0, sizeof(attributes));
    attributes.link_update.link_fd = (uint32_t)link;
    attributes.link_update.new_prog_fd = (uint32_t)program;
    if (fd_bpf(BPF_LINK_UPDATE, &attributes, sizeof(attributes)) < 0)
        return fd_fail_errno(error, "replacing a filter");
    return 0;
}
