/* SPDX-License-Identifier: MIT */
/*
 * hook tcx IFNAME: drops all that IFNAME receives, by a link at its tcx ingress, until it ends.
 * hook pin PATH:   pins the same program at PATH, for `tc filter add ... bpf direct-action`.
 *
 * By bare system calls: what a kernel can do must not depend on what a library knows of it.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TCX_INGRESS = 46 }; /* BPF_TCX_INGRESS, which the headers of Linux 6.1 do not have */

static int bpf(enum bpf_cmd command, union bpf_attr *attributes)
{
    return (int)syscall(SYS_bpf, command, attributes, sizeof *attributes);
}

static int fail(const char *what)
{
    fprintf(stderr, "hook: %s: %s\n", what, strerror(errno));
    return 1;
}

static int load_dropper(uint32_t attach_type)
{
    static const struct bpf_insn program[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = TC_ACT_SHOT},
        {.code = BPF_JMP | BPF_EXIT},
    };
    union bpf_attr attributes;

    memset(&attributes, 0, sizeof attributes);
    attributes.prog_type = BPF_PROG_TYPE_SCHED_CLS;
    attributes.expected_attach_type = attach_type;
    attributes.insns = (uintptr_t)program;
    attributes.insn_cnt = sizeof program / sizeof program[0];
    attributes.license = (uintptr_t)"MIT";
    return bpf(BPF_PROG_LOAD, &attributes);
}

static int link_until_killed(const char *interface)
{
    union bpf_attr attributes;
    int program = load_dropper(TCX_INGRESS);

    if (program < 0)
        return fail("no program for tcx");
    memset(&attributes, 0, sizeof attributes);
    attributes.link_create.prog_fd = (uint32_t)program;
    attributes.link_create.target_ifindex = if_nametoindex(interface);
    attributes.link_create.attach_type = TCX_INGRESS;
    if (bpf(BPF_LINK_CREATE, &attributes) < 0)
        return fail("no tcx link");
    puts("linked");
    fflush(stdout);
    pause();
    return 0;
}

static int pin(const char *path)
{
    union bpf_attr attributes;
    int program = load_dropper(0);

    if (program < 0)
        return fail("no program for tc");
    memset(&attributes, 0, sizeof attributes);
    attributes.pathname = (uintptr_t)path;
    attributes.bpf_fd = (uint32_t)program;
    return bpf(BPF_OBJ_PIN, &attributes) < 0 ? fail(path) : 0;
}

int main(int count, char **arguments)
{
    if (count == 3 && strcmp(arguments[1], "tcx") == 0)
        return link_until_killed(arguments[2]);
    if (count == 3 && strcmp(arguments[1], "pin") == 0)
        return pin(arguments[2]);
    fputs("usage: hook tcx IFNAME | hook pin PATH\n", stderr);
    return 2;
}
