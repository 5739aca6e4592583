/* SPDX-License-Identifier: MIT */
/* What a program answers of a packet or an event. */
#include "check.h"
#include "packets.h"
#include "programs.h"

struct scene {
    struct packet packet;
    struct fd_parsed parsed;
    struct fd_descriptor descriptor;
    uint32_t layer;
};

static int run_test(const struct scene *scene, struct fd_filter_test test)
{
    struct fd_program program = {.length = 1, .layer = scene->layer, .test = {test}};
    uint32_t at;
    uint8_t *copy = exact_copy(scene->packet.bytes, scene->packet.length);
    struct fd_subject subject = {&scene->descriptor, copy, scene->packet.length, &scene->parsed};
    if (fd_program_verify(&program, size_of(1), &at) != FD_PROGRAM_OK)
        abort();
    int matches = fd_program_run(&program, &subject);
    free(copy);
    return matches;
}

static int matches_at(const struct scene *scene, unsigned field, int32_t index, enum fd_operator op,
                      uint32_t constant)
{
    struct fd_filter_test test = test_of(field, op, constant);
    test.index = index;
    if (fd_field_table[field].range == FD_RANGE_IPV4)
        test.constant[1] = 0xffff;
    return run_test(scene, test);
}

#define CHECK_VALUE(scene, field, value) check_value(scene, field, 0, value, __LINE__)
#define CHECK_INDEXED(scene, field, index, value) check_value(scene, field, index, value, __LINE__)
#define CHECK_MISSING(scene, field, index) check_missing(scene, field, index, __LINE__)

static void check_value(const struct scene *scene, unsigned field, int32_t index, uint32_t value,
                        int line)
{
    int right = matches_at(scene, field, index, FD_OPERATOR_EQ, value) &&
                !matches_at(scene, field, index, FD_OPERATOR_NE, value) &&
                matches_at(scene, field, index, FD_OPERATOR_LE, value) &&
                !matches_at(scene, field, index, FD_OPERATOR_GT, value);
    CHECK(right);
    if (!right)
        fprintf(stderr, "  line %d: %s is not %u\n", line, fd_field_table[field].name, value);
}

static void check_missing(const struct scene *scene, unsigned field, int32_t index, int line)
{
    for (unsigned op = 0; op < FD_OPERATOR_COUNT; op++) {
        int matches =
            matches_at(scene, field, index, op, 0) || matches_at(scene, field, index, op, 70000);
        CHECK(!matches);
        if (matches)
            fprintf(stderr, "  line %d: %s is there\n", line, fd_field_table[field].name);
    }
}

static struct scene tcp_scene(void)
{
    struct scene scene = {
        .descriptor = {.timestamp = -5, .ifindex = 3, .subifindex = 4, .flags = FD_FLAG_OUTBOUND}};
    begin_ipv4(&scene.packet, 5, FD_PROTOCOL_TCP);
    add_tcp(&scene.packet, 5, 0x12);
    add_payload(&scene.packet, 10);
    append(&scene.packet, 3); /* behind the IP length */
    scene.packet.bytes[1] = 0xb8;
    put_be16(scene.packet.bytes + 4, 0xbeef);
    put_be16(scene.packet.bytes + 6, 0x4000);
    scene.parsed = parse(&scene.packet);
    return scene;
}

static void every_operator(void)
{
    static const uint8_t expected[FD_OPERATOR_COUNT][3] = {
        /* value below, at, above the constant */
        [FD_OPERATOR_EQ] = {0, 1, 0}, [FD_OPERATOR_NE] = {1, 0, 1}, [FD_OPERATOR_LT] = {1, 0, 0},
        [FD_OPERATOR_LE] = {1, 1, 0}, [FD_OPERATOR_GT] = {0, 0, 1}, [FD_OPERATOR_GE] = {0, 1, 1},
    };
    struct scene scene = tcp_scene();
    for (unsigned op = 0; op < FD_OPERATOR_COUNT; op++)
        for (unsigned order = 0; order < 3; order++)
            CHECK_EQ(matches_at(&scene, FD_FIELD_IP_TTL, 0, op, 65 - order), expected[op][order]);
}

