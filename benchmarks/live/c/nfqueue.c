/* SPDX-License-Identifier: MIT */
/* nfqueue QUEUE LENGTH
 *
 * The best that one does with NFQUEUE: packets are received many at a time
 * (recvmmsg), their TTLs are read, and one NFQA_VERDICT_BATCH message accepts
 * them all. Plain netlink; the rule that fills the queue is iptables'. */
#include "tool.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>

#define VECTOR 64
#define ROOM (80 << 10) /* one message: a GSO packet of 64 KiB, and its attributes */

struct request {
    struct nlmsghdr header;
    struct nfgenmsg queue;
    uint8_t attributes[128];
};

struct tally {
    uint64_t packets, bytes, touched, overruns;
};

static void begin_request(struct request *request, int type, int flags, uint16_t queue)
{
    memset(request, 0, sizeof(*request));
    request->header = (struct nlmsghdr){
        .nlmsg_len = NLMSG_LENGTH(sizeof(request->queue)),
        .nlmsg_type = (uint16_t)(NFNL_SUBSYS_QUEUE << 8 | type),
        .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
    };
    request->queue = (struct nfgenmsg){.nfgen_family = AF_UNSPEC, .res_id = htons(queue)};
}

static void put(struct request *request, uint16_t type, const void *value, uint16_t size)
{
    struct nlattr attribute = {.nla_len = (uint16_t)(NLA_HDRLEN + size), .nla_type = type};
    uint8_t *at = (uint8_t *)request + NLMSG_ALIGN(request->header.nlmsg_len);
    memcpy(at, &attribute, sizeof(attribute));
    memcpy(at + NLA_HDRLEN, value, size);
    request->header.nlmsg_len =
        NLMSG_ALIGN(request->header.nlmsg_len) + (uint32_t)NLA_ALIGN(NLA_HDRLEN + size);
}

/* Sends it, and for a NLM_F_ACK the kernel's answer is awaited. */
static void deliver(int netlink, struct request *request)
{
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
    } answer;

    if (sendto(netlink, request, request->header.nlmsg_len, 0, (struct sockaddr *)&kernel,
               sizeof(kernel)) < 0)
        die("netlink");
    if ((request->header.nlmsg_flags & NLM_F_ACK) == 0)
        return;
    if (recv(netlink, &answer, sizeof(answer), MSG_TRUNC) < (ssize_t)sizeof(answer.header) ||
        answer.header.nlmsg_type != NLMSG_ERROR)
        die("an answer of nfnetlink");
    if (answer.error.error != 0) {
        errno = -answer.error.error;
        die("nfnetlink_queue refuses");
    }
}

static void configure(int netlink, uint16_t queue, uint32_t length)
{
    struct request request;
    struct nfqnl_msg_config_cmd bind_queue = {.command = NFQNL_CFG_CMD_BIND, .pf = htons(AF_INET)};
    struct nfqnl_msg_config_params copy = {.copy_range = htonl(0xffff),
                                           .copy_mode = NFQNL_COPY_PACKET};
    uint32_t most = htonl(length), gso = htonl(NFQA_CFG_F_GSO);

    begin_request(&request, NFQNL_MSG_CONFIG, NLM_F_ACK, queue);
    put(&request, NFQA_CFG_CMD, &bind_queue, sizeof(bind_queue));
    deliver(netlink, &request);
    begin_request(&request, NFQNL_MSG_CONFIG, NLM_F_ACK, queue);
    put(&request, NFQA_CFG_PARAMS, &copy, sizeof(copy));
    put(&request, NFQA_CFG_QUEUE_MAXLEN, &most, sizeof(most));
    put(&request, NFQA_CFG_FLAGS, &gso, sizeof(gso));
    put(&request, NFQA_CFG_MASK, &gso, sizeof(gso));
    deliver(netlink, &request);
}

