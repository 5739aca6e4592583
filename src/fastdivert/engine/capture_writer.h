/* SPDX-License-Identifier: MIT */
/*
 * Encodes rows as pcap or pcapng, little-endian, into the caller's buffer:
 * ask for the size, then fill. The file's header comes with the first call
 * (count may be 0). A file never claims what is not so: what its format or
 * link type cannot hold is refused, and fault_index says which row it is.
 */
#ifndef FD_ENGINE_CAPTURE_WRITER_H
#define FD_ENGINE_CAPTURE_WRITER_H

#include "capture.h"

/* pcapng only: each row as it came; one interface for each link and ifindex. */
#define FD_CAPTURE_LINK_KEEP FD_LINK_COUNT

struct fd_capture_output {
    uint32_t ifindex;
    uint8_t link;
};

struct fd_capture_writer {
    enum fd_capture_format format;
    enum fd_capture_fault fault;
    uint32_t fault_index;     /* of the row, in that call */
    uint32_t interfaces_used; /* of outputs; those not yet written are of the rows last measured */
    uint32_t interfaces_written;
    uint8_t link;       /* enum fd_link, or FD_CAPTURE_LINK_KEEP */
    uint8_t nanosecond; /* pcap: else microseconds; pcapng always is */
    uint8_t started;    /* the header is written */
    uint64_t packets;
    struct fd_capture_output outputs[FD_CAPTURE_INTERFACES];
};

/* link: FD_LINK_NONE writes raw IP, the packets of any rows without their L2
 * headers; another is the link type that every row must have. */
void fd_capture_writer_init(struct fd_capture_writer *writer, enum fd_capture_format format,
                            uint8_t link, int nanosecond);

/* Bytes that these rows will take now, or 0 with the fault set (and cleared by
 * the next call): then nothing of them can be written. */
uint64_t fd_capture_write_size(struct fd_capture_writer *writer,
                               const struct fd_descriptor *descriptors,
                               const struct fd_record *records, uint32_t count);

/* Writes the rows that were just measured. Returns how many bytes, or 0 with
 * the fault set; the writer then stands where it stood before. */
uint64_t fd_capture_write(struct fd_capture_writer *writer, const struct fd_descriptor *descriptors,
                          const struct fd_record *records, uint32_t count, uint8_t *out,
                          uint64_t room);

#endif
