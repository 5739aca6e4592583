/* SPDX-License-Identifier: MIT */
#include "attach.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "attach_clsact.h"
#include "attach_tcx.h"
#include "netlink_request.h"

#define NO_OWNER 0u /* handles are numbered from 1 */

void fd_program_name(char name[FD_PROGRAM_NAME_SIZE], const char *kind, int priority,
                     enum fd_direction direction)
{
    (void)snprintf(name, FD_PROGRAM_NAME_SIZE, "%.3s%05d%c", kind,
                   (priority + FD_PRIORITY_MAX) % 100000, direction == FD_EGRESS ? 'e' : 'i');
}

static int is_clsact(const struct fd_attacher *attacher)
{
    return attacher->netlink >= 0;
}

static struct fd_clsact_filter filter_of(const struct fd_attacher *attacher,
                                         enum fd_direction direction)
{
    return (struct fd_clsact_filter){.owner = attacher->owner,
                                     .handle = attacher->trampolines.ids[direction],
                                     .program = attacher->trampolines.programs[direction],
                                     .priority = attacher->priority};
}

static void close_programs(struct fd_attacher *attacher)
{
    for (int direction = 0; direction < 2; direction++) {
        if (attacher->programs[direction] >= 0)
            close(attacher->programs[direction]);
        attacher->programs[direction] = -1;
    }
}

void fd_attacher_init(struct fd_attacher *attacher)
{
    *attacher = (struct fd_attacher){
        .programs = {-1, -1}, .netlink = -1, .trampolines = {.table = -1, .programs = {-1, -1}}};
}

int fd_attacher_open(struct fd_attacher *attacher, const struct fd_features *features,
                     uint32_t owner, int priority, struct fd_error *error)
{
    attacher->priority = priority;
    attacher->owner = owner;
    attacher->process = getpid();
    if (features->tcx)
        return 0;
    attacher->netlink = fd_netlink_open();
    if (attacher->netlink < 0)
        return fd_fail_errno(error, "opening a netlink socket");
    (void)fd_clsact_sweep(attacher->netlink, owner, 1);
    return fd_trampolines_open(&attacher->trampolines, priority, error);
}

void fd_attacher_close(struct fd_attacher *attacher)
{
    close_programs(attacher);
    fd_trampolines_close(&attacher->trampolines);
    if (attacher->netlink >= 0)
        close(attacher->netlink);
    attacher->netlink = -1;
}

int fd_attacher_set_programs(struct fd_attacher *attacher, const int programs[2],
                             struct fd_error *error)
{
    int failed =
        is_clsact(attacher) ? fd_trampolines_aim(&attacher->trampolines, programs, error) : 0;

    close_programs(attacher);
    memcpy(attacher->programs, programs, sizeof(attacher->programs));
    return failed;
}

int fd_attach(struct fd_attacher *attacher, uint32_t ifindex, enum fd_direction direction,
              struct fd_error *error)
{
    if (!is_clsact(attacher))
        return fd_tcx_attach(attacher->programs[direction], ifindex, direction, attacher->priority,
                             error);
    const struct fd_clsact_filter filter = filter_of(attacher, direction);
    return fd_clsact_attach(attacher->netlink, ifindex, direction, &filter, error);
}

void fd_detach(struct fd_attacher *attacher, uint32_t ifindex, enum fd_direction direction,
               int place)
{
    if (!is_clsact(attacher)) {
        close(place);
    } else if (attacher->process == getpid()) {
        const struct fd_clsact_filter filter = filter_of(attacher, direction);
        fd_clsact_detach(attacher->netlink, ifindex, direction, &filter);
    }
}

int fd_attach_replace(struct fd_attacher *attacher, int place, int program, struct fd_error *error)
{
    return is_clsact(attacher) ? 0 : fd_tcx_replace(place, program, error);
}

int fd_attach_sweep(int remove, struct fd_error *error)
{
    int netlink = fd_netlink_open();

    if (netlink < 0)
        return fd_fail_errno(error, "opening a netlink socket");
    int removed = fd_clsact_sweep(netlink, NO_OWNER, remove);
    close(netlink);
    return removed;
}
