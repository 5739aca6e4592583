/* SPDX-License-Identifier: MIT */
#include "route.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "../core/protocol.h"

/* No answer is longer; the kernel's error message repeats the question. */
#define ANSWER_SIZE 4096

struct question {
    struct nlmsghdr header;
    struct rtmsg route;
    uint8_t attributes[64];
};

int fd_route_open(void)
{
    return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
}

static void add(struct question *question, uint16_t type, const void *data, uint16_t size)
{
    struct rtattr *attribute =
        (struct rtattr *)((uint8_t *)question + NLMSG_ALIGN(question->header.nlmsg_len));

    attribute->rta_type = type;
    attribute->rta_len = (uint16_t)RTA_LENGTH(size);
    memcpy(RTA_DATA(attribute), data, size);
    question->header.nlmsg_len =
        NLMSG_ALIGN(question->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
}

static int read_answer(const struct nlmsghdr *answer, uint32_t *ifindex)
{
    if (answer->nlmsg_type == NLMSG_ERROR) {
        const struct nlmsgerr *error = NLMSG_DATA(answer);
        /* EHOSTUNREACH is ours to give: for a TTL that has run out. */
        return error->error == -EHOSTUNREACH || error->error == 0 ? ENETUNREACH : -error->error;
    }
    if (answer->nlmsg_type != RTM_NEWROUTE)
        return ENETUNREACH;
    const struct rtmsg *route = NLMSG_DATA(answer);
    int left = (int)RTM_PAYLOAD(answer);
    for (const struct rtattr *attribute = RTM_RTA(route); RTA_OK(attribute, left);
         attribute = RTA_NEXT(attribute, left))
        if (attribute->rta_type == RTA_OIF) {
            memcpy(ifindex, RTA_DATA(attribute), sizeof(*ifindex));
            return 0;
        }
    return ENETUNREACH;
}

int fd_route_find(int socket, const uint8_t *packet, uint32_t captured, uint32_t mark,
                  uint32_t *ifindex)
{
    int ipv6 = captured != 0 && packet[0] >> 4 == 6;
    struct question question = {
        .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
                   .nlmsg_type = RTM_GETROUTE,
                   .nlmsg_flags = NLM_F_REQUEST},
        .route = {.rtm_family = ipv6 ? AF_INET6 : AF_INET, .rtm_dst_len = ipv6 ? 128 : 32}};
    _Alignas(struct nlmsghdr) uint8_t answer[ANSWER_SIZE];
    ssize_t got;

    if (captured < (ipv6 ? (uint32_t)FD_IPV6_LENGTH : (uint32_t)FD_IPV4_LENGTH))
        return EINVAL;
    add(&question, RTA_DST, packet + (ipv6 ? FD_IPV6_DESTINATION : FD_IPV4_DESTINATION),
        ipv6 ? 16 : 4);
    if (mark != 0)
        add(&question, RTA_MARK, &mark, sizeof(mark));
    if (send(socket, &question, question.header.nlmsg_len, 0) < 0)
        return errno;
    do
        got = recv(socket, answer, sizeof(answer), 0);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno;
    const struct nlmsghdr *first = (const struct nlmsghdr *)answer;
    return NLMSG_OK(first, (size_t)got) ? read_answer(first, ifindex) : EIO;
}
