/* SPDX-License-Identifier: MIT */
/*
 * What the language guarantees: tests jump forward only, so the code ends.
 *
 * What the verifier needs, and how it gets it:
 *   - no unreachable instruction: a test that nothing jumps to is left out, and
 *     ACCEPT and REJECT are written only if they are used;
 *   - few paths: between tests only r6 (the socket buffer) and r7 (the packet)
 *     live, so that all paths to a test look the same and are walked once;
 *   - bounds as values: headers lie at fixed offsets in struct fd_live_packet,
 *     presence is a bit; an index into the prefix is masked, and what lies
 *     behind the prefix is read by bpf_skb_load_bytes, which checks by itself.
 */
#include "emit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../core/protocol.h"
#include "assembler.h"
#include "shared.h"

#define TEST_INSTRUCTIONS_MAX 48u /* more than any test needs; checked */
#define TARGETS (FD_PROGRAM_TESTS_MAX + 2)
#define ACCEPT_TARGET FD_PROGRAM_TESTS_MAX
#define REJECT_TARGET (FD_PROGRAM_TESTS_MAX + 1)

enum { R0, R1, R2, R3, R4, R5, SKB, PACKET, R8, R9, FRAME };

#define AT(member) ((int)__builtin_offsetof(struct fd_live_packet, member))

struct fixup {
    uint32_t at;
    uint32_t target;
};

struct emitter {
    struct bpf_insn *instructions;
    uint32_t count;
    struct fixup *fixups;
    uint32_t fixup_count;
    uint32_t address[TARGETS];
    uint8_t is_target[TARGETS];
    uint32_t prefix;
    uint32_t hashes;
    uint32_t times;
};

static void put(struct emitter *emitter, struct bpf_insn instruction)
{
    emitter->instructions[emitter->count++] = instruction;
}

/* ---- jumps -------------------------------------------------------------- */

static uint32_t target_of(uint32_t jump)
{
    if (jump == FD_PROGRAM_ACCEPT)
        return ACCEPT_TARGET;
    return jump == FD_PROGRAM_REJECT ? REJECT_TARGET : jump;
}

static void put_jump(struct emitter *emitter, struct bpf_insn instruction, uint32_t jump)
{
    uint32_t target = target_of(jump);

    emitter->is_target[target] = 1;
    emitter->fixups[emitter->fixup_count++] = (struct fixup){emitter->count, target};
    put(emitter, instruction);
}

static void go_to(struct emitter *emitter, uint32_t jump)
{
    put_jump(emitter, FD_INSTRUCTION(BPF_JMP | BPF_JA, 0, 0, 0, 0), jump);
}

static void go_if(struct emitter *emitter, int condition, int left, int32_t right, uint32_t jump)
{
    put_jump(emitter, FD_INSTRUCTION(BPF_JMP32 | condition | BPF_K, left, 0, 0, right), jump);
}

static void go_if64(struct emitter *emitter, int condition, int left, int right, uint32_t jump)
{
    put_jump(emitter, FD_INSTRUCTION(BPF_JMP | condition | BPF_X, left, right, 0, 0), jump);
}

/* A jump inside of one test: its place now, its distance when it is known. */
static uint32_t skip_if(struct emitter *emitter, int condition, int left, int32_t right)
{
    put(emitter, FD_INSTRUCTION(BPF_JMP32 | condition | BPF_K, left, 0, 0, right));
    return emitter->count - 1;
}

static uint32_t skip(struct emitter *emitter)
{
    put(emitter, FD_INSTRUCTION(BPF_JMP | BPF_JA, 0, 0, 0, 0));
    return emitter->count - 1;
}

static void land(struct emitter *emitter, uint32_t at)
{
    emitter->instructions[at].off = (int16_t)(emitter->count - at - 1);
}

/* ---- operands ----------------------------------------------------------- */

static void load32(struct emitter *emitter, int to, int offset)
{
    put(emitter, FD_LOAD(BPF_W, to, PACKET, offset));
}

static void load_set64(struct emitter *emitter, int to, uint64_t value)
{
    put(emitter, FD_INSTRUCTION(BPF_LD | BPF_DW | BPF_IMM, to, 0, 0, (uint32_t)value));
    put(emitter, FD_INSTRUCTION(0, 0, 0, 0, (uint32_t)(value >> 32)));
}

