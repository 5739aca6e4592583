/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a capture file. The reader must end, every row must lie within
 * the file (the copy has its exact size, so ASan sees the first byte beyond),
 * and what was read must come back the same after it was written in each
 * format and read again.
 */
#include "capture_reader.h"
#include "capture_writer.h"
#include "fuzz.h"

struct rows {
    struct fd_descriptor *descriptors;
    struct fd_record *records;
    struct fd_parsed *parsed;
    uint32_t count;
};

static void *allocate(size_t size)
{
    void *memory = malloc(size > 0 ? size : 1);

    REQUIRE(memory != NULL);
    return memory;
}

static void release(struct rows *rows)
{
    free(rows->descriptors);
    free(rows->records);
    free(rows->parsed);
}

static void check_row(const struct fd_capture_reader *reader, const struct rows *rows, uint32_t i,
                      uint64_t origin)
{
    const struct fd_descriptor *descriptor = &rows->descriptors[i];
    const struct fd_record *record = &rows->records[i];
    const struct fd_parsed *parsed = &rows->parsed[i];
    uint64_t at = (uint64_t)(record->packet - reader->base);
    volatile uint8_t touched = 0;

    REQUIRE(at <= reader->size && record->captured <= reader->size - at);
    REQUIRE(record->l2_length <= at && record->l2_length <= FD_L2_MAX);
    REQUIRE(at == origin + descriptor->offset);
    REQUIRE(record->captured == descriptor->captured);
    REQUIRE(record->captured <= FD_CAPTURED_MAX);
    REQUIRE(record->l2_length == descriptor->l2_length);
    REQUIRE(descriptor->captured <= descriptor->length);
    REQUIRE(((descriptor->flags & FD_FLAG_TRUNCATED) != 0) ==
            (descriptor->captured < descriptor->length));
    REQUIRE(((descriptor->flags & FD_FLAG_MALFORMED) != 0) == (parsed->headers == 0));
    REQUIRE(parsed->payload_offset <= record->captured);
    REQUIRE(parsed->payload_length <= record->captured - parsed->payload_offset);
    REQUIRE(descriptor->sequence == i);
    REQUIRE(descriptor->link < FD_LINK_COUNT);
    for (const uint8_t *p = record->packet - record->l2_length;
         p < record->packet + record->captured; p++)
        touched ^= *p;
}

/* Everything that is in the file; chunk rows at a time. */
static void read_all(struct fd_capture_reader *reader, uint8_t *base, size_t size, uint32_t chunk,
                     struct rows *rows)
{
    /* No record is shorter than a pcap header, and no packet block than this. */
    size_t most = size / FD_PCAP_RECORD_SIZE + 1;

    rows->descriptors = allocate(most * sizeof(*rows->descriptors));
    rows->records = allocate(most * sizeof(*rows->records));
    rows->parsed = allocate(most * sizeof(*rows->parsed));
    rows->count = 0;
    fd_capture_open(reader, base, size);
    for (;;) {
        uint64_t origin;
        uint32_t left = (uint32_t)most - rows->count;
        uint32_t got =
            fd_capture_read(reader, chunk < left ? chunk : left, rows->descriptors + rows->count,
                            rows->records + rows->count, rows->parsed + rows->count, &origin);

        if (got == 0)
            break;
        for (uint32_t i = rows->count; i < rows->count + got; i++)
            check_row(reader, rows, i, origin);
        rows->count += got;
        REQUIRE(rows->count < most);
    }
    for (uint32_t i = 0; i < reader->interface_count; i++)
        REQUIRE(reader->interfaces[i].name_offset <= size &&
                reader->interfaces[i].name_length <= size - reader->interfaces[i].name_offset);
    REQUIRE(reader->packets == rows->count);
    REQUIRE(reader->fault_offset <= size);
    REQUIRE(reader->fault != FD_CAPTURE_OK || reader->position == size);
}

static int is_refusal(enum fd_capture_fault fault)
{
    return fault == FD_CAPTURE_OTHER_LINK || fault == FD_CAPTURE_UNKNOWN_LINK ||
           fault == FD_CAPTURE_NOT_IP || fault == FD_CAPTURE_BAD_TIME ||
           fault == FD_CAPTURE_MANY_INTERFACES;
}

/* Writes what the format takes, leaves out what it refuses: kept[] gets the
 * indexes of the rows that are in the file. */
