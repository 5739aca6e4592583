/* SPDX-License-Identifier: MIT */
#include "attach_clsact.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "owner.h"
#include "netlink_request.h"

#define NAME "fastdivert:"
#define NAME_SIZE 32

/* Preferences begin at 1; the highest priority comes first. */
static uint32_t preference(int priority)
{
    return (uint32_t)(FD_PRIORITY_MAX - priority + 1);
}

static uint32_t parent(enum fd_direction direction)
{
    return TC_H_MAKE(TC_H_CLSACT, direction == FD_EGRESS ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);
}

/* "fastdivert:7", and "fastdivert:7:made" where the discipline is ours too: the
 * mark is handed on for as long as a filter of ours is there. */
static void write_name(char name[NAME_SIZE], uint32_t owner, int made)
{
    (void)snprintf(name, NAME_SIZE, NAME "%u%s", owner, made ? ":made" : "");
}

static int read_name(const char *text, uint32_t *owner, int *made)
{
    int end = 0;

    *made = 0;
    if (sscanf(text, NAME "%u%n", owner, &end) != 1)
        return 0;
    *made = strcmp(text + end, ":made") == 0;
    return *made || text[end] == '\0';
}

/* ---- what is there ------------------------------------------------------- */

struct ours {
    uint32_t handle;
    uint32_t info; /* preference and protocol */
    uint32_t owner;
};

struct filters {
    uint32_t total; /* anybody's */
    uint32_t count; /* ours */
    int made;
    struct ours *rows;
};

static void note_filter(void *context, const struct tcmsg *tc, const struct rtattr *first,
                        size_t size)
{
    struct filters *filters = context;
    const struct rtattr *options = fd_attribute(first, size, TCA_OPTIONS);
    const struct rtattr *name;
    struct ours row = {.handle = tc->tcm_handle, .info = tc->tcm_info};
    char text[NAME_SIZE];
    int made;

    filters->total++;
    if (options == NULL || !fd_attribute_says(fd_attribute(first, size, TCA_KIND), "bpf"))
        return;
    name = fd_attribute(RTA_DATA(options), RTA_PAYLOAD(options), TCA_BPF_NAME);
    if (name == NULL || RTA_PAYLOAD(name) >= sizeof(text))
        return;
    memcpy(text, RTA_DATA(name), RTA_PAYLOAD(name));
    text[RTA_PAYLOAD(name)] = '\0';
    if (!read_name(text, &row.owner, &made))
        return;
    struct ours *grown = realloc(filters->rows, (filters->count + 1) * sizeof(*grown));
    if (grown == NULL)
        return;
    filters->rows = grown;
    grown[filters->count++] = row;
    filters->made |= made;
}

/* Adds to *filters, whose rows are the caller's to free. */
static int list_filters(int netlink, uint32_t ifindex, enum fd_direction direction,
                        struct filters *filters)
{
    struct fd_request request;

    fd_request_begin(&request, RTM_GETTFILTER, 0, ifindex);
    request.tc.tcm_parent = parent(direction);
    return fd_request_list(netlink, &request, note_filter, filters);
}

static int list_both(int netlink, uint32_t ifindex, struct filters *filters)
{
    int number = list_filters(netlink, ifindex, FD_INGRESS, filters);

    return number ? number : list_filters(netlink, ifindex, FD_EGRESS, filters);
}

struct discipline {
    uint32_t ifindex;
    int is_clsact;
    int is_other;
};

static void note_discipline(void *context, const struct tcmsg *tc, const struct rtattr *first,
                            size_t size)
{
    struct discipline *wanted = context;

    if ((uint32_t)tc->tcm_ifindex != wanted->ifindex || tc->tcm_parent != TC_H_CLSACT)
        return;
    if (fd_attribute_says(fd_attribute(first, size, TCA_KIND), "clsact"))
        wanted->is_clsact = 1;
    else
        wanted->is_other = 1;
}

/* ---- the queueing discipline --------------------------------------------- */

static void begin_discipline(struct fd_request *request, uint16_t type, uint16_t flags,
                             uint32_t ifindex)
{
    fd_request_begin(request, type, flags, ifindex);
    request->tc.tcm_parent = TC_H_CLSACT;
    request->tc.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
    fd_request_put_text(request, TCA_KIND, "clsact");
}