static void constants_are_compared_whole(void)
{
    struct scene scene = tcp_scene();
    for (unsigned word = 1; word < 4; word++) {
        for (unsigned op = 0; op < FD_OPERATOR_COUNT; op++) {
            struct fd_filter_test test = test_of(FD_FIELD_TCP_DSTPORT, op, 443);
            int below = op == FD_OPERATOR_NE || op == FD_OPERATOR_LT || op == FD_OPERATOR_LE;
            int above = op == FD_OPERATOR_NE || op == FD_OPERATOR_GT || op == FD_OPERATOR_GE;
            test.constant[word] = 1;
            CHECK_EQ(run_test(&scene, test), below);
            test.negative = 1;
            CHECK_EQ(run_test(&scene, test), above);
        }
    }
    struct fd_filter_test test = test_of(FD_FIELD_IP_SRCADDR, FD_OPERATOR_EQ, 0x0a010203);
    CHECK_EQ(run_test(&scene, test), 0); /* ::a01:203 is not ::ffff:10.1.2.3 */
    test.constant[1] = 0xffff;
    CHECK_EQ(run_test(&scene, test), 1);
    test.constant[1] = 0x10000;
    test.op = FD_OPERATOR_LT;
    CHECK_EQ(run_test(&scene, test), 1);
}

static void ipv4_and_tcp_fields(void)
{
    struct scene scene = tcp_scene();
    CHECK_VALUE(&scene, FD_FIELD_ZERO, 0);
    CHECK_VALUE(&scene, FD_FIELD_OUTBOUND, 1);
    CHECK_VALUE(&scene, FD_FIELD_INBOUND, 0);
    CHECK_VALUE(&scene, FD_FIELD_IFIDX, 3);
    CHECK_VALUE(&scene, FD_FIELD_SUBIFIDX, 4);
    CHECK_VALUE(&scene, FD_FIELD_IP, 1);
    CHECK_VALUE(&scene, FD_FIELD_IPV6, 0);
    CHECK_VALUE(&scene, FD_FIELD_TCP, 1);
    CHECK_VALUE(&scene, FD_FIELD_UDP, 0);
    CHECK_VALUE(&scene, FD_FIELD_ICMP, 0);
    CHECK_VALUE(&scene, FD_FIELD_ICMPV6, 0);
    CHECK_VALUE(&scene, FD_FIELD_IP_HDRLENGTH, 5);
    CHECK_VALUE(&scene, FD_FIELD_IP_TOS, 0xb8);
    CHECK_VALUE(&scene, FD_FIELD_IP_LENGTH, 50);
    CHECK_VALUE(&scene, FD_FIELD_IP_ID, 0xbeef);
    CHECK_VALUE(&scene, FD_FIELD_IP_DF, 1);
    CHECK_VALUE(&scene, FD_FIELD_IP_MF, 0);
    CHECK_VALUE(&scene, FD_FIELD_IP_FRAGOFF, 0);
    CHECK_VALUE(&scene, FD_FIELD_IP_DSTADDR, 0xc0a80709);
    CHECK_VALUE(&scene, FD_FIELD_TCP_SRCPORT, 0x1234);
    CHECK_VALUE(&scene, FD_FIELD_TCP_SEQNUM, 0x01020304);
    CHECK_VALUE(&scene, FD_FIELD_TCP_ACKNUM, 0x05060708);
    CHECK_VALUE(&scene, FD_FIELD_TCP_HDRLENGTH, 5);
    CHECK_VALUE(&scene, FD_FIELD_TCP_SYN, 1);
    CHECK_VALUE(&scene, FD_FIELD_TCP_ACK, 1);
    CHECK_VALUE(&scene, FD_FIELD_TCP_FIN, 0);
    CHECK_VALUE(&scene, FD_FIELD_TCP_WINDOW, 0x7210);
    CHECK_VALUE(&scene, FD_FIELD_TCP_PAYLOADLENGTH, 10);
    CHECK_VALUE(&scene, FD_FIELD_LENGTH, 53);
    CHECK_VALUE(&scene, FD_FIELD_PROTOCOL, 6);
    CHECK_VALUE(&scene, FD_FIELD_LOCALPORT, 0x1234);
    CHECK_VALUE(&scene, FD_FIELD_REMOTEPORT, 443);
    CHECK_VALUE(&scene, FD_FIELD_FRAGMENT, 0);
    CHECK_VALUE(&scene, FD_FIELD_EVENT, FD_EVENT_NETWORK_PACKET);
    scene.descriptor.flags = FD_FLAG_LOOPBACK | FD_FLAG_IMPOSTOR;
    CHECK_VALUE(&scene, FD_FIELD_LOCALPORT, 443);
    CHECK_VALUE(&scene, FD_FIELD_REMOTEPORT, 0x1234);
    CHECK_VALUE(&scene, FD_FIELD_LOOPBACK, 1);
    CHECK_VALUE(&scene, FD_FIELD_IMPOSTOR, 1);
    CHECK_VALUE(&scene, FD_FIELD_INBOUND, 1);
}

