/* SPDX-License-Identifier: MIT */
/* A handle's place on every interface: two each, that come and go with it.
 * Every function may be called from any thread. */
#ifndef FD_LINUX_ATTACHMENTS_H
#define FD_LINUX_ATTACHMENTS_H

#include <pthread.h>
#include <stdint.h>

#include "attach.h"
#include "error.h"
#include "inject.h"
#include "interfaces.h"

struct fd_attachment {
    uint32_t index;
    struct fd_device device;
    int places[2]; /* by enum fd_direction; -1: none */
    int refused;   /* its packets cannot be taken, and that has been counted */
};

struct fd_attachments {
    pthread_mutex_t lock;
    struct fd_attacher attacher;
    struct fd_attachment *list;
    uint32_t count;
    uint32_t failures;
    struct fd_error error; /* the first one */
};

void fd_attachments_open(struct fd_attachments *attachments);
void fd_attachments_close(struct fd_attachments *attachments);

/* The places are given up, and the programs go. */
void fd_attachments_detach(struct fd_attachments *attachments);

void fd_attachments_changed(struct fd_attachments *attachments,
                            const struct fd_interface *interface);
void fd_attachments_gone(struct fd_attachments *attachments, uint32_t index);

/* Puts other programs in place of those of every interface, and keeps them. */
int fd_attachments_replace(struct fd_attachments *attachments, const int programs[2],
                           struct fd_error *error);

/* 0 if there is no such device. */
int fd_attachments_find(struct fd_attachments *attachments, uint32_t index,
                        struct fd_device *device);

/* How many interfaces are attached to, and in *failures how many could not be. */
uint32_t fd_attachments_count(struct fd_attachments *attachments, uint32_t *failures);

#endif