/* "ingress" sits in the same place, and has no egress: a filter for that would
 * be put at ingress. */
static int check_discipline(int netlink, uint32_t ifindex, struct fd_error *error)
{
    struct discipline found = {.ifindex = ifindex};
    struct fd_request request;

    fd_request_begin(&request, RTM_GETQDISC, 0, 0);
    int number = fd_request_list(netlink, &request, note_discipline, &found);
    if (number != 0) {
        errno = number;
        return fd_fail_errno(error, "listing queueing disciplines");
    }
    if (found.is_other)
        return fd_fail(error, FD_ERROR_BUSY, EEXIST,
                       "interface %u has the queueing discipline \"ingress\", which leaves no "
                       "place for programs at egress; replace it by clsact (tc qdisc replace dev "
                       "NAME clsact), or use Linux 6.6 or later",
                       ifindex);
    return 0;
}

/* 1 if a handle of ours has made the one that is there, this one included. */
static int make_discipline(int netlink, uint32_t ifindex, int *made, struct fd_error *error)
{
    struct filters filters = {0};
    struct fd_request request;

    begin_discipline(&request, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, ifindex);
    int number = fd_request_do(netlink, &request);
    *made = number == 0;
    if (number == 0)
        return 0;
    if (number == ENODEV)
        return fd_fail(error, FD_ERROR_ARGUMENT, ENODEV, "interface %u does not exist", ifindex);
    if (number == ENOENT || number == EOPNOTSUPP)
        return fd_fail(error, FD_ERROR_KERNEL, number,
                       "this kernel has neither tcx nor the queueing discipline clsact; load its "
                       "module sch_ingress, or use Linux 6.6 or later");
    if (number != EEXIST) {
        errno = number;
        return fd_fail_errno(error, "making a queueing discipline");
    }
    if (check_discipline(netlink, ifindex, error) < 0)
        return -1;
    (void)list_both(netlink, ifindex, &filters);
    *made = filters.made;
    free(filters.rows);
    return 0;
}

/* If it is ours, and nobody's filter is left. */
static void remove_discipline(int netlink, uint32_t ifindex, int made)
{
    struct filters filters = {0};
    struct fd_request request;

    if (made && list_both(netlink, ifindex, &filters) == 0 && filters.total == 0) {
        begin_discipline(&request, RTM_DELQDISC, 0, ifindex);
        (void)fd_request_do(netlink, &request);
    }
    free(filters.rows);
}

/* ---- filters ------------------------------------------------------------- */

static int add_filter(int netlink, uint32_t ifindex, enum fd_direction direction,
                      const struct fd_clsact_filter *filter, int made)
{
    const uint32_t direct = TCA_BPF_FLAG_ACT_DIRECT;
    char name[NAME_SIZE];
    struct fd_request request;

    write_name(name, filter->owner, made);
    fd_request_begin(&request, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, ifindex);
    request.tc.tcm_parent = parent(direction);
    request.tc.tcm_handle = filter->handle;
    request.tc.tcm_info = TC_H_MAKE(preference(filter->priority) << 16, htons(ETH_P_ALL));
    fd_request_put_text(&request, TCA_KIND, "bpf");
    struct rtattr *options = fd_request_open(&request, TCA_OPTIONS);
    fd_request_put(&request, TCA_BPF_FD, &filter->program, sizeof(filter->program));
    fd_request_put_text(&request, TCA_BPF_NAME, name);
    fd_request_put(&request, TCA_BPF_FLAGS, &direct, sizeof(direct));
    fd_request_close(&request, options);
    return fd_request_do(netlink, &request);
}

static int remove_filter(int netlink, uint32_t ifindex, enum fd_direction direction,
                         uint32_t handle, uint32_t info)
{
    struct fd_request request;

    fd_request_begin(&request, RTM_DELTFILTER, 0, ifindex);
    request.tc.tcm_parent = parent(direction);
    request.tc.tcm_handle = handle;
    request.tc.tcm_info = info;
    fd_request_put_text(&request, TCA_KIND, "bpf");
    return fd_request_do(netlink, &request);
}

