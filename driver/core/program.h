/* SPDX-License-Identifier: MIT */
/* The filter program: checked once, then run on one packet at a time. */
#ifndef FD_CORE_PROGRAM_H
#define FD_CORE_PROGRAM_H

#include "field.h"
#include "subject.h"

/* Why a program was refused; test is the index of the first bad test. */
enum fd_program_fault {
    FD_PROGRAM_OK = 0,
    FD_PROGRAM_BAD_LENGTH,
    FD_PROGRAM_BAD_LAYER,
    FD_PROGRAM_BAD_FIELD, /* no such field, or not in this layer */
    FD_PROGRAM_BAD_OPERATOR,
    FD_PROGRAM_BAD_JUMP,     /* backwards, or past the end */
    FD_PROGRAM_BAD_INDEX,    /* outside -65535 .. 65535 - width, or not 0 where there is none */
    FD_PROGRAM_BAD_CONSTANT, /* negative is not 0 or 1, or minus zero */
    FD_PROGRAM_BAD_RESERVED,
};

/* A field's value: sign and 128-bit magnitude, least significant word first. */
struct fd_value {
    uint32_t word[4];
    uint32_t negative;
};

/* size is the number of bytes that program points to: a header of 8 bytes and
 * 32 a test; a caller that copies from user space passes what it copied. */
enum fd_program_fault fd_program_verify(const struct fd_program *program, uint64_t size,
                                        uint32_t *test);

/* 1: the filter matches. The program must have been verified. At the packet
 * layers what is no packet (parsed->headers == 0) matches nothing. */
int fd_program_run(const struct fd_program *program, const struct fd_subject *subject);

/* 1 and the value if the subject has the field, else 0. index is for PACKET
 * and PAYLOAD fields. layer is the handle's. */
int fd_field_load(unsigned field, int32_t index, unsigned layer, const struct fd_subject *subject,
                  struct fd_value *value);

#endif
