/* SPDX-License-Identifier: MIT */
/*
 * What user mode says to fastdivert.sys: the device's name, the IOCTLs and
 * their structs. The rings themselves are ../abi/ring.h, the filter is
 * ../abi/program.h. Read by the driver, by the extension (Cython) and by the
 * tests; so it contains fixed-width types, constants and static asserts alone.
 *
 * One CreateFile is one handle. It goes through the states of
 * fd_windows_state, one IOCTL a step:
 *
 *   CREATED --OPEN--> OPENED --REGISTER--> REGISTERED --STARTUP--> STARTED
 *
 * Every IOCTL is METHOD_BUFFERED. Its input begins with its own size in bytes,
 * which must be what is passed (a larger buffer is refused, too): so a newer
 * user mode is refused in words and not misread. Results begin with their size
 * also. There are no pointers; addresses and handles are 64 bits wide.
 */
#ifndef FD_WINDOWS_INTERFACE_H
#define FD_WINDOWS_INTERFACE_H

#include "../abi/program.h"

/* Another major is another device and another service: both may be loaded. */
#define FD_WINDOWS_MAJOR 1
#define FD_WINDOWS_MINOR 0

/* Without the prefix that the caller needs: \Device\, \??\ or \\.\ . */
#define FD_WINDOWS_NAME "fastdivert-1"

/* CTL_CODE(FILE_DEVICE_NETWORK, function, METHOD_BUFFERED,
 *          FILE_READ_DATA | FILE_WRITE_DATA) */
#define FD_WINDOWS_CONTROL(function) ((0x12u << 16) | (3u << 14) | ((function) << 2))

/*                                                            input, output                      */
#define FD_IOCTL_QUERY_VERSION FD_WINDOWS_CONTROL(0x900u) /*  request, version */
#define FD_IOCTL_OPEN FD_WINDOWS_CONTROL(0x901u)          /*  open and its program, -            */
#define FD_IOCTL_REGISTER FD_WINDOWS_CONTROL(0x902u)      /*  register and its queues, -         */
#define FD_IOCTL_STARTUP FD_WINDOWS_CONTROL(0x903u)       /*  request, -                         */
#define FD_IOCTL_FLUSH FD_WINDOWS_CONTROL(0x904u)         /*  request, flushed and its statuses  */
#define FD_IOCTL_SET_FILTER FD_WINDOWS_CONTROL(0x905u)    /*  set_filter and its program, -      */
#define FD_IOCTL_GET_PARAM FD_WINDOWS_CONTROL(0x906u)     /*  parameter, parameter               */
#define FD_IOCTL_SET_PARAM FD_WINDOWS_CONTROL(0x907u)     /*  parameter, -                       */
#define FD_IOCTL_STATS FD_WINDOWS_CONTROL(0x908u)         /*  request, stats and its queues      */
#define FD_IOCTL_SHUTDOWN FD_WINDOWS_CONTROL(0x909u)      /*  request with argument = how, -     */

/*
 * What an IOCTL can fail with, beside INSUFFICIENT_RESOURCES; one meaning each:
 *
 *   INVALID_DEVICE_REQUEST   no such IOCTL
 *   INFO_LENGTH_MISMATCH     the input is not as long as it says or must be
 *   BUFFER_TOO_SMALL         the output buffer is too short
 *   INVALID_DEVICE_STATE     not in this state of the handle (see each struct)
 *   INVALID_PARAMETER        a value is out of its range, reserved is not 0
 *   INVALID_IMAGE_FORMAT     OPEN, SET_FILTER: fd_program_verify refuses the program
 *   NOT_SUPPORTED            OPEN: an event layer
 *   TOO_MANY_CONTEXT_IDS     OPEN: FD_WINDOWS_HANDLES_MAX handles are open
 *   DATATYPE_MISALIGNMENT    REGISTER: a region does not begin at a page
 *   QUOTA_EXCEEDED           REGISTER: more than FD_WINDOWS_LOCKED_MAX bytes
 *   INVALID_USER_BUFFER      REGISTER: a region is not writable memory
 *   INVALID_HANDLE, OBJECT_TYPE_MISMATCH, ACCESS_DENIED   REGISTER: the event
 *   FWP_E_...                STARTUP, SET_FILTER: what the filter engine said, as it came
 *   PIPE_DISCONNECTED        FLUSH after SHUTDOWN of sending
 *   ACCESS_DENIED            FLUSH on a handle that is opened with RECV_ONLY
 */

enum fd_windows_state {
    FD_WINDOWS_CREATED = 0,    /* nothing but the file object */
    FD_WINDOWS_OPENED = 1,     /* layer, priority, flags and filter are known */
    FD_WINDOWS_REGISTERED = 2, /* the rings are mapped */
    FD_WINDOWS_STARTED = 3,    /* packets are captured */
    FD_WINDOWS_CLOSING = 4,    /* its memory goes or is gone; every IOCTL is refused */
};