static int size_code(unsigned width)
{
    return width == 1 ? BPF_B : width == 2 ? BPF_H : BPF_W;
}

static void to_host(struct emitter *emitter, int reg, unsigned width)
{
    if (width > 1)
        put(emitter, FD_TO_NETWORK(reg, width * 8));
}

/* On to failure if the packet has none of these headers. Uses R1. */
static void need_header(struct emitter *emitter, uint32_t set, uint32_t failure)
{
    load32(emitter, R1, AT(headers));
    put(emitter, FD_ALU32_VALUE(BPF_AND, R1, set));
    go_if(emitter, BPF_JEQ, R1, 0, failure);
}

static void load_bit(struct emitter *emitter, int offset, unsigned bit)
{
    load32(emitter, R0, offset);
    if (bit != 0)
        put(emitter, FD_ALU32_VALUE(BPF_RSH, R0, bit));
    put(emitter, FD_ALU32_VALUE(BPF_AND, R0, 1));
}

static unsigned bit_number(uint32_t flag)
{
    return (unsigned)__builtin_ctz(flag);
}

static void load_header_field(struct emitter *emitter, const struct fd_field *field,
                              uint32_t failure)
{
    int base = field->header >= FD_HEADER_ICMP ? AT(l4) : AT(prefix);

    need_header(emitter, FD_HAS(field->header), failure);
    put(emitter, FD_LOAD(size_code(field->width), R0, PACKET, base + field->offset));
    to_host(emitter, R0, field->width);
    if (field->shift != 0)
        put(emitter, FD_ALU32_VALUE(BPF_RSH, R0, field->shift));
    if (field->bits < field->width * 8 - field->shift)
        put(emitter, FD_ALU32_VALUE(BPF_AND, R0, (1u << field->bits) - 1));
}

/* width bytes of the packet from the offset in R3, which lies within what was
 * captured. Uses all of R0 to R5. */
static void load_at(struct emitter *emitter, unsigned width, uint32_t failure)
{
    put(emitter, FD_MOVE(R4, R3));
    put(emitter, FD_ALU32_VALUE(BPF_ADD, R4, width));
    load32(emitter, R5, AT(prefix_length));
    put(emitter, FD_INSTRUCTION(BPF_JMP32 | BPF_JGT | BPF_X, R4, R5, 0, 0));
    uint32_t beyond = emitter->count - 1;
    put(emitter, FD_ALU32_VALUE(BPF_AND, R3, FD_PREFIX_MAX - 1));
    put(emitter, FD_ALU64(BPF_ADD, R3, PACKET));
    put(emitter, FD_LOAD(size_code(width), R0, R3, AT(prefix)));
    uint32_t loaded = skip(emitter);

    land(emitter, beyond);
    put(emitter, FD_MOVE(R1, SKB));
    load32(emitter, R2, AT(l3));
    put(emitter, FD_ALU32(BPF_ADD, R2, R3));
    put(emitter, FD_MOVE(R3, FRAME));
    put(emitter, FD_ALU64_VALUE(BPF_ADD, R3, -8));
    put(emitter, FD_MOVE_VALUE(R4, width));
    put(emitter, FD_CALL(BPF_FUNC_skb_load_bytes));
    go_if(emitter, BPF_JNE, R0, 0, failure);
    put(emitter, FD_LOAD(size_code(width), R0, FRAME, -8));
    land(emitter, loaded);
    to_host(emitter, R0, width);
}

static void want_prefix(struct emitter *emitter, uint32_t bytes)
{
    if (bytes > FD_PREFIX_MAX)
        return; /* too far for it: that one is read by itself */
    if (bytes > emitter->prefix)
        emitter->prefix = bytes;
}