int fd_clsact_attach(int netlink, uint32_t ifindex, enum fd_direction direction,
                     const struct fd_clsact_filter *filter, struct fd_error *error)
{
    int made = 0;
    int lock = fd_owner_lock(error);

    if (lock < 0)
        return -1;
    int failed = make_discipline(netlink, ifindex, &made, error);
    int number = failed ? 0 : add_filter(netlink, ifindex, direction, filter, made);
    if (number != 0)
        remove_discipline(netlink, ifindex, made);
    fd_owner_unlock(lock);
    if (failed)
        return -1;
    switch (number) {
    case 0:
        return 0;
    case ENODEV:
        return fd_fail(error, FD_ERROR_ARGUMENT, ENODEV, "interface %u does not exist", ifindex);
    case ENOENT:
        return fd_fail(error, FD_ERROR_KERNEL, ENOENT,
                       "this kernel has no filters of kind bpf; load its module cls_bpf");
    case EINVAL:
        return fd_fail(error, FD_ERROR_BUSY, EINVAL,
                       "another program's filter has the preference %u of interface %u, where "
                       "priority %d belongs; choose another priority",
                       preference(filter->priority), ifindex, filter->priority);
    default:
        errno = number;
        return fd_fail_errno(error, "attaching to an interface");
    }
}

void fd_clsact_detach(int netlink, uint32_t ifindex, enum fd_direction direction,
                      const struct fd_clsact_filter *filter)
{
    struct filters before = {0};
    uint32_t info = TC_H_MAKE(preference(filter->priority) << 16, htons(ETH_P_ALL));
    int lock = fd_owner_lock(NULL);

    (void)list_both(netlink, ifindex, &before);
    /* Whoever deletes the interface deletes this too. */
    (void)remove_filter(netlink, ifindex, direction, filter->handle, info);
    remove_discipline(netlink, ifindex, before.made);
    free(before.rows);
    if (lock >= 0)
        fd_owner_unlock(lock);
}

/* ---- what dead handles left ---------------------------------------------- */

struct devices {
    uint32_t count;
    uint32_t *ifindex;
};

static void note_device(void *context, const struct tcmsg *tc, const struct rtattr *first,
                        size_t size)
{
    struct devices *devices = context;

    if (tc->tcm_parent != TC_H_CLSACT ||
        !fd_attribute_says(fd_attribute(first, size, TCA_KIND), "clsact"))
        return;
    uint32_t *grown = realloc(devices->ifindex, (devices->count + 1) * sizeof(*grown));
    if (grown == NULL)
        return;
    devices->ifindex = grown;
    grown[devices->count++] = (uint32_t)tc->tcm_ifindex;
}

static int sweep_interface(int netlink, uint32_t ifindex, uint32_t owner, int remove)
{
    int removed = 0;
    int made = 0;

    for (int direction = 0; direction < 2; direction++) {
        struct filters filters = {0};
        (void)list_filters(netlink, ifindex, (enum fd_direction)direction, &filters);
        made |= filters.made;
        for (uint32_t i = 0; i < filters.count; i++) {
            const struct ours *row = &filters.rows[i];
            if (row->owner == owner || !fd_owner_lives(row->owner))
                removed += !remove || remove_filter(netlink, ifindex, (enum fd_direction)direction,
                                                    row->handle, row->info) == 0;
        }
        free(filters.rows);
    }
    if (removed && remove)
        remove_discipline(netlink, ifindex, made);
    return removed;
}

int fd_clsact_sweep(int netlink, uint32_t owner, int remove)
{
    struct devices devices = {0};
    struct fd_request request;
    int removed = 0;
    int lock = fd_owner_lock(NULL);

    fd_request_begin(&request, RTM_GETQDISC, 0, 0);
    if (lock >= 0 && fd_request_list(netlink, &request, note_device, &devices) == 0)
        for (uint32_t i = 0; i < devices.count; i++)
            removed += sweep_interface(netlink, devices.ifindex[i], owner, remove);
    free(devices.ifindex);
    if (lock >= 0)
        fd_owner_unlock(lock);
    return removed;
}