#define FD_WINDOWS_QUEUES_MAX 64u              /* receive queues of a handle */
#define FD_WINDOWS_HANDLES_MAX 256u            /* open at a time */
#define FD_WINDOWS_LOCKED_MAX 0x80000000ull    /* bytes of all regions of a handle */
#define FD_WINDOWS_OUTSTANDING_MAX 0x4000000ll /* bytes of a handle's packets in the stack */
#define FD_WINDOWS_SEGMENTS_MAX 2048u          /* of a super-packet: 64 KiB at 32 bytes each */
#define FD_WINDOWS_SEGMENTS_SIZE_MAX 0x40000u  /* their bytes: each repeats all headers */
#define FD_WINDOWS_PRIORITY_MAX 30000          /* and -30000: WinDivert's range */

/* WinDivert's flags have WinDivert's values. NO_INSTALL (0x10) concerns the
 * service, not the driver: it is refused here. */
enum fd_windows_flag {
    FD_WINDOWS_SNIFF = 0x01,
    FD_WINDOWS_DROP = 0x02,
    FD_WINDOWS_RECV_ONLY = 0x04,
    FD_WINDOWS_SEND_ONLY = 0x08,
    FD_WINDOWS_FRAGMENTS = 0x20,
    FD_WINDOWS_OVERFLOW_PASS = 0x10000, /* what finds no room passes, instead of being dropped */
};

/* The input of what needs no more. */
struct fd_windows_request {
    uint32_t size;
    uint32_t argument; /* SHUTDOWN: enum fd_windows_shutdown; FLUSH: most records, 0 is all, and
                          FD_WINDOWS_UNTOUCHED; otherwise 0 */
};

/* Of FLUSH: nobody has had these packets. They go on as what they were: no
 * impostors to the handles behind, and with their TTL. */
#define FD_WINDOWS_UNTOUCHED 0x80000000u

/* QUERY_VERSION; in every state. */
struct fd_windows_version {
    uint32_t size;
    uint16_t major; /* FD_WINDOWS_MAJOR, _MINOR */
    uint16_t minor;
    uint16_t ring_major; /* FD_ABI_MAJOR, _MINOR */
    uint16_t ring_minor;
    uint32_t state;      /* enum fd_windows_state of this handle */
    uint32_t processors; /* of this machine: how many queues are of use */
    uint32_t queues_max;
    uint64_t locked_max;
    int64_t clock_start;   /* timestamps are this, when the performance counter */
    int64_t clock_counter; /* stood here, and what has passed on it since */
};

/* OPEN; CREATED -> OPENED. The program follows right behind: struct fd_program
 * cut off after its last test, program_size bytes. */
struct fd_windows_open {
    uint32_t size; /* with the program */
    uint32_t layer;
    uint32_t flags;
    int32_t priority; /* higher sees a packet earlier; of equals, who started earlier */
    uint32_t queue_length;
    uint32_t queue_time; /* milliseconds */
    uint64_t queue_size;
    uint32_t program_size;
    uint32_t reserved; /* 0 */
};

/* One queue: two regions that the process has allocated, and keeps until its
 * handle is closed. Each begins at a page; it is as long as
 * fd_ring_descriptor_region_size and fd_ring_byte_region_size say. The driver
 * lays the ring out (all of the header page is overwritten), so that REGISTER
 * comes before fd_ring_attach. */
struct fd_windows_queue {
    uint64_t descriptors; /* address */
    uint64_t bytes;       /* address */
    uint64_t byte_size;
    uint32_t descriptor_count;
    uint32_t reserved; /* 0 */
};

/* REGISTER; OPENED -> REGISTERED. The queues follow right behind:
 * receive_count queues into which the driver puts packets (it takes the one of
 * the current processor, modulo their count), then send_count queues (0 or 1)
 * in which user mode is the producer.
 *   receive_count is 0 with SEND_ONLY or DROP, else 1 to FD_WINDOWS_QUEUES_MAX;
 *   send_count is 0 with RECV_ONLY, SNIFF or DROP too if the caller wants none.
 * doorbell is a handle to an event with EVENT_MODIFY_STATE access, or 0. It is
 * set when a queue whose consumer sleeps gets records, and when the handle
 * ends: by SHUTDOWN of receiving, by closing. */
struct fd_windows_register {
    uint32_t size; /* with the queues */
    uint32_t receive_count;
    uint32_t send_count;
    uint32_t reserved; /* 0 */
    uint64_t doorbell;
};

