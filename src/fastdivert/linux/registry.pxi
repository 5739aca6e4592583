# SPDX-License-Identifier: MIT
# The records of open handles, as driver/linux/registry.h reads them.

cdef extern from "linux/registry.h" nogil:
    struct fd_consumer_counters:
        uint64_t delivered
        uint64_t expired
    struct fd_handle_record:
        uint32_t revision
        uint64_t identity
        int64_t opened
        uint64_t net_namespace
        uint64_t pid_namespace
        uint32_t pid
        uint32_t own_pid
        uint32_t user
        int32_t priority
        uint32_t layer
        uint32_t flags
        uint32_t mark
        uint32_t text_length
        uint32_t program_length
        const char *command
    struct fd_registry_queues:
        uint64_t length
        uint64_t waiting
        uint64_t fullest
        uint64_t held
        fd_producer_counters producer
        fd_consumer_counters consumer
    struct fd_registry_entry:
        fd_handle_record record
        const char *text
        const uint8_t *program
        uint8_t closed
        uint8_t has_queues
        fd_registry_queues queues
    int fd_registry_next(uint32_t *id, fd_registry_entry *entry, fd_error *error)
    void fd_registry_entry_free(fd_registry_entry *entry)


cdef dict queues_read(const fd_registry_queues *queues):
    cdef int cause
    dropped = {name: queues.producer.dropped[cause] for cause, name in enumerate(_DROP_CAUSES)}
    dropped["queue_time"] += queues.consumer.expired
    return {"length": queues.length, "waiting": queues.waiting, "fullest": queues.fullest,
            "held": queues.held, "seen": queues.producer.seen,
            "matched": queues.producer.matched, "queued": queues.producer.queued,
            "bytes": queues.producer.bytes, "delivered": queues.consumer.delivered,
            "dropped": dropped}


cdef dict record_read(const fd_registry_entry *entry):
    cdef const fd_handle_record *record = &entry.record
    return {
        "revision": record.revision, "identity": record.identity, "opened": record.opened,
        "net_namespace": record.net_namespace, "pid_namespace": record.pid_namespace,
        "pid": record.pid, "own_pid": record.own_pid, "user": record.user,
        "priority": record.priority, "layer": record.layer, "flags": record.flags,
        "mark": record.mark, "command": (<bytes>record.command).decode(errors="replace"),
        "filter": entry.text[:record.text_length].decode(errors="replace"),
        "program": <bytes>entry.program[:record.program_length],
        "closed": bool(entry.closed),
        "queues": queues_read(&entry.queues) if entry.has_queues else None,
    }


def read_handles():
    """The record of every handle that is open on this host, as the kernel lists them.

    Raises DriverError: listing needs CAP_SYS_ADMIN.
    """
    cdef fd_registry_entry entry
    cdef fd_error error
    cdef uint32_t id = 0
    cdef int found
    records = []
    while True:
        with nogil:
            found = fd_registry_next(&id, &entry, &error)
        if found < 0:
            raise_error(&error)
        if found == 0:
            return records
        try:
            records.append(record_read(&entry))
        finally:
            fd_registry_entry_free(&entry)
