/* SPDX-License-Identifier: MIT */
/* The test's side of the pipe to the stand-in filter engine, and its packets. */
#ifndef FD_WINE_CLIENT_HOST_H
#define FD_WINE_CLIENT_HOST_H

#include <windows.h>

#include "wire.h"

/* 0, or -1 after some seconds without a stand-in. */
int host_connect(void);
void host_disconnect(void);

/* A datagram of this length (from 28), told apart by a number. */
void host_make_datagram(uint8_t *packet, uint32_t length, uint32_t number);

/* What comes next: the rest of the request is set by the test. */
extern struct fd_wire_request host_request;
extern struct fd_wire_reply host_reply;

/* A datagram comes to a layer; the fields of host_request hold but for these. */
enum fd_wire_fate host_offer(enum fd_wire_layer layer, uint32_t length, uint32_t number);

/* The next packet that got through: 1, or 0 after patience milliseconds. */
int host_take(uint32_t patience);

struct fd_wire_state host_state(void);

#endif
