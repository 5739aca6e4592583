/* SPDX-License-Identifier: MIT */
/* What a filter looks at: one packet or event, with everything known of it. */
#ifndef FD_CORE_SUBJECT_H
#define FD_CORE_SUBJECT_H

#include "packet.h"

/* For events bytes is the record's struct fd_data_socket or fd_data_reflect
 * (FD_EVENT_DATA_SIZE bytes, any alignment) and parsed is not used. */
struct fd_subject {
    const struct fd_descriptor *descriptor;
    const uint8_t *bytes;
    uint32_t captured;
    const struct fd_parsed *parsed;
};

#endif
