/* SPDX-License-Identifier: MIT */
#include "probe.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include "kernel_types.h"
#include "live.h"
#include "syscall.h"

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
    return fd_fail_errno(error, "bpf(2)");
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

    return fd_live_try(&options, error);
}

int fd_probe_features(struct fd_features *features, struct fd_error *error)
{
    struct fd_btf *btf = fd_btf_open(NULL);
    int failed = fd_features_find(features, btf, error);

    fd_btf_close(btf);
    return failed;
}

int fd_probe(struct fd_check checks[FD_CHECK_COUNT])
{
    static const struct {
        const char *name;
        int (*run)(struct fd_error *error);
    } table[FD_CHECK_COUNT] = {
        [FD_CHECK_BPF] = {"bpf", check_bpf},
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
