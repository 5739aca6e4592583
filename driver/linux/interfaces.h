/* SPDX-License-Identifier: MIT */
/*
 * The namespace's interfaces and addresses, as they come and go. What exists
 * is told before fd_watch_open returns; what changes later, by a thread of its
 * own, because a handle must attach to a new interface at once, whether or not
 * its user is receiving.
 */
#ifndef FD_LINUX_INTERFACES_H
#define FD_LINUX_INTERFACES_H

#include <stdint.h>

#include "error.h"

struct fd_interface {
    uint32_t index;
    uint16_t type;      /* ARPHRD_ */
    uint8_t address[6]; /* of an Ethernet device */
    uint8_t has_ip;     /* 0: a port of a bridge, bond or switch: its IP packets are seen there */
    uint8_t has_tags;   /* a VLAN device whose frames have the tag in their header */
};

struct fd_watch_events {
    void *context;
    void (*interface_changed)(void *context, const struct fd_interface *interface);
    void (*interface_gone)(void *context, uint32_t index);
    /* Of the host; IPv4 is ::ffff-mapped. */
    void (*address_changed)(void *context, const uint8_t address[16], int exists);
};

struct fd_watch;

struct fd_watch *fd_watch_open(const struct fd_watch_events *events, struct fd_error *error);
void fd_watch_close(struct fd_watch *watch);

#endif
