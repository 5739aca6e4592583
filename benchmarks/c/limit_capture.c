/* SPDX-License-Identifier: MIT */
/* The least that a capture file can cost: read in pieces that stay in the
 * second-level cache (here that beats a mapping), one descriptor for each
 * Ethernet frame. Little-endian pcap only. */
#include "packets.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE 262144u
#define FILE_HEADER 24u
#define RECORD_HEADER 16u
#define ETHERNET 14u

/* Whole records in bytes; returns how much of bytes they are. */
static size_t walk(const uint8_t *bytes, size_t size, struct fd_descriptor *descriptors,
                   uint32_t room, uint32_t *count, uint64_t *ports)
{
    size_t at = 0;
    while (at + RECORD_HEADER <= size) {
        const uint8_t *record = bytes + at;
        uint32_t captured = load32(record + 8);
        if (captured < ETHERNET || captured > size - at - RECORD_HEADER)
            break;
        struct fd_descriptor *to = &descriptors[(*count)++ % room];
        to->timestamp = (load32(record) * 1000000ll + load32(record + 4)) * 1000;
        to->offset = (uint32_t)(at + RECORD_HEADER + ETHERNET);
        describe(record + RECORD_HEADER + ETHERNET, captured - ETHERNET, to);
        *ports += to->destination_port;
        at += RECORD_HEADER + captured;
    }
    return at;
}

/* How many packets; at most room descriptors are written, over and over, as a
 * reader does that hands out batches. */
uint32_t limit_capture(const char *path, struct fd_descriptor *descriptors, uint32_t room,
                       uint64_t *ports)
{
    static uint8_t buffer[2 * PIECE];
    uint32_t count = 0;
    size_t held = 0;
    ssize_t got;
    int file = open(path, O_RDONLY);
    if (file < 0)
        return 0;
    if (lseek(file, FILE_HEADER, SEEK_SET) == FILE_HEADER) {
        while ((got = read(file, buffer + held, PIECE)) > 0) {
            held += (size_t)got;
            size_t done = walk(buffer, held, descriptors, room, &count, ports);
            held -= done;
            if (held > PIECE)
                break; /* no record is that long */
            memmove(buffer, buffer + done, held);
        }
    }
    close(file);
    return count;
}
