/* SPDX-License-Identifier: MIT */
#include "interfaces.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/if_vlan.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink_request.h"
#include "thread.h"

#define BUFFER_SIZE (1 << 16)

struct fd_watch {
    struct fd_watch_events events;
    int socket;
    int stop; /* eventfd */
    pthread_t thread;
    int running;
    uint32_t sequence; /* of the last dump that was asked for */
    uint8_t buffer[BUFFER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
};

/* ---- messages ----------------------------------------------------------- */

/* The packets of a port are those of the bridge, bond or switch above it, and
 * are seen there; frames that it only bridges are no IP packets of this host.
 * A VRF is the other way round: its ports have the packets. */
static int has_ip(const struct rtattr *first, size_t size)
{
    const struct rtattr *info = fd_attribute(first, size, IFLA_LINKINFO);
    const struct rtattr *kind = NULL;
    const struct rtattr *port = NULL;

    if (info != NULL) {
        kind = fd_attribute(RTA_DATA(info), RTA_PAYLOAD(info), IFLA_INFO_KIND);
        port = fd_attribute(RTA_DATA(info), RTA_PAYLOAD(info), IFLA_INFO_SLAVE_KIND);
    }
    if (fd_attribute(first, size, IFLA_MASTER) != NULL)
        return fd_attribute_says(port, "vrf");
    return !fd_attribute_says(kind, "vrf");
}

/* "reorder_hdr off" of ip(8): what such a device sends and receives is no IP
 * frame, though the VLAN is its own. */
static int has_tags(const struct rtattr *first, size_t size)
{
    const struct rtattr *info = fd_attribute(first, size, IFLA_LINKINFO);
    struct ifla_vlan_flags flags;

    if (info == NULL)
        return 0;
    const struct rtattr *kind = fd_attribute(RTA_DATA(info), RTA_PAYLOAD(info), IFLA_INFO_KIND);
    const struct rtattr *data = fd_attribute(RTA_DATA(info), RTA_PAYLOAD(info), IFLA_INFO_DATA);
    if (data == NULL || !fd_attribute_says(kind, "vlan"))
        return 0;
    const struct rtattr *found = fd_attribute(RTA_DATA(data), RTA_PAYLOAD(data), IFLA_VLAN_FLAGS);
    if (found == NULL) /* the kernel leaves out flags of which none is set */
        return 1;
    if (RTA_PAYLOAD(found) < sizeof(flags))
        return 0;
    memcpy(&flags, RTA_DATA(found), sizeof(flags));
    return (flags.flags & VLAN_FLAG_REORDER_HDR) == 0;
}

static void read_link(struct fd_watch *watch, const struct nlmsghdr *message)
{
    const struct ifinfomsg *link = NLMSG_DATA(message);
    const struct rtattr *first = IFLA_RTA(link);
    size_t size = IFLA_PAYLOAD(message);
    struct fd_interface interface = {.index = (uint32_t)link->ifi_index, .type = link->ifi_type};

    /* A bridge announces its ports once more, in a family of its own. */
    if (link->ifi_family != AF_UNSPEC)
        return;
    if (message->nlmsg_type == RTM_DELLINK) {
        watch->events.interface_gone(watch->events.context, interface.index);
        return;
    }
    const struct rtattr *address = fd_attribute(first, size, IFLA_ADDRESS);
    if (address != NULL && RTA_PAYLOAD(address) == sizeof(interface.address))
        memcpy(interface.address, RTA_DATA(address), sizeof(interface.address));
    interface.has_ip = (uint8_t)has_ip(first, size);
    interface.has_tags = (uint8_t)has_tags(first, size);
    watch->events.interface_changed(watch->events.context, &interface);
}

static void tell_address(struct fd_watch *watch, const struct rtattr *attribute, int exists)
{
    uint8_t address[16] = {[10] = 0xff, [11] = 0xff};

    if (attribute == NULL)
        return;
    if (RTA_PAYLOAD(attribute) == 4)
        memcpy(address + 12, RTA_DATA(attribute), 4);
    else if (RTA_PAYLOAD(attribute) == 16)
        memcpy(address, RTA_DATA(attribute), 16);
    else
        return;
    watch->events.address_changed(watch->events.context, address, exists);
}

static void read_address(struct fd_watch *watch, const struct nlmsghdr *message)
{
    const struct ifaddrmsg *header = NLMSG_DATA(message);
    const struct rtattr *first = IFA_RTA(header);
    size_t size = IFA_PAYLOAD(message);
    int exists = message->nlmsg_type == RTM_NEWADDR;
    const struct rtattr *local = fd_attribute(first, size, IFA_LOCAL);

    /* On a point-to-point link IFA_ADDRESS is the peer's. */
    tell_address(watch, local != NULL ? local : fd_attribute(first, size, IFA_ADDRESS), exists);
    tell_address(watch, fd_attribute(first, size, IFA_BROADCAST), exists);
}

/* 1: the end of the dump that was asked for. */
static int read_message(struct fd_watch *watch, const struct nlmsghdr *message)
{
    switch (message->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
        read_link(watch, message);
        return 0;
    case RTM_NEWADDR:
    case RTM_DELADDR:
        read_address(watch, message);
        return 0;
    case NLMSG_DONE:
    case NLMSG_ERROR:
        return message->nlmsg_seq == watch->sequence;
    default:
        return 0;
    }
}

/* 1: a dump has ended; 0: go on; -1: errno. */
static int receive(struct fd_watch *watch, int flags)
{
    ssize_t got = recv(watch->socket, watch->buffer, sizeof(watch->buffer), flags);
    int done = 0;

    if (got < 0)
        return -1;
    size_t left = (size_t)got;
    for (const struct nlmsghdr *message = (const struct nlmsghdr *)watch->buffer;
         NLMSG_OK(message, left); message = NLMSG_NEXT(message, left))
        done |= read_message(watch, message);
    return done;
}

static int ask(struct fd_watch *watch, uint16_t type)
{
    struct {
        struct nlmsghdr header;
        struct ifinfomsg body; /* long enough for struct ifaddrmsg too */
    } request = {.header = {.nlmsg_len = sizeof(request),
                            .nlmsg_type = type,
                            .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                            .nlmsg_seq = ++watch->sequence}};

    return send(watch->socket, &request, sizeof(request), 0) < 0 ? -1 : 0;
}

static int dump(struct fd_watch *watch)
{
    static const uint16_t types[] = {RTM_GETLINK, RTM_GETADDR};

    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        int done = 0;
        if (ask(watch, types[i]) < 0)
            return -1;
        while (!done) {
            done = receive(watch, 0);
            if (done < 0 && errno != EINTR && errno != ENOBUFS)
                return -1;
            if (done < 0) /* messages were lost: what we know may be wrong */
                done = errno == ENOBUFS ? (ask(watch, types[i]) < 0 ? -1 : 0) : 0;
            if (done < 0)
                return -1;
        }
    }
    return 0;
}

