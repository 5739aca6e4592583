/* SPDX-License-Identifier: MIT */
/* The least that a capture file can cost: mapped, walked, one descriptor for
 * each Ethernet frame. Little-endian pcap only. */
#include "packets.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* How many packets; at most room descriptors are written, over and over, as a
 * reader does that hands out batches. */
uint32_t limit_capture(const char *path, struct fd_descriptor *descriptors, uint32_t room,
                       uint64_t *ports)
{
    int file = open(path, O_RDONLY);
    struct stat status;
    if (file < 0 || fstat(file, &status) < 0)
        return 0;
    size_t size = (size_t)status.st_size;
    uint8_t *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    close(file);
    if (bytes == MAP_FAILED)
        return 0;

    uint32_t count = 0;
    size_t at = 24;
    while (at + 16 <= size) {
        const uint8_t *record = bytes + at;
        uint32_t captured = load32(record + 8);
        if (captured < 14 || captured > size - at - 16)
            break;
        /* The next record's place is not known, but its distance is likely one of few. */
        __builtin_prefetch(record + 16 + captured);
        struct fd_descriptor *to = &descriptors[count % room];
        to->timestamp = (load32(record) * 1000000ll + load32(record + 4)) * 1000;
        to->offset = (uint32_t)(at + 30);
        describe(record + 30, captured - 14, to);
        *ports += to->destination_port;
        count++;
        at += 16 + captured;
    }
    munmap(bytes, size);
    return count;
}
