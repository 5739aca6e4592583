/* SPDX-License-Identifier: MIT */
/*
 * What a test says to the stand-in filter engine, over a message pipe: packets
 * that arrive at a layer, and what has become of them. A struct is one message,
 * cut off after its data.
 */
#ifndef FD_WINE_WIRE_H
#define FD_WINE_WIRE_H

#include <stdint.h>

#define FD_WIRE_PIPE "\\\\.\\pipe\\fastdivert-standin"
#define FD_WIRE_PACKET_MOST 65575u

/* Where packets are classified; the stand-in's numbers, not WFP's. */
enum fd_wire_layer {
    FD_WIRE_INBOUND_V4 = 0,
    FD_WIRE_INBOUND_V6 = 1,
    FD_WIRE_OUTBOUND_V4 = 2,
    FD_WIRE_OUTBOUND_V6 = 3,
    FD_WIRE_FORWARD_V4 = 4,
    FD_WIRE_FORWARD_V6 = 5,
    FD_WIRE_LAYER_COUNT = 6,
};

enum fd_wire_operation {
    FD_WIRE_OFFER = 1, /* the packet comes to its layer: reply.result is enum fd_wire_fate */
    FD_WIRE_TAKE = 2,  /* the next packet that got through, within request.patience ms:
                          reply.result is 1, or 0 */
    FD_WIRE_STATE = 3, /* the data is struct fd_wire_state */
};

enum fd_wire_fate {
    FD_WIRE_PASSED = 0, /* no callout wanted it */
    FD_WIRE_TAKEN = 1,  /* blocked and absorbed: it is the driver's */
};

struct fd_wire_request {
    uint32_t operation;
    uint32_t layer;
    uint32_t conditions; /* FWP_CONDITION_FLAG_... */
    uint32_t ifindex;
    uint32_t subifindex;
    uint32_t lists;   /* OFFER: so many NET_BUFFER_LISTs in a chain, */
    uint32_t buffers; /* with so many NET_BUFFERs each, all of this packet */
    uint32_t split;   /* not 0: each in two MDLs, the first of so many bytes */
    uint32_t info;    /* its TcpIpChecksumNetBufferListInfo */
    uint32_t patience;
    uint32_t length; /* of data */
    uint8_t data[FD_WIRE_PACKET_MOST];
};

struct fd_wire_reply {
    uint32_t result;
    uint32_t layer; /* TAKE: where it got through, */
    uint32_t ifindex;
    uint32_t subifindex;
    uint32_t injected; /* and whether a driver had put it there */
    uint32_t length;
    uint8_t data[FD_WIRE_PACKET_MOST];
};

#define FD_WIRE_REQUEST_HEAD 44u
#define FD_WIRE_REPLY_HEAD 24u

struct fd_wire_state {
    uint32_t callouts;
    uint32_t sessions;
    uint32_t filters;
    uint32_t injection_handles;
    uint32_t lists;      /* allocated and not freed */
    uint32_t in_flight;  /* injected and not completed */
    uint32_t injected;   /* ever */
    uint32_t waiting;    /* to be taken by TAKE */
    uint32_t regions;    /* of user memory, locked */
    uint32_t complaints; /* rules of WFP that the driver broke */
    char complaint[96];  /* the last of them */
};

#endif
