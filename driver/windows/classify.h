/* SPDX-License-Identifier: MIT */
/* The callouts: what happens to each packet that passes a layer of the filter
 * engine. Each layer that we stand in is a point. */
#ifndef FD_WINDOWS_CLASSIFY_H
#define FD_WINDOWS_CLASSIFY_H

#include "../core/program.h"
#include "nt.h"

enum fd_point {
    FD_POINT_INBOUND_V4,
    FD_POINT_INBOUND_V6,
    FD_POINT_OUTBOUND_V4,
    FD_POINT_OUTBOUND_V6,
    FD_POINT_FORWARD_V4,
    FD_POINT_FORWARD_V6,
    FD_POINT_COUNT,
};

const GUID *fd_point_layer(ULONG point);

/* The points, as a set, at which a program could match anything. */
ULONG fd_points_of(const struct fd_program *program);

FWPS_CALLOUT_CLASSIFY_FN1 fd_classify_function(ULONG point);

#endif