/*
 * FLUSH; STARTED. Puts back what stands published in the send queue, in order,
 * up to so many records (see request.argument) and as many as statuses fit in
 * the output. Of a descriptor the driver reads captured, flags, ifindex,
 * subifindex, mark (the compartment; 0 is the default), verdict and gso_size;
 * layer must be the handle's. A record with FD_VERDICT_DROP is passed over.
 *
 * A super-packet (FD_FLAG_GSO_TCP or _UDP, gso_size bytes of payload in each of
 * its segments) goes on as its segments, with complete checksums, because
 * nothing behind the driver would cut it. It has one status like any other
 * record. For want of memory none of its segments is sent; if the stack refuses
 * one, the status is what it said, and the others are on their way.
 *
 * status is an NTSTATUS for each consumed record, in order:
 *   SUCCESS                  on its way, or passed over
 *   INVALID_PARAMETER        no IP packet, or not of the family or length it says; or a
 *                            super-packet that is not of the protocol it says, or of more
 *                            segments or bytes in them than FD_WINDOWS_SEGMENTS_...MAX
 *   INVALID_ADDRESS_COMPONENT another layer than the handle's
 *   HOST_UNREACHABLE         an impostor whose TTL has run out
 *   DEVICE_BUSY              FD_WINDOWS_OUTSTANDING_MAX bytes are still in the stack
 *   INSUFFICIENT_RESOURCES   no memory
 *   others                   what the stack said, as it came
 */
struct fd_windows_flushed {
    uint32_t size;     /* with the statuses */
    uint32_t consumed; /* records, and statuses behind this struct */
    uint32_t injected; /* of those */
    uint32_t fault;    /* enum fd_ring_fault: not 0, and the send queue is dead */
};

/* SET_FILTER; from OPENED on. Every packet is judged by the old program or by
 * the new one; when it returns, by the new one. The program follows. */
struct fd_windows_set_filter {
    uint32_t size; /* with the program */
    uint32_t program_size;
};

/* WINDIVERT_PARAM. */
enum fd_windows_param {
    FD_WINDOWS_QUEUE_LENGTH = 0,
    FD_WINDOWS_QUEUE_TIME = 1,
    FD_WINDOWS_QUEUE_SIZE = 2,
    FD_WINDOWS_VERSION_MAJOR = 3, /* these two can only be read */
    FD_WINDOWS_VERSION_MINOR = 4,
};

/* GET_PARAM, SET_PARAM; from OPENED on. The driver goes by its own copy of the
 * policy; what stands in the rings' headers is a copy for show. */
struct fd_windows_parameter {
    uint32_t size;
    uint32_t parameter;
    uint64_t value; /* GET_PARAM: 0 */
};

/* WINDIVERT_SHUTDOWN. */
enum fd_windows_shutdown {
    FD_WINDOWS_SHUTDOWN_RECV = 1, /* nothing new is captured; what waits can be taken */
    FD_WINDOWS_SHUTDOWN_SEND = 2, /* FLUSH is refused */
    FD_WINDOWS_SHUTDOWN_BOTH = 3,
};

/* The way back, all counted since OPEN. */
struct fd_windows_injection_counters {
    uint64_t injected;         /* given to the stack by FLUSH */
    uint64_t passed_over;      /* records with FD_VERDICT_DROP */
    uint64_t refused;          /* records with another status than SUCCESS */
    uint64_t completed;        /* given back by the stack, which has sent or received them */
    uint64_t failed;           /* given back by the stack with an error */
    uint64_t returned;         /* host's packets put back unseen: they came in a list with one
                                  that matched, or waited when the handle was closed */
    uint64_t returned_failed;  /* of those: lost, for want of memory or refused by the stack */
    uint64_t outstanding;      /* packets in the stack now */
    uint64_t outstanding_size; /* their bytes */
    uint64_t own;              /* injected by this handle or by one behind it: left alone */
    uint64_t segments;         /* packets more than records, as super-packets were cut: injected +
                                  returned + segments is completed + failed + outstanding */
    uint64_t reserved[5];
};

/* STATS; from OPENED on. A struct fd_producer_counters for each queue follows
 * right behind: one at least, which without queues has what was judged. */
struct fd_windows_stats {
    uint32_t size; /* with the queues */
    uint32_t queue_count;
    struct fd_windows_injection_counters injection;
};

FD_ABI_ASSERT(sizeof(struct fd_windows_request) == 8, "fd_windows_request");
FD_ABI_ASSERT(sizeof(struct fd_windows_version) == 48, "fd_windows_version");
FD_ABI_ASSERT(sizeof(struct fd_windows_open) == 40, "fd_windows_open");
FD_ABI_ASSERT(sizeof(struct fd_windows_queue) == 32, "fd_windows_queue");
FD_ABI_ASSERT(sizeof(struct fd_windows_register) == 24, "fd_windows_register");
FD_ABI_ASSERT(sizeof(struct fd_windows_flushed) == 16, "fd_windows_flushed");
FD_ABI_ASSERT(sizeof(struct fd_windows_set_filter) == 8, "fd_windows_set_filter");
FD_ABI_ASSERT(sizeof(struct fd_windows_parameter) == 16, "fd_windows_parameter");
FD_ABI_ASSERT(sizeof(struct fd_windows_injection_counters) == 128, "fd_windows_injection");
FD_ABI_ASSERT(sizeof(struct fd_windows_stats) == 136, "fd_windows_stats");

#endif
