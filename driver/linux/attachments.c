/* SPDX-License-Identifier: MIT */
#include "attachments.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach.h"

void fd_attachments_open(struct fd_attachments *attachments, int priority)
{
    *attachments = (struct fd_attachments){.priority = priority, .programs = {-1, -1}};
    pthread_mutex_init(&attachments->lock, NULL);
}

void fd_attachments_close(struct fd_attachments *attachments)
{
    fd_attachments_detach(attachments);
    pthread_mutex_destroy(&attachments->lock);
}

/* ---- with the lock held -------------------------------------------------- */

static struct fd_attachment *find(struct fd_attachments *attachments, uint32_t index)
{
    for (uint32_t i = 0; i < attachments->count; i++)
        if (attachments->list[i].index == index)
            return &attachments->list[i];
    return NULL;
}

static void detach(struct fd_attachment *attachment)
{
    for (int direction = 0; direction < 2; direction++) {
        if (attachment->links[direction] >= 0)
            close(attachment->links[direction]);
        attachment->links[direction] = -1;
    }
}

static void attach(struct fd_attachments *attachments, struct fd_attachment *attachment)
{
    for (int direction = 0; direction < 2; direction++) {
        struct fd_error error = {0};
        if (attachment->links[direction] >= 0)
            continue;
        attachment->links[direction] =
            fd_attach(attachments->programs[direction], attachment->index,
                      (enum fd_direction)direction, attachments->priority, &error);
        /* One that has gone since it was announced is no failure. */
        if (attachment->links[direction] < 0 && error.number != ENODEV)
            if (attachments->failures++ == 0)
                attachments->error = error;
    }
}

static struct fd_attachment *add(struct fd_attachments *attachments, uint32_t index)
{
    struct fd_attachment *grown =
        realloc(attachments->list, (attachments->count + 1) * sizeof(*grown));

    if (grown == NULL)
        return NULL;
    attachments->list = grown;
    grown += attachments->count++;
    *grown = (struct fd_attachment){.index = index, .links = {-1, -1}};
    return grown;
}

static void close_programs(struct fd_attachments *attachments)
{
    for (int direction = 0; direction < 2; direction++) {
        if (attachments->programs[direction] >= 0)
            close(attachments->programs[direction]);
        attachments->programs[direction] = -1;
    }
}

/* ---- from any thread ----------------------------------------------------- */

void fd_attachments_detach(struct fd_attachments *attachments)
{
    pthread_mutex_lock(&attachments->lock);
    for (uint32_t i = 0; i < attachments->count; i++)
        detach(&attachments->list[i]);
    free(attachments->list);
    attachments->list = NULL;
    attachments->count = 0;
    close_programs(attachments);
    pthread_mutex_unlock(&attachments->lock);
}

void fd_attachments_changed(struct fd_attachments *attachments,
                            const struct fd_interface *interface)
{
    pthread_mutex_lock(&attachments->lock);
    struct fd_attachment *attachment = find(attachments, interface->index);
    if (attachment == NULL)
        attachment = add(attachments, interface->index);
    if (attachment == NULL) {
        attachments->failures++;
    } else {
        attachment->device.type = interface->type;
        memcpy(attachment->device.address, interface->address, sizeof(interface->address));
        if (interface->has_ip)
            attach(attachments, attachment);
        else
            detach(attachment);
    }
    pthread_mutex_unlock(&attachments->lock);
}

void fd_attachments_gone(struct fd_attachments *attachments, uint32_t index)
{
    pthread_mutex_lock(&attachments->lock);
    struct fd_attachment *attachment = find(attachments, index);
    if (attachment != NULL) {
        detach(attachment);
        *attachment = attachments->list[--attachments->count];
    }
    pthread_mutex_unlock(&attachments->lock);
}

int fd_attachments_replace(struct fd_attachments *attachments, const int programs[2],
                           struct fd_error *error)
{
    int failed = 0;

    pthread_mutex_lock(&attachments->lock);
    for (uint32_t i = 0; i < attachments->count; i++)
        for (int direction = 0; direction < 2; direction++) {
            int link = attachments->list[i].links[direction];
            if (link >= 0 && fd_attach_replace(link, programs[direction], error) < 0 &&
                errno != ENOLINK) /* its interface has gone */
                failed = -1;
        }
    close_programs(attachments);
    memcpy(attachments->programs, programs, sizeof(attachments->programs));
    pthread_mutex_unlock(&attachments->lock);
    return failed;
}

int fd_attachments_find(struct fd_attachments *attachments, uint32_t index,
                        struct fd_device *device)
{
    pthread_mutex_lock(&attachments->lock);
    const struct fd_attachment *attachment = find(attachments, index);
    int found = attachment != NULL;
    if (found)
        *device = attachment->device;
    pthread_mutex_unlock(&attachments->lock);
    return found;
}

uint32_t fd_attachments_count(struct fd_attachments *attachments, uint32_t *failures)
{
    uint32_t count = 0;

    pthread_mutex_lock(&attachments->lock);
    for (uint32_t i = 0; i < attachments->count; i++)
        count += attachments->list[i].links[FD_EGRESS] >= 0;
    *failures = attachments->failures;
    pthread_mutex_unlock(&attachments->lock);
    return count;
}
