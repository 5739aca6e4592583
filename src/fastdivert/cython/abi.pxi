# SPDX-License-Identifier: MIT
# The C that _core wraps: driver/abi, driver/core and the batch engine.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "abi/ring.h" nogil:
    enum:
        FD_LAYER_COUNT
        FD_EVENT_DATA_SIZE
        FD_RECORD_ALIGN
        FD_PACKET_ALIGN
        FD_CAPTURED_MAX
        FD_DESCRIPTORS_MIN
        FD_DESCRIPTORS_MAX
        FD_DROP_QUEUE_LENGTH
        FD_DROP_QUEUE_SIZE
        FD_DROP_QUEUE_TIME
        FD_DROP_OVERSIZE
        FD_DROP_MEMORY
        FD_FLAG_FRAGMENT
        FD_FLAG_SNIFFED
        FD_FLAG_GSO_TCP
        FD_FLAG_GSO_UDP
    const uint64_t FD_BYTES_MIN
    const uint64_t FD_BYTES_MAX
    struct fd_descriptor:
        int64_t timestamp
        uint32_t offset
        uint32_t length
        uint32_t captured
        uint32_t flags
        uint32_t ifindex
        uint32_t subifindex
        uint32_t sequence
        uint8_t layer
        uint8_t event
        uint8_t verdict
        uint8_t l2_length
        uint8_t link
    struct fd_address:
        pass
    struct fd_producer_counters:
        uint64_t seen
        uint64_t matched
        uint64_t queued
        uint64_t malformed
        uint64_t bytes
        uint64_t doorbells
        uint64_t dropped[8]
    struct fd_consumer_counters:
        uint64_t delivered
        uint64_t expired
    struct fd_ring_header:
        uint32_t queue_length
        uint32_t queue_time
        uint64_t queue_size
        fd_producer_counters producer

cdef extern from "abi/program.h" nogil:
    struct fd_program:
        uint32_t length
        uint32_t layer

cdef extern from "core/field.h" nogil:
    enum:
        FD_FIELD_COUNT
        FD_SOURCE_PACKET
        FD_SOURCE_PAYLOAD
    struct fd_field:
        const char *name
        uint8_t layers
        uint8_t source
        uint8_t header
        uint8_t offset
        uint8_t width
        uint8_t shift
        uint8_t bits
        uint8_t range
        uint8_t style
    const fd_field fd_field_table[FD_FIELD_COUNT]

cdef extern from "core/packet.h" nogil:
    struct fd_parsed:
        uint32_t payload_offset
        uint32_t payload_length
        uint8_t headers

cdef extern from "core/program.h" nogil:
    enum fd_program_fault:
        FD_PROGRAM_OK
    fd_program_fault fd_program_verify(const fd_program *program, uint64_t size, uint32_t *test)

cdef extern from "core/ring.h" nogil:
    enum fd_ring_fault:
        FD_RING_OK
    enum fd_drop:
        pass
    struct fd_ring:
        fd_ring_header *header
        fd_descriptor *descriptors
        uint8_t *bytes
        uint32_t descriptor_count
        uint64_t byte_size
    uint64_t fd_ring_descriptor_region_size(uint32_t descriptor_count)
    uint64_t fd_ring_byte_region_size(uint64_t byte_size)
    fd_ring_fault fd_ring_format(fd_ring *ring, void *descriptor_region, void *byte_region,
                                 uint32_t descriptor_count, uint64_t byte_size, uint32_t queue)
    fd_ring_fault fd_ring_attach(fd_ring *ring, void *descriptor_region,
                                 uint64_t descriptor_region_size, void *byte_region,
                                 uint64_t byte_region_size)
    struct fd_producer:
        fd_ring ring
        fd_ring_fault fault
        fd_producer_counters counters
    void fd_producer_attach(fd_producer *producer, const fd_ring *ring)
    struct fd_record:
        uint8_t *packet
        uint32_t captured
        uint8_t l2_length
        uint8_t layer
    struct fd_consumer:
        fd_ring ring
        uint32_t taken
        uint32_t released
        uint64_t byte_taken
        uint64_t byte_released
        fd_ring_fault fault
        fd_consumer_counters counters
    void fd_consumer_attach(fd_consumer *consumer, const fd_ring *ring)
    uint32_t fd_consumer_waiting(fd_consumer *consumer)
    uint32_t fd_consumer_take(fd_consumer *consumer, uint32_t most, int64_t expire_before,
                              fd_record *records, uint32_t *first)
    int fd_consumer_sleep(fd_consumer *consumer)
    void fd_consumer_wake(fd_consumer *consumer)
    void fd_consumer_release(fd_consumer *consumer, uint32_t descriptor_end, uint64_t byte_end)

cdef extern from "rows.h" nogil:
    struct fd_rows:
        fd_descriptor *descriptors
        fd_record *records
        fd_parsed *parsed
        uint32_t count
        uint32_t layer
    bint fd_is_network(uint32_t layer)
    void fd_rows_parse(const fd_rows *rows, uint32_t begin, uint32_t end)
    void fd_rows_describe(const fd_rows *rows)
    void fd_rows_parse_and_describe(const fd_rows *rows)
    void fd_rows_gather(const fd_rows *rows, const uint32_t *index, const fd_rows *out)
    uint64_t fd_rows_bytes(const fd_rows *rows)
    void fd_rows_copy(const fd_rows *rows, const fd_rows *out, uint8_t *bytes)

