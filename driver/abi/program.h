/* SPDX-License-Identifier: MIT */
/*
 * The compiled filter: what user space hands to a driver.
 *
 * A program is a list of tests. Test i compares one field with one constant
 * and goes to success or failure: a later test, ACCEPT or REJECT. Jumps only
 * go forward, so a program of n tests ends after at most n of them. A field
 * that the packet does not have makes its test fail, whatever the operator.
 *
 * Integers are in host byte order; a program never leaves the machine.
 */
#ifndef FD_ABI_PROGRAM_H
#define FD_ABI_PROGRAM_H

#include "ring.h"

#define FD_PROGRAM_TESTS_MAX 256u
#define FD_PROGRAM_ACCEPT 0x7ffeu
#define FD_PROGRAM_REJECT 0x7fffu

enum fd_operator {
    FD_OPERATOR_EQ = 0,
    FD_OPERATOR_NE = 1,
    FD_OPERATOR_LT = 2,
    FD_OPERATOR_LE = 3,
    FD_OPERATOR_GT = 4,
    FD_OPERATOR_GE = 5,
    FD_OPERATOR_COUNT = 6,
};

/* Headers that a packet can have; FD_HAS(header) is the bit in a set. */
enum fd_header {
    FD_HEADER_NONE = 0,
    FD_HEADER_IP = 1,
    FD_HEADER_IPV6 = 2,
    FD_HEADER_ICMP = 3,
    FD_HEADER_ICMPV6 = 4,
    FD_HEADER_TCP = 5,
    FD_HEADER_UDP = 6,
    FD_HEADER_COUNT = 7,
};
#define FD_HAS(header) (1u << (header))

enum fd_source {
    FD_SOURCE_META = 0,
    FD_SOURCE_HEADER = 1,
    FD_SOURCE_PACKET = 2,
    FD_SOURCE_PAYLOAD = 3,
};

enum fd_range {
    FD_RANGE_UNKNOWN = 0,
    FD_RANGE_BIT,
    FD_RANGE_BITS4,
    FD_RANGE_BITS8,
    FD_RANGE_BITS13,
    FD_RANGE_BITS16,
    FD_RANGE_BITS20,
    FD_RANGE_BITS32,
    FD_RANGE_BITS64,
    FD_RANGE_BITS128,
    FD_RANGE_IPV4, /* ::ffff:0.0.0.0 to ::ffff:255.255.255.255 */
    FD_RANGE_LAYERS,
    FD_RANGE_EVENTS,
    FD_RANGE_PRIORITY,  /* -30000 to 30000 */
    FD_RANGE_LENGTHS,   /* 20 to 40 + 65535 */
    FD_RANGE_TIMESTAMP, /* signed 64 bits */
};

enum fd_style {
    FD_STYLE_BOOL = 0,
    FD_STYLE_DECIMAL,
    FD_STYLE_HEX,
    FD_STYLE_IPV4,
    FD_STYLE_IPV6,
    FD_STYLE_LAYER,
    FD_STYLE_EVENT,
};

#define FD_L_N 1u  /* 1 << FD_LAYER_NETWORK */
#define FD_L_M 2u  /* 1 << FD_LAYER_NETWORK_FORWARD */
#define FD_L_F 4u  /* 1 << FD_LAYER_FLOW */
#define FD_L_S 8u  /* 1 << FD_LAYER_SOCKET */
#define FD_L_R 16u /* 1 << FD_LAYER_REFLECT */
#define FD_L_NMFSR (FD_L_N | FD_L_M | FD_L_F | FD_L_S | FD_L_R)
#define FD_L_NMFS_ (FD_L_N | FD_L_M | FD_L_F | FD_L_S)
#define FD_L_N_FS_ (FD_L_N | FD_L_F | FD_L_S)
#define FD_L_NM___ (FD_L_N | FD_L_M)
#define FD_L___FSR (FD_L_F | FD_L_S | FD_L_R)
#define FD_L___FS_ (FD_L_F | FD_L_S)
#define FD_L_____R FD_L_R

enum fd_field_id {
#define FD_FIELD(symbol, id, name, layers, source, header, offset, width, shift, bits, range, \
                 style)                                                                       \
    FD_FIELD_##symbol = id,
#include "fields.h"
#undef FD_FIELD
    FD_FIELD_COUNT = 86,
};

/* 32 bytes. The constant is a sign and a magnitude of 128 bits, least
 * significant word first; IPv4 addresses are ::ffff-mapped. */
struct fd_filter_test {
    uint16_t field;   /* enum fd_field_id */
    uint8_t op;       /* enum fd_operator */
    uint8_t negative; /* the constant is below zero */
    uint16_t success; /* a later test, FD_PROGRAM_ACCEPT or FD_PROGRAM_REJECT */
    uint16_t failure;
    int32_t index;     /* PACKET and PAYLOAD: byte index, below zero from the end */
    uint32_t reserved; /* 0 */
    uint32_t constant[4];
};

FD_ABI_ASSERT(sizeof(struct fd_filter_test) == 32, "fd_filter_test is 32 bytes");

struct fd_program {
    uint32_t length; /* 1 to FD_PROGRAM_TESTS_MAX */
    uint32_t layer;  /* enum fd_layer it was compiled for */
    struct fd_filter_test test[FD_PROGRAM_TESTS_MAX];
};

#endif
