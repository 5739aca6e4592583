/* SPDX-License-Identifier: MIT */
/* Packets on their way out of the stack. */
#ifndef FD_WINDOWS_CAPTURE_H
#define FD_WINDOWS_CAPTURE_H

#include "handle.h"
#include "inject.h"

/* One call of the filter engine for one handle. */
struct fd_capture {
    struct fd_handle *handle;
    const struct fd_program *program;
    struct fd_queue *queue;
    ULONG retreat;     /* bytes from the IP header to where a buffer begins */
    struct fd_way way; /* of the list that is looked at */
    LONG64 timestamp;
    struct fd_reservation reservation;
    BOOLEAN queued;   /* something is to be published */
    BOOLEAN absorbed; /* all of it is ours by now */
};

/* Judges every packet; sets queued and absorbed. */
void fd_capture_lists(struct fd_capture *capture, NET_BUFFER_LIST *lists);

#endif
