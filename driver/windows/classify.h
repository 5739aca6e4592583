/* SPDX-License-Identifier: MIT */
/* The callouts: what happens to each packet that passes a layer of the filter
 * engine. Each layer that we stand in is a point. */
#ifndef FD_WINDOWS_CLASSIFY_H
#define FD_WINDOWS_CLASSIFY_H

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

/* Whether a handle of this enum fd_layer stands there. */
BOOLEAN fd_point_is_of(ULONG point, ULONG layer);

FWPS_CALLOUT_CLASSIFY_FN1 fd_classify_function(ULONG point);

#endif
