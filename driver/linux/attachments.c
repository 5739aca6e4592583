/* SPDX-License-Identifier: MIT */
#include "attachments.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void fd_attachments_open(struct fd_attachments *attachments)
{
    *attachments = (struct fd_attachments){0};
    fd_attacher_init(&attachments->attacher);
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

static void detach(struct fd_attachments *attachments, struct fd_attachment *attachment)
{
    for (int direction = 0; direction < 2; direction++) {
        if (attachment->places[direction] >= 0)
            fd_detach(&attachments->attacher, attachment->index, (enum fd_direction)direction,
                      attachment->places[direction]);
        attachment->places[direction] = -1;
    }
}

static void attach(struct fd_attachments *attachments, struct fd_attachment *attachment)
{
    for (int direction = 0; direction < 2; direction++) {
        struct fd_error error = {0};
        if (attachment->places[direction] >= 0)
            continue;
        attachment->places[direction] = fd_attach(&attachments->attacher, attachment->index,
                                                  (enum fd_direction)direction, &error);
        /* One that has gone since it was announced is no failure. */
        if (attachment->places[direction] < 0 && error.number != ENODEV)
            if (attachments->failures++ == 0)
                attachments->error = error;
    }
}

/* What would pass unseen is a failure that is told. Once for a device: changes
 * of it are announced time and again. */
static void refuse(struct fd_attachments *attachments, struct fd_attachment *attachment)
{
    if (attachment->refused)
        return;
    attachment->refused = 1;
    if (attachments->failures++ == 0)
        fd_fail(&attachments->error, FD_ERROR_ARGUMENT, EOPNOTSUPP,
                "interface %u is a VLAN device with the tag in its frames, which is not "
                "supported: ip link set dev NAME type vlan reorder_hdr on",
                attachment->index);
}

static struct fd_attachment *add(struct fd_attachments *attachments, uint32_t index)
{
    struct fd_attachment *grown =
        realloc(attachments->list, (attachments->count + 1) * sizeof(*grown));

    if (grown == NULL)
        return NULL;
    attachments->list = grown;
    grown += attachments->count++;
    *grown = (struct fd_attachment){.index = index, .places = {-1, -1}};
    return grown;
}

/* ---- from any thread ----------------------------------------------------- */

void fd_attachments_detach(struct fd_attachments *attachments)
{
    pthread_mutex_lock(&attachments->lock);
    for (uint32_t i = 0; i < attachments->count; i++)
        detach(attachments, &attachments->list[i]);
    free(attachments->list);
    attachments->list = NULL;
    attachments->count = 0;
    fd_attacher_close(&attachments->attacher);
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
        if (interface->has_tags)
            refuse(attachments, attachment);
        else if (interface->has_ip)
            attach(attachments, attachment);
        else
            detach(attachments, attachment);
    }
    pthread_mutex_unlock(&attachments->lock);
}

void fd_attachments_gone(struct fd_attachments *attachments, uint32_t index)
{
    pthread_mutex_lock(&attachments->lock);
    struct fd_attachment *attachment = find(attachments, index);
    if (attachment != NULL) {
        detach(attachments, attachment);
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
            int place = attachments->list[i].places[direction];
            if (place >= 0 &&
                fd_attach_replace(&attachments->attacher, place, programs[direction], error) < 0 &&
                errno != ENOLINK) /* its interface has gone */
                failed = -1;
        }
    if (fd_attacher_set_programs(&attachments->attacher, programs, error) < 0)
        failed = -1;
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
        count += attachments->list[i].places[FD_EGRESS] >= 0;
    *failures = attachments->failures;
    pthread_mutex_unlock(&attachments->lock);
    return count;
}
