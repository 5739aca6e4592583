/* SPDX-License-Identifier: MIT */
/*
 * Arbitrary packets in arbitrary lists: bytes, lengths, MDL boundaries, lists of
 * lists, checksum information, on every way, judged by programs that the fuzzer
 * writes (and the verifier passes), on a diverting handle and one behind it;
 * and arbitrary bytes sent back. No packet may be lost without being counted.
 */
#include "session.h"

#define MOST 6u

static struct user_handle first, second;
static unsigned given, delivered;
static int exact; /* each packet that was given is one, here and at its goal */

static struct fd_program take_program(struct input *input, uint32_t layer)
{
    struct fd_program program = {.length = 1 + take8(input) % 8, .layer = layer};
    uint32_t bad;

    for (uint32_t i = 0; i < program.length; i++) {
        struct fd_filter_test *test = &program.test[i];
        *test = test_of(take8(input) % FD_FIELD_COUNT,
                        (enum fd_operator)(take8(input) % FD_OPERATOR_COUNT), take16(input));
        test->index = (int16_t)take16(input) >> (take8(input) % 16);
        if (take8(input) & 1 && i + 1 < program.length)
            test->success = (uint16_t)(i + 1);
        if (take8(input) & 1 && i + 1 < program.length)
            test->failure = (uint16_t)(i + 1);
    }
    if (fd_program_verify(&program, size_of(program.length), &bad) != FD_PROGRAM_OK)
        program = everything(layer);
    return program;
}

static void open_both(struct input *input)
{
    uint32_t layer = take8(input) & 1;
    uint8_t flags = take8(input);
    static const uint32_t choices[] = {0, FD_WINDOWS_SNIFF, FD_WINDOWS_FRAGMENTS,
                                       FD_WINDOWS_OVERFLOW_PASS};
    struct fd_program program = take_program(input, layer);
    handle_open(&first, &(struct options){.layer = layer,
                                          .priority = 1,
                                          .flags = choices[flags % 4],
                                          .program = &program,
                                          .byte_size = FD_BYTES_MIN,
                                          .descriptor_count = FD_DESCRIPTORS_MIN});
    program = take_program(input, layer);
    handle_open(&second, &(struct options){.layer = layer,
                                           .flags = choices[flags / 4 % 4],
                                           .program = &program,
                                           .byte_size = FD_BYTES_MIN,
                                           .descriptor_count = FD_DESCRIPTORS_MIN});
}

static void receive(struct input *input)
{
    static uint8_t bytes[MOST][2048];
    struct sim_bytes packets[MOST];
    struct sim_traffic how = take_traffic(input);
    unsigned count = 1 + take8(input) % MOST;

    if (how.segment_size != 0 && take8(input) % 4 != 0)
        how.segment_size = 0;
    for (unsigned i = 0; i < count; i++) {
        uint32_t length = take8(input);
        uint8_t shape = take8(input);
        if (shape & 1)
            length = take16(input) % sizeof(bytes[0]);
        memset(bytes[i], shape, sizeof(bytes[i]));
        take_bytes(input, bytes[i], length < 80 ? length : 80);
        if (shape & 2) /* mostly what it says to be */
            bytes[i][0] = (uint8_t)((how.ipv6 ? 0x60 : 0x40) | (bytes[i][0] & 0x0f));
        /* A length that is wrong where a card is to cut makes several of one. */
        if (how.segment_size != 0 && !(shape & 6))
            exact = 0;
        else if (how.segment_size != 0)
            shape |= 6;
        if (shape & 4 && !how.ipv6)
            bytes[i][2] = (uint8_t)(length >> 8), bytes[i][3] = (uint8_t)length;
        if (shape & 4 && how.ipv6 && length >= 40)
            bytes[i][4] = (uint8_t)((length - 40) >> 8), bytes[i][5] = (uint8_t)(length - 40);
        packets[i] = (struct sim_bytes){bytes[i], length};
    }
    given += count;
    (void)sim_packets(&how, packets, count, 1 + take8(input) % 3);
}

static void send_back(struct input *input)
{
    uint8_t bytes[200];
    struct flush result;
    uint32_t length = take8(input) % (sizeof(bytes) + 1);

    take_bytes(input, bytes, length);
    if (length != 0 && take8(input) & 3)
        bytes[0] = (uint8_t)((take8(input) & 1 ? 0x60 : 0x40) | (bytes[0] & 0x0f));
    if (put_record(&first, bytes, length, take32(input)) == NULL)
        return;
    REQUIRE(flush(&first, 0, &result) == STATUS_SUCCESS);
    REQUIRE(result.head.consumed == 1 && result.head.fault == FD_RING_OK);
    given += result.head.injected;
}

static void consume(void)
{
    delivered += drain(&first) * (first.options.flags != FD_WINDOWS_SNIFF);
    delivered += drain(&second) * (second.options.flags != FD_WINDOWS_SNIFF);
}

/* Packets that came, and were sent = out of the stack + with a user + lost and
 * counted. What the stack refuses of ours it says in "failed". */
static void account(void)
{
    uint64_t lost = 0, more = 0;
    const struct user_handle *handles[] = {&first, &second};
    for (unsigned i = 0; i < 2; i++) {
        struct totals totals = stats(handles[i]);
        REQUIRE(totals.queues.matched == totals.queues.queued + dropped(&totals));
        if (handles[i]->options.flags != FD_WINDOWS_SNIFF)
            lost += dropped(&totals) - totals.queues.dropped[FD_DROP_PASSED_BY];
        lost += totals.injection.returned_failed + totals.injection.failed;
        more += totals.injection.segments;
    }
    REQUIRE(!exact || sim_arrival_count() + delivered + lost == given + more);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    long blocks = session_begin();

    given = delivered = 0;
    exact = 1;
    sim_arrivals_clear();
    open_both(&input);
    while (input.left != 0) {
        switch (take8(&input) % 4) {
        case 0:
            send_back(&input);
            break;
        case 1:
            consume();
            break;
        default:
            receive(&input);
            break;
        }
    }
    consume();
    account();
    session_end(blocks);
    return 0;
}