cdef extern from "merge.h" nogil:
    struct fd_share:
        fd_consumer *consumer
        uint32_t waiting
        uint32_t expired
        uint32_t count
    void fd_merge_look(fd_share *shares, uint32_t count)
    void fd_merge_plan(fd_share *shares, uint32_t count, uint32_t most, int64_t expire_before)
    void fd_merge(const fd_rows **parts, uint32_t *used, uint32_t count, const fd_rows *out)
    int fd_merge_spin(const fd_share *shares, uint32_t count, uint32_t turns)

cdef extern from "column.h" nogil:
    unsigned fd_column_width(unsigned field)
    void fd_column_load(const fd_rows *rows, unsigned field, int32_t index, uint8_t *out,
                        uint64_t stride)
    void fd_column_present(const fd_rows *rows, unsigned field, int32_t index, uint8_t *out)
    bint fd_column_writable(unsigned field, unsigned layer)
    int fd_column_store(const fd_rows *rows, unsigned field, int32_t index, const uint8_t *values,
                        const uint8_t *selected)

cdef extern from "match.h" nogil:
    int fd_match(const fd_rows *rows, const fd_program *program, int parse, uint8_t *matches)
    void fd_match_interpreted(const fd_rows *rows, const fd_program *program, int parse,
                              uint8_t *matches)

cdef extern from "address.h" nogil:
    void fd_addresses_from_rows(const fd_rows *rows, fd_address *addresses)
    void fd_addresses_to_rows(const fd_rows *rows, const fd_address *addresses)

cdef extern from "checksums.h" nogil:
    void fd_checksums_update(const fd_rows *rows, unsigned flags, uint8_t *done)
    void fd_checksums_verify(const fd_rows *rows, uint8_t *result)
    void fd_hashes(const fd_rows *rows, uint64_t seed, uint64_t *hashes)
    void fd_decrement_ttls(const fd_rows *rows, const uint8_t *selected, uint8_t *done)

cdef extern from "payload.h" nogil:
    uint32_t fd_payload_size(const fd_rows *rows, uint32_t row, uint32_t payload_length)
    void fd_payload_replace(const fd_rows *rows, uint32_t row, const uint8_t *payload,
                            uint32_t payload_length, uint8_t *to)

cdef extern from "core/record.h" nogil:
    uint32_t fd_record_packet_at(uint32_t l2_length)
    uint32_t fd_record_size(uint32_t l2_length, uint32_t captured)

cdef extern from "reassembly.h" nogil:
    const uint64_t FD_REASSEMBLY_MEMORY
    struct fd_reassembly:
        pass
    struct fd_datagram:
        pass
    enum fd_reassembly_result:
        FD_REASSEMBLY_NONE
    struct fd_reassembly_counters:
        uint64_t fragments
        uint64_t whole
        uint64_t joined
        uint64_t copies
        uint64_t timed_out
        uint64_t crowded_out
        uint64_t invalid
        uint64_t given_up
    fd_reassembly *fd_reassembly_open(uint64_t memory, uint64_t secret, int gives_up)
    void fd_reassembly_close(fd_reassembly *reassembly)
    fd_reassembly_result fd_reassembly_put(fd_reassembly *reassembly,
                                           const fd_descriptor *descriptor,
                                           const fd_record *record, int64_t now,
                                           fd_datagram **whole)
    void fd_reassembly_expire(fd_reassembly *reassembly, int64_t now)
    void fd_reassembly_give_up(fd_reassembly *reassembly)
    fd_datagram *fd_reassembly_take(fd_reassembly *reassembly)
    uint32_t fd_reassembly_held(const fd_reassembly *reassembly)
    const fd_reassembly_counters *fd_reassembly_counters_of "fd_reassembly_counters"(
        const fd_reassembly *reassembly)
    uint32_t fd_datagram_length(const fd_datagram *datagram)
    uint32_t fd_datagram_l2_length(const fd_datagram *datagram)
    void fd_datagram_join(const fd_datagram *datagram, uint8_t *packet, fd_descriptor *descriptor)
    uint32_t fd_datagram_count(const fd_datagram *datagram)
    uint64_t fd_datagram_bytes(const fd_datagram *datagram)
    void fd_datagram_copy(const fd_datagram *datagram, fd_descriptor *descriptors,
                          fd_record *records, uint8_t *bytes)
    void fd_datagram_free(fd_datagram *datagram)

cdef extern from "segment.h" nogil:
    uint64_t fd_segments_measure(const fd_rows *rows, uint64_t *bytes)
    void fd_segments_write(const fd_rows *rows, const fd_rows *out, uint8_t *bytes)

cdef extern from "produce.h" nogil:
    struct fd_produce_options:
        int wait
        int count_only
        uint32_t set_flags
    uint32_t fd_produce(fd_producer *producer, const fd_program *program, const fd_rows *rows,
                        uint32_t begin, const fd_produce_options *options, uint8_t *outcome)
