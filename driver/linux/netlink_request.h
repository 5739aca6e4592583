/* SPDX-License-Identifier: MIT */
/* Requests to the kernel's networking by netlink: one message, and what it answers. */
#ifndef FD_LINUX_NETLINK_REQUEST_H
#define FD_LINUX_NETLINK_REQUEST_H

#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

/* A socket of the calling thread's network namespace, whoever uses it later;
 * or -1. */
int fd_netlink_open(void);

/* A request about filters or queueing disciplines. */
struct fd_request {
    struct nlmsghdr header;
    struct tcmsg tc;
    uint8_t attributes[256];
};

void fd_request_begin(struct fd_request *request, uint16_t type, uint16_t flags, uint32_t ifindex);
void fd_request_put(struct fd_request *request, uint16_t type, const void *data, size_t size);
void fd_request_put_text(struct fd_request *request, uint16_t type, const char *text);
/* What is put between the two is inside of one attribute. */
struct rtattr *fd_request_open(struct fd_request *request, uint16_t type);
void fd_request_close(struct fd_request *request, struct rtattr *nest);

/* 0, or an errno that the kernel answered with. */
int fd_request_do(int socket, struct fd_request *request);

/* Tells every message of a dump; 0, or an errno. */
typedef void fd_request_row(void *context, const struct tcmsg *tc, const struct rtattr *first,
                            size_t size);
int fd_request_list(int socket, struct fd_request *request, fd_request_row *row, void *context);

/* The attribute of a type, or NULL. */
const struct rtattr *fd_attribute(const struct rtattr *first, size_t size, uint16_t type);
/* 1 if it is a text, and this one. */
int fd_attribute_says(const struct rtattr *attribute, const char *text);

#endif