static void what_the_packet_has_not_fails(void)
{
    static const unsigned absent[] = {FD_FIELD_UDP_SRCPORT,  FD_FIELD_UDP_PAYLOADLENGTH,
                                      FD_FIELD_UDP_PAYLOAD,  FD_FIELD_ICMP_TYPE,
                                      FD_FIELD_ICMPV6_BODY,  FD_FIELD_IPV6_HOPLIMIT,
                                      FD_FIELD_IPV6_SRCADDR, FD_FIELD_IPV6_FLOWLABEL};
    struct scene scene = tcp_scene();
    for (unsigned i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
        CHECK_MISSING(&scene, absent[i], 0);
    scene.parsed =
        (struct fd_parsed){0}; /* no packet matches nothing, not even what is always there */
    CHECK_MISSING(&scene, FD_FIELD_ZERO, 0);
    CHECK_MISSING(&scene, FD_FIELD_IP_TTL, 0);
    CHECK_MISSING(&scene, FD_FIELD_LOCALADDR, 0);
}

static void packet_and_payload_indexes(void)
{
    struct scene scene = tcp_scene();
    CHECK_INDEXED(&scene, FD_FIELD_PACKET, 0, 0x45);
    CHECK_INDEXED(&scene, FD_FIELD_PACKET16, 1, 0xb800);
    CHECK_INDEXED(&scene, FD_FIELD_PACKET32, 12, 0x0a010203);
    CHECK_INDEXED(&scene, FD_FIELD_PACKET, 52, 0);
    CHECK_INDEXED(&scene, FD_FIELD_PACKET, -53, 0x45); /* from the captured end */
    CHECK_MISSING(&scene, FD_FIELD_PACKET, 53);
    CHECK_MISSING(&scene, FD_FIELD_PACKET, -54);
    CHECK_MISSING(&scene, FD_FIELD_PACKET16, 52);
    CHECK_MISSING(&scene, FD_FIELD_PACKET32, 50);
    CHECK_MISSING(&scene, FD_FIELD_PACKET32, 65531);

    CHECK_INDEXED(&scene, FD_FIELD_TCP_PAYLOAD, 0, 1); /* 1, 8, 15, ... 64 */
    CHECK_INDEXED(&scene, FD_FIELD_TCP_PAYLOAD, 9, 64);
    CHECK_INDEXED(&scene, FD_FIELD_TCP_PAYLOAD, -1, 64); /* from the IP length's end */
    CHECK_INDEXED(&scene, FD_FIELD_TCP_PAYLOAD, -10, 1);
    CHECK_INDEXED(&scene, FD_FIELD_TCP_PAYLOAD16, 8, 0x3940);
    CHECK_INDEXED(&scene, FD_FIELD_TCP_PAYLOAD32, -4, 0x2b323940);
    CHECK_MISSING(&scene, FD_FIELD_TCP_PAYLOAD, 10);
    CHECK_MISSING(&scene, FD_FIELD_TCP_PAYLOAD, -11);
    CHECK_MISSING(&scene, FD_FIELD_TCP_PAYLOAD16, 9);
    CHECK_MISSING(&scene, FD_FIELD_TCP_PAYLOAD32, 7);
}

static void ipv6_fields(void)
{
    struct scene scene = {.descriptor = {.flags = FD_FLAG_IPV6}};
    begin_ipv6(&scene.packet, FD_PROTOCOL_ICMPV6);
    memcpy(scene.packet.bytes, "\x6a\xbc\xde\xf1", 4);
    add_icmp(&scene.packet, 129);
    scene.parsed = parse(&scene.packet);
    CHECK_VALUE(&scene, FD_FIELD_IPV6_TRAFFICCLASS, 0xab);
    CHECK_VALUE(&scene, FD_FIELD_IPV6_FLOWLABEL, 0xcdef1);
    CHECK_VALUE(&scene, FD_FIELD_IPV6_LENGTH, 8);
    CHECK_VALUE(&scene, FD_FIELD_IPV6_NEXTHDR, 58);
    CHECK_VALUE(&scene, FD_FIELD_IPV6_HOPLIMIT, 64);
    CHECK_VALUE(&scene, FD_FIELD_ICMPV6_TYPE, 129);
    CHECK_VALUE(&scene, FD_FIELD_ICMPV6_BODY, 0x04d20000);
    CHECK_VALUE(&scene, FD_FIELD_LOCALPORT, 0); /* inbound: the type is the sender's */
    CHECK_VALUE(&scene, FD_FIELD_REMOTEPORT, 129);

    struct fd_filter_test test = test_of(FD_FIELD_IPV6_SRCADDR, FD_OPERATOR_EQ, 0x2c2d2e2f);
    test.constant[1] = 0x28292a2b;
    test.constant[2] = 0x24252627;
    test.constant[3] = 0x20212223;
    CHECK_EQ(run_test(&scene, test), 1);
    test.field = FD_FIELD_REMOTEADDR;
    CHECK_EQ(run_test(&scene, test), 1);
    test.field = FD_FIELD_LOCALADDR;
    CHECK_EQ(run_test(&scene, test), 0);
    test.op = FD_OPERATOR_GT; /* the destination is the larger address */
    CHECK_EQ(run_test(&scene, test), 1);
    CHECK_MISSING(&scene, FD_FIELD_IP_TTL, 0);
}

static void timestamps_have_a_sign(void)
{
    struct scene scene = tcp_scene();
    struct fd_filter_test test = test_of(FD_FIELD_TIMESTAMP, FD_OPERATOR_EQ, 5);
    CHECK_EQ(run_test(&scene, test), 0);
    test.negative = 1;
    CHECK_EQ(run_test(&scene, test), 1);
    test.op = FD_OPERATOR_GT;
    test.constant[0] = 6;
    CHECK_EQ(run_test(&scene, test), 1);
    scene.descriptor.timestamp = INT64_MIN;
    test.op = FD_OPERATOR_EQ;
    test.constant[0] = 0;
    test.constant[1] = 0x80000000u;
    CHECK_EQ(run_test(&scene, test), 1);
}

static void random_is_a_hash_of_packet_and_time(void)
{
    struct scene scene = tcp_scene();
    struct fd_value value[2];
    struct fd_subject subject = {&scene.descriptor, scene.packet.bytes, scene.packet.length,
                                 &scene.parsed};
    static const unsigned fields[] = {FD_FIELD_RANDOM8, FD_FIELD_RANDOM16, FD_FIELD_RANDOM32};
    static const uint32_t most[] = {0xff, 0xffff, 0xffffffff};
    for (unsigned i = 0; i < 3; i++) {
        unsigned changes = 0;
        for (int64_t time = 0; time < 64; time++) {
            scene.descriptor.timestamp = time;
            CHECK_EQ(fd_field_load(fields[i], 0, FD_LAYER_NETWORK, &subject, &value[time & 1]), 1);
            CHECK(value[time & 1].word[0] <= most[i]);
            changes += value[0].word[0] != value[1].word[0];
        }
        CHECK(changes > 50);
    }
}

static struct scene socket_scene(uint8_t protocol, int ipv6)
{
    struct scene scene = {
        .layer = FD_LAYER_SOCKET,
        .descriptor = {.event = FD_EVENT_SOCKET_CONNECT, .flags = ipv6 ? FD_FLAG_IPV6 : 0}};
    struct fd_data_socket data = {
        .endpoint_id = 0x1122334455667788ull,
        .parent_endpoint_id = 9,
        .process_id = 4711,
        .local_address = {0x7f000001, 0xffff, 0, 0},
        .remote_address = {1, 2, 3, 4},
        .local_port = 5000,
        .remote_port = 80,
        .protocol = protocol,
    };
    memcpy(scene.packet.bytes, &data, sizeof(data));
    scene.packet.length = FD_EVENT_DATA_SIZE;
    return scene;
}

static void socket_events(void)
{
    struct scene scene = socket_scene(FD_PROTOCOL_TCP, 0);
    for (uint32_t layer = FD_LAYER_FLOW; layer <= FD_LAYER_SOCKET; layer++) {
        scene.layer = layer;
        CHECK_VALUE(&scene, FD_FIELD_PROCESSID, 4711);
        CHECK_VALUE(&scene, FD_FIELD_LOCALPORT, 5000);
        CHECK_VALUE(&scene, FD_FIELD_REMOTEPORT, 80);
        CHECK_VALUE(&scene, FD_FIELD_PROTOCOL, 6);
        CHECK_VALUE(&scene, FD_FIELD_TCP, 1);
        CHECK_VALUE(&scene, FD_FIELD_UDP, 0);
        CHECK_VALUE(&scene, FD_FIELD_IP, 1);
        CHECK_VALUE(&scene, FD_FIELD_IPV6, 0);
        CHECK_VALUE(&scene, FD_FIELD_PARENTENDPOINTID, 9);
        CHECK_VALUE(&scene, FD_FIELD_EVENT, FD_EVENT_SOCKET_CONNECT);
        struct fd_filter_test test = test_of(FD_FIELD_ENDPOINTID, FD_OPERATOR_EQ, 0x55667788);
        test.constant[1] = 0x11223344;
        CHECK_EQ(run_test(&scene, test), 1);
        test = test_of(FD_FIELD_LOCALADDR, FD_OPERATOR_EQ, 0x7f000001);
        test.constant[1] = 0xffff;
        CHECK_EQ(run_test(&scene, test), 1);
    }
    scene = socket_scene(FD_PROTOCOL_ICMP, 0);
    CHECK_VALUE(&scene, FD_FIELD_ICMP, 1);
    scene = socket_scene(FD_PROTOCOL_ICMP, 1);
    CHECK_VALUE(&scene, FD_FIELD_ICMP, 0);
    scene = socket_scene(FD_PROTOCOL_ICMPV6, 1);
    CHECK_VALUE(&scene, FD_FIELD_ICMPV6, 1);
    CHECK_VALUE(&scene, FD_FIELD_IP, 0);
    CHECK_VALUE(&scene, FD_FIELD_IPV6, 1);
    scene = socket_scene(FD_PROTOCOL_ICMPV6, 0);
    CHECK_VALUE(&scene, FD_FIELD_ICMPV6, 0);

    scene.packet.length = FD_EVENT_DATA_SIZE - 1; /* the event's data is not all here */
    CHECK_MISSING(&scene, FD_FIELD_PROCESSID, 0);
    CHECK_MISSING(&scene, FD_FIELD_TCP, 0);
    CHECK_MISSING(&scene, FD_FIELD_LOCALADDR, 0);
    CHECK_MISSING(&scene, FD_FIELD_ENDPOINTID, 0);
    CHECK_VALUE(&scene, FD_FIELD_IP, 1);
}

static void reflect_events(void)
{
    struct scene scene = {.layer = FD_LAYER_REFLECT,
                          .descriptor = {.event = FD_EVENT_REFLECT_OPEN}};
    struct fd_data_reflect data = {.process_id = 12, .layer = FD_LAYER_FLOW, .priority = -300};
    memcpy(scene.packet.bytes, &data, sizeof(data));
    scene.packet.length = FD_EVENT_DATA_SIZE;
    CHECK_VALUE(&scene, FD_FIELD_PROCESSID, 12);
    CHECK_VALUE(&scene, FD_FIELD_LAYER, FD_LAYER_FLOW);
    CHECK_VALUE(&scene, FD_FIELD_EVENT, FD_EVENT_REFLECT_OPEN);
    struct fd_filter_test test = test_of(FD_FIELD_PRIORITY, FD_OPERATOR_EQ, 300);
    CHECK_EQ(run_test(&scene, test), 0);
    test.negative = 1;
    CHECK_EQ(run_test(&scene, test), 1);
    test.constant[0] = 299; /* -300 < -299 */
    test.op = FD_OPERATOR_LT;
    CHECK_EQ(run_test(&scene, test), 1);
    scene.packet.length = FD_EVENT_DATA_SIZE - 1;
    CHECK_MISSING(&scene, FD_FIELD_PRIORITY, 0);
    CHECK_MISSING(&scene, FD_FIELD_LAYER, 0);
}

static void jumps_are_followed(void)
{
    struct scene scene = tcp_scene();
    struct fd_subject subject = {&scene.descriptor, scene.packet.bytes, scene.packet.length,
                                 &scene.parsed};
    struct fd_program program = chain(FD_PROGRAM_TESTS_MAX);
    uint32_t at;
    CHECK_EQ(fd_program_verify(&program, sizeof(program), &at), FD_PROGRAM_OK);
    CHECK_EQ(fd_program_run(&program, &subject), 1);
    program.test[FD_PROGRAM_TESTS_MAX - 1].constant[0] = 65;
    CHECK_EQ(fd_program_run(&program, &subject), 0);
    program.test[100].failure = FD_PROGRAM_ACCEPT;
    program.test[100].constant[0] = 65;
    CHECK_EQ(fd_program_run(&program, &subject), 1);
    program.test[100].failure = FD_PROGRAM_TESTS_MAX - 1;
    CHECK_EQ(fd_program_run(&program, &subject), 0);
    program.test[FD_PROGRAM_TESTS_MAX - 1].success = FD_PROGRAM_REJECT;
    program.test[FD_PROGRAM_TESTS_MAX - 1].failure = FD_PROGRAM_ACCEPT;
    CHECK_EQ(fd_program_run(&program, &subject), 1);
}

static void field_load_refuses_what_is_not_in_the_layer(void)
{
    struct scene scene = tcp_scene();
    struct fd_subject subject = {&scene.descriptor, scene.packet.bytes, scene.packet.length,
                                 &scene.parsed};
    struct fd_value value;
    CHECK_EQ(fd_field_load(FD_FIELD_COUNT, 0, 0, &subject, &value), 0);
    CHECK_EQ(fd_field_load(UINT32_MAX, 0, 0, &subject, &value), 0);
    CHECK_EQ(fd_field_load(FD_FIELD_ZERO, 0, FD_LAYER_COUNT, &subject, &value), 0);
    CHECK_EQ(fd_field_load(FD_FIELD_PROCESSID, 0, FD_LAYER_NETWORK, &subject, &value), 0);
    CHECK_EQ(fd_field_load(FD_FIELD_LOCALPORT, 0, FD_LAYER_NETWORK_FORWARD, &subject, &value), 0);
    CHECK_EQ(fd_field_load(FD_FIELD_IP_SRCADDR, 0, FD_LAYER_NETWORK_FORWARD, &subject, &value), 1);
    CHECK_EQ(value.word[0], 0x0a010203);
    CHECK_EQ(value.word[1], 0xffff);
    CHECK_EQ(value.word[2] | value.word[3] | value.negative, 0);
}

int main(void)
{
    every_operator();
    constants_are_compared_whole();
    ipv4_and_tcp_fields();
    what_the_packet_has_not_fails();
    packet_and_payload_indexes();
    ipv6_fields();
    timestamps_have_a_sign();
    random_is_a_hash_of_packet_and_time();
    socket_events();
    reflect_events();
    jumps_are_followed();
    field_load_refuses_what_is_not_in_the_layer();
    return check_result();
}
