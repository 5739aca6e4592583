/* SPDX-License-Identifier: MIT */
#include "probe.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <sys/socket.h>

#include "kernel_types.h"
#include "live.h"
#include "syscall.h"

#define LOOPBACK_IFINDEX 1
#define LOCKDOWN "/sys/kernel/security/lockdown"

static int check_bpf(struct fd_error *error)
{
    union bpf_attr attributes;

    memset(&attributes, 0, sizeof(attributes));
    attributes.map_type = BPF_MAP_TYPE_ARRAY;
    attributes.key_size = 4;
    attributes.value_size = 8;
    attributes.max_entries = 1;
    attributes.map_flags = BPF_F_MMAPABLE;
    int map = fd_bpf(BPF_MAP_CREATE, &attributes, sizeof(attributes));
    if (map >= 0) {
        close(map);
        return 0;
    }
    if (errno == ENOSYS)
        return fd_fail(error, FD_ERROR_KERNEL, ENOSYS,
                       "this kernel was built without CONFIG_BPF_SYSCALL, or a container's seccomp "
                       "profile hides bpf(2); allow it there");
    return fd_fail_errno(error, "bpf(2)");
}

static int check_btf(struct fd_error *error)
{
    struct fd_btf *btf = fd_btf_open(error);

    fd_btf_close(btf);
    return btf == NULL ? -1 : 0;
}

static int check_kfuncs(struct fd_error *error)
{
    static const char *const names[] = {"bpf_cast_to_kern_ctx", "bpf_iter_num_new"};
    struct fd_btf *btf = fd_btf_open(error);
    int failed = btf == NULL ? -1 : 0;

    for (unsigned i = 0; !failed && i < sizeof(names) / sizeof(names[0]); i++)
        if (fd_btf_function(btf, names[i]) == 0)
            failed = fd_fail(error, FD_ERROR_KERNEL, 0,
                             "this kernel has no %s; Linux 6.6 or later is needed", names[i]);
    fd_btf_close(btf);
    return failed;
}

static int check_tcx(struct fd_error *error)
{
    struct {
        uint32_t ifindex;
        uint32_t attach_type;
        uint8_t rest[56];
    } query = {LOOPBACK_IFINDEX, FD_BPF_TCX_EGRESS, {0}};

    /* An interface without programs has no chain yet. */
    if (fd_bpf(BPF_PROG_QUERY, &query, sizeof(query)) == 0 || errno == ENOENT)
        return 0;
    if (errno == EINVAL)
        return fd_fail(error, FD_ERROR_KERNEL, EINVAL,
                       "this kernel cannot link programs to tcx; Linux 6.6 or later, built with "
                       "CONFIG_NET_XGRESS, is needed");
    return fd_fail_errno(error, "asking for the programs of loopback");
}

static int check_socket(struct fd_error *error)
{
    int yes = 1;
    int made = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

    if (made < 0)
        return fd_fail_errno(error, "opening a packet socket");
    int failed = setsockopt(made, SOL_PACKET, PACKET_VNET_HDR, &yes, sizeof(yes));
    if (failed)
        fd_fail_errno(error, "asking a packet socket for offload headers");
    close(made);
    return failed;
}

/* In confidentiality mode nobody may read kernel memory, as programs must. */
static int is_locked_down(void)
{
    char text[128] = {0};
    FILE *file = fopen(LOCKDOWN, "re");

    if (file == NULL)
        return 0;
    size_t got = fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    return got != 0 && strstr(text, "[confidentiality]") != NULL;
}

static int check_programs(struct fd_error *error)
{
    static const struct fd_program all = {.length = 1,
                                          .layer = FD_LAYER_NETWORK,
                                          .test = {{.field = FD_FIELD_ZERO,
                                                    .op = FD_OPERATOR_EQ,
                                                    .success = FD_PROGRAM_ACCEPT,
                                                    .failure = FD_PROGRAM_REJECT}}};
    struct fd_live_options options = {
        .program = &all, .queue_length = FD_QUEUE_LENGTH_MIN, .queue_size = FD_QUEUE_SIZE_MIN};

    if (fd_live_try(&options, error) == 0)
        return 0;
    if (is_locked_down())
        return fd_fail(error, FD_ERROR_LOCKDOWN, 0,
                       "this kernel is locked down for confidentiality (" LOCKDOWN
                       "), which forbids programs that read packets' metadata; boot with "
                       "lockdown=integrity, or without Secure Boot");
    return -1;
}

int fd_probe(struct fd_check checks[FD_CHECK_COUNT])
{
    static const struct {
        const char *name;
        int (*run)(struct fd_error *error);
    } table[FD_CHECK_COUNT] = {
        [FD_CHECK_BPF] = {"bpf", check_bpf},
        [FD_CHECK_BTF] = {"btf", check_btf},
        [FD_CHECK_KFUNCS] = {"kernel functions", check_kfuncs},
        [FD_CHECK_TCX] = {"tcx", check_tcx},
        [FD_CHECK_SOCKET] = {"packet socket", check_socket},
        [FD_CHECK_PROGRAMS] = {"programs", check_programs},
    };
    int all = 1;

    for (int i = 0; i < FD_CHECK_COUNT; i++) {
        checks[i] = (struct fd_check){.name = table[i].name};
        checks[i].good = table[i].run(&checks[i].error) == 0;
        all &= checks[i].good;
    }
    return all;
}
