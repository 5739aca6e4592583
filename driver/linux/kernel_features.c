/* SPDX-License-Identifier: MIT */
#include "kernel_features.h"

#include <errno.h>
#include <stdlib.h>

#include "assembler.h"
#include "kernel_types.h"
#include "syscall.h"

#define LOOPBACK_IFINDEX 1
#define LICENSE "Dual MIT/GPL"
#define CALL_KERNEL(function) \
    FD_INSTRUCTION(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0, function)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* 1 if the verifier takes it. */
static int loads(const struct bpf_insn *instructions, uint32_t count)
{
    union bpf_attr attributes;

    memset(&attributes, 0, sizeof(attributes));
    attributes.prog_type = BPF_PROG_TYPE_SCHED_CLS;
    attributes.insns = (uint64_t)(uintptr_t)instructions;
    attributes.insn_cnt = count;
    attributes.license = (uint64_t)(uintptr_t)LICENSE;
    memcpy(attributes.prog_name, "fd_probe", 9);
    int program = fd_bpf(BPF_PROG_LOAD, &attributes, sizeof(attributes));
    if (program < 0)
        return 0;
    close(program);
    return 1;
}

static int find_casts(const struct fd_btf *btf)
{
    uint32_t function = btf == NULL ? 0 : fd_btf_function(btf, "bpf_cast_to_kern_ctx");
    const struct bpf_insn program[] = {CALL_KERNEL(function), FD_MOVE_VALUE(BPF_REG_0, 0),
                                       FD_EXIT()};

    return function != 0 && loads(program, COUNT(program));
}

static int find_reads(void)
{
    static const struct bpf_insn program[] = {
        FD_INSTRUCTION(BPF_ST | BPF_MEM | BPF_DW, BPF_REG_10, 0, -8, 0),
        FD_MOVE(BPF_REG_1, BPF_REG_10),
        FD_ALU64_VALUE(BPF_ADD, BPF_REG_1, -8),
        FD_MOVE_VALUE(BPF_REG_2, 8),
        FD_MOVE_VALUE(BPF_REG_3, 0),
        FD_CALL(BPF_FUNC_probe_read_kernel),
        FD_MOVE_VALUE(BPF_REG_0, 0),
        FD_EXIT()};

    return loads(program, COUNT(program));
}

static int find_loops(const struct fd_btf *btf)
{
    uint32_t begin = btf == NULL ? 0 : fd_btf_function(btf, "bpf_iter_num_new");
    uint32_t next = btf == NULL ? 0 : fd_btf_function(btf, "bpf_iter_num_next");
    uint32_t end = btf == NULL ? 0 : fd_btf_function(btf, "bpf_iter_num_destroy");
    const struct bpf_insn program[] = {FD_MOVE(BPF_REG_1, BPF_REG_10),
                                       FD_ALU64_VALUE(BPF_ADD, BPF_REG_1, -8),
                                       FD_MOVE_VALUE(BPF_REG_2, 0),
                                       FD_MOVE_VALUE(BPF_REG_3, 1),
                                       CALL_KERNEL(begin),
                                       FD_MOVE(BPF_REG_1, BPF_REG_10),
                                       FD_ALU64_VALUE(BPF_ADD, BPF_REG_1, -8),
                                       CALL_KERNEL(next),
                                       FD_MOVE(BPF_REG_1, BPF_REG_10),
                                       FD_ALU64_VALUE(BPF_ADD, BPF_REG_1, -8),
                                       CALL_KERNEL(end),
                                       FD_MOVE_VALUE(BPF_REG_0, 0),
                                       FD_EXIT()};

    return begin != 0 && next != 0 && end != 0 && loads(program, COUNT(program));
}

static int find_tcx(void)
{
    struct {
        uint32_t ifindex;
        uint32_t attach_type;
        uint8_t rest[56];
    } query = {LOOPBACK_IFINDEX, FD_BPF_TCX_EGRESS, {0}};

    /* An interface without programs has no chain yet. */
    return fd_bpf(BPF_PROG_QUERY, &query, sizeof(query)) == 0 || errno == ENOENT;
}

/* So that what an older kernel gets can be tried on a newer one. */
static int is_hidden(const char *feature)
{
    const char *list = getenv("FASTDIVERT_WITHOUT");

    return list != NULL && strstr(list, feature) != NULL;
}

int fd_features_find(struct fd_features *features, const struct fd_btf *btf, struct fd_error *error)
{
    static const struct bpf_insn empty[] = {FD_MOVE_VALUE(BPF_REG_0, 0), FD_EXIT()};

    *features = (struct fd_features){0};
    if (!loads(empty, COUNT(empty)))
        return fd_fail_errno(error, "loading an eBPF program");
    features->tcx = find_tcx() && !is_hidden("tcx");
    features->casts = find_casts(btf) && !is_hidden("casts");
    features->reads = find_reads() && !is_hidden("reads");
    features->loops = find_loops(btf) && !is_hidden("loops");
    return 0;
}

const char *fd_features_tier(const struct fd_features *features)
{
    return features->tcx ? "full" : "clsact";
}