static void load_packet_bytes(struct emitter *emitter, unsigned width, int32_t index,
                              uint32_t failure)
{
    load32(emitter, R3, AT(captured));
    if (index < 0) {
        go_if(emitter, BPF_JLT, R3, -index, failure);
        put(emitter, FD_ALU32_VALUE(BPF_ADD, R3, index));
        load_at(emitter, width, failure);
        return;
    }
    uint32_t end = (uint32_t)index + width;
    go_if(emitter, BPF_JLT, R3, (int32_t)end, failure);
    if (end <= FD_PREFIX_MIN) { /* always loaded if it exists */
        put(emitter, FD_LOAD(size_code(width), R0, PACKET, AT(prefix) + index));
        to_host(emitter, R0, width);
        return;
    }
    want_prefix(emitter, end);
    put(emitter, FD_MOVE_VALUE(R3, index));
    load_at(emitter, width, failure);
}

static void load_payload_bytes(struct emitter *emitter, const struct fd_field *field, int32_t index,
                               uint32_t failure)
{
    uint32_t least = index < 0 ? (uint32_t)-index : (uint32_t)index + field->width;

    need_header(emitter, FD_HAS(field->header), failure);
    load32(emitter, R2, AT(payload_length));
    go_if(emitter, BPF_JLT, R2, (int32_t)least, failure);
    load32(emitter, R3, AT(payload_offset));
    if (index < 0)
        put(emitter, FD_ALU32(BPF_ADD, R3, R2));
    else
        want_prefix(emitter, FD_PREFIX_MIN + least);
    put(emitter, FD_ALU32_VALUE(BPF_ADD, R3, index));
    load_at(emitter, field->width, failure);
}

/* WinDivert's ports: ICMP has its type as the sender's, and 0 as the other. */
static void load_port(struct emitter *emitter, int local)
{
    put(emitter, FD_LOAD(BPF_B, R0, PACKET, AT(l4)));
    put(emitter, FD_MOVE_VALUE(R2, 0));
    load32(emitter, R1, AT(headers));
    put(emitter, FD_ALU32_VALUE(BPF_AND, R1, FD_HAS(FD_HEADER_ICMP) | FD_HAS(FD_HEADER_ICMPV6)));
    uint32_t chosen = skip_if(emitter, BPF_JNE, R1, 0);
    load32(emitter, R0, AT(source_port));
    load32(emitter, R2, AT(destination_port));
    land(emitter, chosen);
    load32(emitter, R1, AT(flags));
    put(emitter, FD_ALU32_VALUE(BPF_AND, R1, FD_FLAG_OUTBOUND));
    uint32_t done = skip_if(emitter, local ? BPF_JNE : BPF_JEQ, R1, 0);
    put(emitter, FD_MOVE(R0, R2));
    land(emitter, done);
}

static void load_random(struct emitter *emitter, unsigned shift, uint32_t mask)
{
    emitter->hashes = emitter->times = 1;
    put(emitter, FD_LOAD(BPF_DW, R0, PACKET, AT(hash)));
    if (shift != 0)
        put(emitter, FD_ALU64_VALUE(BPF_RSH, R0, shift));
    put(emitter, FD_ALU32_VALUE(BPF_AND, R0, mask));
}