/* ---- the thread --------------------------------------------------------- */

static void *follow(void *argument)
{
    struct fd_watch *watch = argument;
    struct pollfd files[2] = {{.fd = watch->socket, .events = POLLIN},
                              {.fd = watch->stop, .events = POLLIN}};

    for (;;) {
        if (poll(files, 2, -1) < 0 && errno != EINTR)
            return NULL;
        if (files[1].revents != 0)
            return NULL;
        if (files[0].revents != 0 && receive(watch, MSG_DONTWAIT) < 0 && errno == ENOBUFS)
            (void)dump(watch); /* more happened than the socket could hold */
    }
}

static int start(struct fd_watch *watch)
{
    int failed = fd_thread_start(&watch->thread, follow, watch);

    watch->running = failed == 0;
    errno = failed;
    return failed ? -1 : 0;
}

struct fd_watch *fd_watch_open(const struct fd_watch_events *events, struct fd_error *error)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK,
                                  .nl_groups =
                                      RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
    struct fd_watch *watch = calloc(1, sizeof(*watch));

    if (watch == NULL) {
        fd_fail(error, FD_ERROR_MEMORY, ENOMEM, "no memory to watch interfaces");
        return NULL;
    }
    watch->events = *events;
    watch->stop = eventfd(0, EFD_CLOEXEC);
    /* Subscribed before asking, so that nothing falls between. */
    watch->socket = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (watch->stop < 0 || watch->socket < 0 ||
        bind(watch->socket, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        dump(watch) < 0 || start(watch) < 0) {
        fd_fail_errno(error, "listing the interfaces");
        fd_watch_close(watch);
        return NULL;
    }
    return watch;
}

void fd_watch_close(struct fd_watch *watch)
{
    uint64_t one = 1;

    if (watch == NULL)
        return;
    if (watch->running) {
        ssize_t written = write(watch->stop, &one, sizeof(one));
        (void)written;
        pthread_join(watch->thread, NULL);
    }
    if (watch->socket >= 0)
        close(watch->socket);
    if (watch->stop >= 0)
        close(watch->stop);
    free(watch);
}
