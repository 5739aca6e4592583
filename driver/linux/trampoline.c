/* SPDX-License-Identifier: MIT */
#include "trampoline.h"

#include <linux/pkt_cls.h>
#include <stdio.h>

#include "assembler.h"
#include "attach.h"
#include "syscall.h"

#define LICENSE "Dual MIT/GPL"

static int create_table(void)
{
    union bpf_attr attributes;

    memset(&attributes, 0, sizeof(attributes));
    attributes.map_type = BPF_MAP_TYPE_PROG_ARRAY;
    attributes.key_size = sizeof(uint32_t);
    attributes.value_size = sizeof(uint32_t);
    attributes.max_entries = 2;
    memcpy(attributes.map_name, "fd_trampoline", 14);
    return fd_bpf(BPF_MAP_CREATE, &attributes, sizeof(attributes));
}

static int load(int table, int priority, enum fd_direction direction)
{
    const struct bpf_insn program[] = {
        FD_INSTRUCTION(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_2, BPF_PSEUDO_MAP_FD, 0, table),
        FD_INSTRUCTION(0, 0, 0, 0, 0),
        FD_MOVE_VALUE(BPF_REG_3, direction),
        FD_CALL(BPF_FUNC_tail_call),
        FD_MOVE_VALUE(BPF_REG_0, TC_ACT_UNSPEC), /* the table is empty */
        FD_EXIT()};
    union bpf_attr attributes;

    memset(&attributes, 0, sizeof(attributes));
    attributes.prog_type = BPF_PROG_TYPE_SCHED_CLS;
    attributes.insns = (uint64_t)(uintptr_t)program;
    attributes.insn_cnt = sizeof(program) / sizeof(program[0]);
    attributes.license = (uint64_t)(uintptr_t)LICENSE;
    fd_program_name(attributes.prog_name, FD_TRAMPOLINE_NAME, priority, direction);
    return fd_bpf(BPF_PROG_LOAD, &attributes, sizeof(attributes));
}

static int read_id(int program, uint32_t *id)
{
    struct bpf_prog_info info;
    union bpf_attr attributes;

    memset(&info, 0, sizeof(info));
    memset(&attributes, 0, sizeof(attributes));
    attributes.info.bpf_fd = (uint32_t)program;
    attributes.info.info_len = sizeof(info);
    attributes.info.info = (uint64_t)(uintptr_t)&info;
    if (fd_bpf(BPF_OBJ_GET_INFO_BY_FD, &attributes, sizeof(attributes)) < 0)
        return -1;
    *id = info.id;
    return 0;
}

int fd_trampolines_open(struct fd_trampolines *trampolines, int priority, struct fd_error *error)
{
    *trampolines = (struct fd_trampolines){.table = create_table(), .programs = {-1, -1}};
    if (trampolines->table < 0)
        return fd_fail_errno(error, "creating a table of eBPF programs");
    for (int direction = 0; direction < 2; direction++) {
        trampolines->programs[direction] =
            load(trampolines->table, priority, (enum fd_direction)direction);
        if (trampolines->programs[direction] < 0 ||
            read_id(trampolines->programs[direction], &trampolines->ids[direction]) < 0)
            return fd_fail_errno(error, "loading a trampoline");
    }
    return 0;
}

void fd_trampolines_close(struct fd_trampolines *trampolines)
{
    for (int direction = 0; direction < 2; direction++) {
        if (trampolines->programs[direction] >= 0)
            close(trampolines->programs[direction]);
        trampolines->programs[direction] = -1;
    }
    if (trampolines->table >= 0)
        close(trampolines->table);
    trampolines->table = -1;
}

int fd_trampolines_aim(struct fd_trampolines *trampolines, const int programs[2],
                       struct fd_error *error)
{
    for (uint32_t direction = 0; direction < 2; direction++) {
        union bpf_attr attributes;
        uint32_t program = (uint32_t)programs[direction];
        memset(&attributes, 0, sizeof(attributes));
        attributes.map_fd = (uint32_t)trampolines->table;
        attributes.key = (uint64_t)(uintptr_t)&direction;
        attributes.value = (uint64_t)(uintptr_t)&program;
        if (fd_bpf(BPF_MAP_UPDATE_ELEM, &attributes, sizeof(attributes)) < 0)
            return fd_fail_errno(error, "putting a program into its table");
    }
    return 0;
}