static void load_meta(struct emitter *emitter, unsigned field, uint32_t failure)
{
    switch (field) {
    case FD_FIELD_INBOUND:
        load_bit(emitter, AT(flags), bit_number(FD_FLAG_OUTBOUND));
        put(emitter, FD_ALU32_VALUE(BPF_XOR, R0, 1));
        break;
    case FD_FIELD_OUTBOUND:
        load_bit(emitter, AT(flags), bit_number(FD_FLAG_OUTBOUND));
        break;
    case FD_FIELD_LOOPBACK:
        load_bit(emitter, AT(flags), bit_number(FD_FLAG_LOOPBACK));
        break;
    case FD_FIELD_IMPOSTOR:
        load_bit(emitter, AT(flags), bit_number(FD_FLAG_IMPOSTOR));
        break;
    case FD_FIELD_FRAGMENT:
        load_bit(emitter, AT(state), bit_number(FD_PARSED_FRAGMENT));
        break;
    case FD_FIELD_IFIDX:
        load32(emitter, R0, AT(ifindex));
        break;
    case FD_FIELD_IP:
        load_bit(emitter, AT(headers), FD_HEADER_IP);
        break;
    case FD_FIELD_IPV6:
        load_bit(emitter, AT(headers), FD_HEADER_IPV6);
        break;
    case FD_FIELD_ICMP:
        load_bit(emitter, AT(headers), FD_HEADER_ICMP);
        break;
    case FD_FIELD_ICMPV6:
        load_bit(emitter, AT(headers), FD_HEADER_ICMPV6);
        break;
    case FD_FIELD_TCP:
        load_bit(emitter, AT(headers), FD_HEADER_TCP);
        break;
    case FD_FIELD_UDP:
        load_bit(emitter, AT(headers), FD_HEADER_UDP);
        break;
    case FD_FIELD_TCP_PAYLOADLENGTH:
        need_header(emitter, FD_HAS(FD_HEADER_TCP), failure);
        load32(emitter, R0, AT(payload_length));
        break;
    case FD_FIELD_UDP_PAYLOADLENGTH:
        need_header(emitter, FD_HAS(FD_HEADER_UDP), failure);
        load32(emitter, R0, AT(payload_length));
        break;
    case FD_FIELD_LENGTH:
        load32(emitter, R0, AT(captured));
        break;
    case FD_FIELD_PROTOCOL:
        load32(emitter, R0, AT(protocol));
        break;
    case FD_FIELD_LOCALPORT:
        load_port(emitter, 1);
        break;
    case FD_FIELD_REMOTEPORT:
        load_port(emitter, 0);
        break;
    case FD_FIELD_RANDOM8:
        load_random(emitter, 48, 0xff);
        break;
    case FD_FIELD_RANDOM16:
        load_random(emitter, 32, 0xffff);
        break;
    case FD_FIELD_RANDOM32:
        load_random(emitter, 0, 0xffffffff);
        break;
    default: /* zero, subIfIdx, and event, which is PACKET */
        put(emitter, FD_MOVE_VALUE(R0, 0));
        break;
    }
}

/* ---- comparisons -------------------------------------------------------- */

/* Which results of comparing value with constant an operator accepts. */
enum { BELOW = 1, EQUAL = 2, ABOVE = 4 };

static const uint8_t accepted[FD_OPERATOR_COUNT] = {
    [FD_OPERATOR_EQ] = EQUAL, [FD_OPERATOR_NE] = BELOW | ABOVE,
    [FD_OPERATOR_LT] = BELOW, [FD_OPERATOR_LE] = BELOW | EQUAL,
    [FD_OPERATOR_GT] = ABOVE, [FD_OPERATOR_GE] = EQUAL | ABOVE,
};

static const uint8_t unsigned_jump[FD_OPERATOR_COUNT] = {
    [FD_OPERATOR_EQ] = BPF_JEQ, [FD_OPERATOR_NE] = BPF_JNE, [FD_OPERATOR_LT] = BPF_JLT,
    [FD_OPERATOR_LE] = BPF_JLE, [FD_OPERATOR_GT] = BPF_JGT, [FD_OPERATOR_GE] = BPF_JGE,
};

static const uint8_t signed_jump[FD_OPERATOR_COUNT] = {
    [FD_OPERATOR_EQ] = BPF_JEQ,  [FD_OPERATOR_NE] = BPF_JNE,  [FD_OPERATOR_LT] = BPF_JSLT,
    [FD_OPERATOR_LE] = BPF_JSLE, [FD_OPERATOR_GT] = BPF_JSGT, [FD_OPERATOR_GE] = BPF_JSGE,
};

static uint32_t outcome(const struct fd_filter_test *test, unsigned result)
{
    return accepted[test->op] & result ? test->success : test->failure;
}

static uint64_t low64(const struct fd_filter_test *test)
{
    return (uint64_t)test->constant[1] << 32 | test->constant[0];
}

static uint64_t high64(const struct fd_filter_test *test)
{
    return (uint64_t)test->constant[3] << 32 | test->constant[2];
}

/* R0 holds 32 bits; second is the word that a mapped address has above them. */
static void compare_narrow(struct emitter *emitter, const struct fd_filter_test *test,
                           uint32_t second)
{
    if (test->negative) {
        go_to(emitter, outcome(test, ABOVE));
    } else if (high64(test) != 0 || test->constant[1] > second) {
        go_to(emitter, outcome(test, BELOW));
    } else if (test->constant[1] < second) {
        go_to(emitter, outcome(test, ABOVE));
    } else {
        go_if(emitter, unsigned_jump[test->op], R0, (int32_t)test->constant[0], test->success);
        go_to(emitter, test->failure);
    }
}

