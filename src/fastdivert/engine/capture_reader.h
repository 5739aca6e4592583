/* SPDX-License-Identifier: MIT */
/*
 * Reads a pcap or pcapng file that lies in memory into rows: a descriptor, a
 * record that points straight at the packet's bytes in the file, and what was
 * parsed of it. Nothing is copied or allocated.
 *
 * Every packet of the file becomes a row. A frame that is not IP, is cut off
 * within its L2 header, or has a link type that is not understood, is a row
 * with FD_FLAG_MALFORMED whose packet begins after what is known of L2.
 *
 * A fault ends the reading: what lies before it has been delivered, and
 * reader->fault and fault_offset say what is wrong, and where.
 */
#ifndef FD_ENGINE_CAPTURE_READER_H
#define FD_ENGINE_CAPTURE_READER_H

#include "capture.h"
#include "capture_time.h"
#include "core/packet.h"

/* A pcapng interface, or the one of a pcap file. */
struct fd_capture_interface {
    struct fd_capture_clock clock;
    uint64_t name_offset; /* in the file; UTF-8, not terminated */
    uint32_t name_length; /* 0: not given */
    uint32_t link_type;   /* enum fd_capture_link_type, or another */
    uint32_t snaplen;     /* 0: no limit */
};

struct fd_capture_reader {
    uint8_t *base;
    uint64_t size;
    uint64_t position; /* of the next record or block */
    uint64_t packets;  /* delivered so far */
    uint64_t fault_offset;
    enum fd_capture_fault fault;
    enum fd_capture_format format;
    uint8_t big_endian;       /* of pcapng: the section's */
    uint8_t nanosecond;       /* pcap only */
    uint32_t interface_count; /* of pcapng: described so far in this section */
    struct fd_capture_interface interfaces[FD_CAPTURE_INTERFACES];
};

/* Recognizes the file and reads up to its first packet, so that the interfaces
 * described before it are known. base must stay until the last record dies. A
 * file that is no capture sets the fault; reading it gives no rows. */
void fd_capture_open(struct fd_capture_reader *reader, uint8_t *base, uint64_t size);

/* Fills up to most (at least 1) rows and returns how many; 0 always means the
 * end or a fault. Fewer than most means that, or that the rows would span more
 * than descriptor.offset can say, or that a pcapng section ends: interfaces[]
 * describes the rows just read. offset counts from *origin, a place in the
 * file. sequence runs through the file; ifindex is the pcapng interface
 * (numbered from 0 in each section), else 0. */
uint32_t fd_capture_read(struct fd_capture_reader *reader, uint32_t most,
                         struct fd_descriptor *descriptors, struct fd_record *records,
                         struct fd_parsed *parsed, uint64_t *origin);

/* ---- between capture_reader.c and capture_pcapng.c ---------------------- */

/* The rows of one call of fd_capture_read. */
struct fd_capture_rows {
    struct fd_descriptor *descriptors;
    struct fd_record *records;
    struct fd_parsed *parsed;
    uint64_t origin;
    uint32_t count;
    uint32_t most;
};

static inline void fd_capture_fail(struct fd_capture_reader *reader, enum fd_capture_fault fault,
                                   uint64_t offset)
{
    reader->fault = fault;
    reader->fault_offset = offset;
}

void fd_pcapng_read(struct fd_capture_reader *reader, struct fd_capture_rows *rows);

#endif