/* Reads one message; its packet's id, or 0 if it is no packet. */
static uint32_t touch(const uint8_t *message, size_t length, struct tally *tally)
{
    struct nlmsghdr header;
    uint32_t id = 0;

    if (length < NLMSG_LENGTH(sizeof(struct nfgenmsg)))
        return 0;
    memcpy(&header, message, sizeof(header));
    if (header.nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET))
        return 0;
    for (size_t at = NLMSG_LENGTH(sizeof(struct nfgenmsg)); at + NLA_HDRLEN <= length;) {
        struct nlattr attribute;
        memcpy(&attribute, message + at, sizeof(attribute));
        if (attribute.nla_len < NLA_HDRLEN || attribute.nla_len > length - at)
            break;
        const uint8_t *value = message + at + NLA_HDRLEN;
        if ((attribute.nla_type & NLA_TYPE_MASK) == NFQA_PACKET_HDR) {
            memcpy(&id, value, sizeof(id));
        } else if ((attribute.nla_type & NLA_TYPE_MASK) == NFQA_PAYLOAD) {
            tally->touched += value[8]; /* the TTL */
            tally->bytes += attribute.nla_len - (size_t)NLA_HDRLEN;
            tally->packets++;
        }
        at += (size_t)NLA_ALIGN(attribute.nla_len);
    }
    return ntohl(id);
}

static void accept_up_to(int netlink, uint16_t queue, uint32_t id)
{
    struct nfqnl_msg_verdict_hdr verdict = {htonl(NF_ACCEPT), htonl(id)};
    struct request request;

    begin_request(&request, NFQNL_MSG_VERDICT_BATCH, 0, queue);
    put(&request, NFQA_VERDICT_HDR, &verdict, sizeof(verdict));
    deliver(netlink, &request);
}

static void pump(int netlink, uint16_t queue, struct tally *tally)
{
    static uint8_t bytes[VECTOR][ROOM];
    static struct mmsghdr messages[VECTOR];
    static struct iovec parts[VECTOR];
    struct pollfd files[2] = {{.fd = netlink, .events = POLLIN},
                              {.fd = STDIN_FILENO, .events = POLLIN}};

    for (int i = 0; i < VECTOR; i++) {
        parts[i] = (struct iovec){bytes[i], ROOM};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
    for (;;) {
        int got = recvmmsg(netlink, messages, VECTOR, MSG_DONTWAIT, NULL);
        uint32_t last = 0;
        if (got < 0 && errno == ENOBUFS) {
            tally->overruns++;
            continue;
        }
        if (got <= 0) {
            poll(files, 2, -1);
            if (files[1].revents != 0)
                return;
            continue;
        }
        for (int i = 0; i < got; i++) {
            uint32_t id = touch(bytes[i], messages[i].msg_len, tally);
            last = id != 0 ? id : last;
        }
        if (last != 0)
            accept_up_to(netlink, queue, last);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_nl self = {.nl_family = AF_NETLINK};
    struct tally tally = {0};
    int yes = 1;

    if (argc != 3)
        return 2;
    uint16_t queue = (uint16_t)atoi(argv[1]);
    int netlink = socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
    if (netlink < 0 || bind(netlink, (struct sockaddr *)&self, sizeof(self)) < 0)
        die("netlink");
    setsockopt(netlink, SOL_NETLINK, NETLINK_NO_ENOBUFS, &yes, sizeof(yes));
    room(netlink, SO_RCVBUFFORCE, 128 << 20);
    configure(netlink, queue, (uint32_t)atoi(argv[2]));
    ready();
    uint64_t before = cpu();
    pump(netlink, queue, &tally);
    printf("{\"packets\": %llu, \"bytes\": %llu, \"overruns\": %llu, \"touched\": %llu, "
           "\"cpu\": %llu}\n",
           (unsigned long long)tally.packets, (unsigned long long)tally.bytes,
           (unsigned long long)tally.overruns, (unsigned long long)tally.touched,
           (unsigned long long)(cpu() - before));
    return 0;
}