/* R0 holds 64 bits with a sign. */
static void compare_signed(struct emitter *emitter, const struct fd_filter_test *test)
{
    const uint64_t most = INT64_MAX;
    uint64_t magnitude = low64(test);

    if (test->negative && (high64(test) != 0 || magnitude > most + 1)) {
        go_to(emitter, outcome(test, ABOVE));
    } else if (!test->negative && (high64(test) != 0 || magnitude > most)) {
        go_to(emitter, outcome(test, BELOW));
    } else {
        load_set64(emitter, R1, test->negative ? 0 - magnitude : magnitude);
        go_if64(emitter, signed_jump[test->op], R0, R1, test->success);
        go_to(emitter, test->failure);
    }
}

/* R5 and R0 hold the high and the low half of 128 bits. */
static void compare_address(struct emitter *emitter, const struct fd_filter_test *test)
{
    load_set64(emitter, R1, high64(test));
    go_if64(emitter, BPF_JGT, R5, R1, outcome(test, ABOVE));
    go_if64(emitter, BPF_JLT, R5, R1, outcome(test, BELOW));
    load_set64(emitter, R1, low64(test));
    go_if64(emitter, unsigned_jump[test->op], R0, R1, test->success);
    go_to(emitter, test->failure);
}

/* ---- addresses ---------------------------------------------------------- */

static void load_ipv6(struct emitter *emitter, int base, int offset)
{
    put(emitter, FD_LOAD(BPF_DW, R5, base, AT(prefix) + offset));
    put(emitter, FD_TO_NETWORK(R5, 64));
    put(emitter, FD_LOAD(BPF_DW, R0, base, AT(prefix) + offset + 8));
    put(emitter, FD_TO_NETWORK(R0, 64));
}

/* R3: the packet, or so much further on that the source's place is the
 * destination's. */
static void choose_end(struct emitter *emitter, int local, int distance)
{
    put(emitter, FD_MOVE(R3, PACKET));
    load32(emitter, R1, AT(flags));
    put(emitter, FD_ALU32_VALUE(BPF_AND, R1, FD_FLAG_OUTBOUND));
    uint32_t source = skip_if(emitter, local ? BPF_JNE : BPF_JEQ, R1, 0);
    put(emitter, FD_ALU64_VALUE(BPF_ADD, R3, distance));
    land(emitter, source);
}

static void load_end_address(struct emitter *emitter, int local)
{
    load32(emitter, R1, AT(headers));
    put(emitter, FD_ALU32_VALUE(BPF_AND, R1, FD_HAS(FD_HEADER_IP)));
    uint32_t ipv6 = skip_if(emitter, BPF_JEQ, R1, 0);
    choose_end(emitter, local, FD_IPV4_DESTINATION - FD_IPV4_SOURCE);
    put(emitter, FD_LOAD(BPF_W, R0, R3, AT(prefix) + FD_IPV4_SOURCE));
    put(emitter, FD_TO_NETWORK(R0, 32));
    load_set64(emitter, R1, 0xffffull << 32); /* ::ffff-mapped */
    put(emitter, FD_ALU64(BPF_OR, R0, R1));
    put(emitter, FD_MOVE_VALUE(R5, 0));
    uint32_t loaded = skip(emitter);

    land(emitter, ipv6);
    choose_end(emitter, local, FD_IPV6_DESTINATION - FD_IPV6_SOURCE);
    load_ipv6(emitter, R3, FD_IPV6_SOURCE);
    land(emitter, loaded);
}

/* ---- the program -------------------------------------------------------- */

static void emit_address(struct emitter *emitter, const struct fd_filter_test *test)
{
    if (test->field == FD_FIELD_IPV6_SRCADDR || test->field == FD_FIELD_IPV6_DSTADDR)
        need_header(emitter, FD_HAS(FD_HEADER_IPV6), test->failure);
    if (test->negative) { /* every address is above it */
        go_to(emitter, outcome(test, ABOVE));
        return;
    }
    switch (test->field) {
    case FD_FIELD_IPV6_SRCADDR:
        load_ipv6(emitter, PACKET, FD_IPV6_SOURCE);
        break;
    case FD_FIELD_IPV6_DSTADDR:
        load_ipv6(emitter, PACKET, FD_IPV6_DESTINATION);
        break;
    default:
        load_end_address(emitter, test->field == FD_FIELD_LOCALADDR);
        break;
    }
    compare_address(emitter, test);
}