static uint8_t *write_all(struct fd_capture_writer *writer, const struct rows *rows, uint32_t *kept,
                          uint32_t *kept_count, uint64_t *size)
{
    uint8_t *file = NULL;
    uint32_t from = 0, to;

    *kept_count = 0;
    *size = 0;
    do {
        uint64_t piece;
        uint8_t *exact;

        to = rows->count;
        piece = fd_capture_write_size(writer, rows->descriptors + from, rows->records + from,
                                      to - from);
        if (writer->fault != FD_CAPTURE_OK) {
            REQUIRE(piece == 0 && is_refusal(writer->fault) && writer->fault_index < to - from);
            to = from + writer->fault_index;
            piece = fd_capture_write_size(writer, rows->descriptors + from, rows->records + from,
                                          to - from);
            REQUIRE(writer->fault == FD_CAPTURE_OK);
        }
        if (piece > 0) { /* one byte less is refused, and changes nothing */
            exact = malloc(piece - 1);
            REQUIRE(fd_capture_write(writer, rows->descriptors + from, rows->records + from,
                                     to - from, exact, piece - 1) == 0);
            REQUIRE(writer->fault == FD_CAPTURE_NO_ROOM);
            free(exact);
        }
        exact = allocate(piece);
        REQUIRE(fd_capture_write(writer, rows->descriptors + from, rows->records + from, to - from,
                                 exact, piece) == piece);
        REQUIRE(writer->fault == FD_CAPTURE_OK);
        file = realloc(file, *size + piece + 1);
        REQUIRE(file != NULL);
        memcpy(file + *size, exact, piece);
        free(exact);
        *size += piece;
        for (; from < to; from++)
            kept[(*kept_count)++] = from;
        from++; /* the one that was refused */
    } while (from < rows->count);
    return file;
}

static void check_same(const struct rows *was, uint32_t i, const struct rows *is, uint32_t j,
                       const struct fd_capture_writer *writer)
{
    struct fd_descriptor expected = was->descriptors[i];
    const struct fd_descriptor *found = &is->descriptors[j];
    const struct fd_record *before = &was->records[i], *after = &is->records[j];

    expected.offset = found->offset;
    expected.sequence = found->sequence;
    expected.ifindex = found->ifindex;
    if (writer->link == FD_LINK_NONE) {
        expected.link = FD_LINK_NONE;
        expected.l2_length = 0;
    }
    if (writer->format == FD_CAPTURE_PCAP) {
        if (!writer->nanosecond)
            expected.timestamp -= expected.timestamp % 1000;
        expected.flags &= ~(uint32_t)(FD_FLAG_OUTBOUND | FD_FLAG_LOOPBACK);
        expected.flags |= found->flags & (FD_FLAG_OUTBOUND | FD_FLAG_LOOPBACK);
    }
    if (writer->link == FD_LINK_NONE) /* said by the cooked header alone */
        expected.flags &= ~(uint32_t)FD_FLAG_LOOPBACK;
    REQUIRE(memcmp(&expected, found, sizeof(expected)) == 0);
    REQUIRE(memcmp(&was->parsed[i], &is->parsed[j], sizeof(was->parsed[i])) == 0);
    REQUIRE(memcmp(before->packet - expected.l2_length, after->packet - expected.l2_length,
                   after->captured + expected.l2_length) == 0);
}

static void round_trip(const struct rows *rows, enum fd_capture_format format, uint8_t link,
                       int nanosecond)
{
    static struct fd_capture_reader reader;
    static struct fd_capture_writer writer;
    uint32_t *kept = allocate(rows->count * sizeof(*kept)), kept_count;
    uint64_t size;
    uint8_t *file;
    struct rows again;

    fd_capture_writer_init(&writer, format, link, nanosecond);
    file = write_all(&writer, rows, kept, &kept_count, &size);
    read_all(&reader, file, size, 7, &again);
    REQUIRE(reader.fault == FD_CAPTURE_OK);
    REQUIRE(reader.format == format);
    REQUIRE(again.count == kept_count && writer.packets == kept_count);
    for (uint32_t j = 0; j < kept_count; j++)
        check_same(rows, kept[j], &again, j, &writer);
    release(&again);
    free(file);
    free(kept);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fd_capture_reader reader;
    uint8_t *copy = exact_copy(data, size);
    struct rows rows;
    uint8_t link;

    memset(&reader, 0xee, sizeof(reader));
    read_all(&reader, copy, size, size > 0 ? 1u + data[size - 1] % 64u : 1u, &rows);
    link = rows.count > 0 && rows.descriptors[0].link < FD_LINK_OTHER ? rows.descriptors[0].link
                                                                      : FD_LINK_NONE;
    round_trip(&rows, FD_CAPTURE_PCAPNG, FD_CAPTURE_LINK_KEEP, 1);
    round_trip(&rows, FD_CAPTURE_PCAPNG, FD_LINK_NONE, 1);
    round_trip(&rows, FD_CAPTURE_PCAP, link, 1);
    round_trip(&rows, FD_CAPTURE_PCAP, link, 0);
    release(&rows);
    free(copy);
    return 0;
}