static void emit_test(struct emitter *emitter, const struct fd_filter_test *test)
{
    const struct fd_field *field = &fd_field_table[test->field];

    switch (test->field) {
    case FD_FIELD_IPV6_SRCADDR:
    case FD_FIELD_IPV6_DSTADDR:
    case FD_FIELD_LOCALADDR:
    case FD_FIELD_REMOTEADDR:
        emit_address(emitter, test);
        return;
    case FD_FIELD_TIMESTAMP:
        emitter->times = 1;
        put(emitter, FD_LOAD(BPF_DW, R0, PACKET, AT(timestamp)));
        compare_signed(emitter, test);
        return;
    default:
        break;
    }
    switch (field->source) {
    case FD_SOURCE_HEADER:
        load_header_field(emitter, field, test->failure);
        break;
    case FD_SOURCE_PACKET:
        load_packet_bytes(emitter, field->width, test->index, test->failure);
        break;
    case FD_SOURCE_PAYLOAD:
        load_payload_bytes(emitter, field, test->index, test->failure);
        break;
    default:
        load_meta(emitter, test->field, test->failure);
        break;
    }
    compare_narrow(emitter, test, field->range == FD_RANGE_IPV4 ? 0xffff : 0);
}

static void emit_end(struct emitter *emitter, uint32_t target, int32_t result)
{
    if (!emitter->is_target[target])
        return;
    emitter->address[target] = emitter->count;
    put(emitter, FD_MOVE_VALUE(R0, result));
    put(emitter, FD_EXIT());
}

static int emit_program(struct emitter *emitter, const struct fd_program *program)
{
    put(emitter, FD_MOVE(SKB, R1));
    put(emitter, FD_MOVE(PACKET, R2));
    emitter->is_target[0] = 1;
    for (uint32_t i = 0; i < program->length; i++) {
        uint32_t before = emitter->count;
        if (!emitter->is_target[i])
            continue;
        emitter->address[i] = emitter->count;
        emit_test(emitter, &program->test[i]);
        if (emitter->count - before > TEST_INSTRUCTIONS_MAX)
            return 0;
    }
    emit_end(emitter, ACCEPT_TARGET, 1);
    emit_end(emitter, REJECT_TARGET, 0);
    for (uint32_t i = 0; i < emitter->fixup_count; i++) {
        struct fixup fixup = emitter->fixups[i];
        emitter->instructions[fixup.at].off =
            (int16_t)(emitter->address[fixup.target] - fixup.at - 1);
    }
    return 1;
}

int fd_emit(const struct fd_program *program, struct fd_filter_code *code, struct fd_error *error)
{
    uint32_t room = (program->length + 1) * TEST_INSTRUCTIONS_MAX;
    struct emitter *emitter = calloc(1, sizeof(*emitter));

    if (program->layer > FD_LAYER_NETWORK_FORWARD) {
        free(emitter);
        return fd_fail(error, FD_ERROR_ARGUMENT, 0, "layer %u has no packets", program->layer);
    }
    if (emitter != NULL) {
        emitter->prefix = FD_PREFIX_MIN;
        emitter->instructions = calloc(room, sizeof(struct bpf_insn));
        emitter->fixups = calloc(room, sizeof(struct fixup));
    }
    int done = emitter != NULL && emitter->instructions != NULL && emitter->fixups != NULL &&
               emit_program(emitter, program);
    if (done)
        *code = (struct fd_filter_code){emitter->instructions, emitter->count, emitter->prefix,
                                        emitter->hashes, emitter->times};
    else if (emitter != NULL)
        free(emitter->instructions);
    if (emitter != NULL)
        free(emitter->fixups);
    free(emitter);
    return done ? 0 : fd_fail(error, FD_ERROR_MEMORY, ENOMEM, "no memory for the filter's code");
}

void fd_filter_code_free(struct fd_filter_code *code)
{
    free(code->instructions);
    *code = (struct fd_filter_code){0};
}
