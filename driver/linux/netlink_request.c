/* SPDX-License-Identifier: MIT */
#include "netlink_request.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_SIZE (1 << 16)

int fd_netlink_open(void)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    int made = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    if (made >= 0 && bind(made, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        int number = errno;
        close(made);
        errno = number;
        return -1;
    }
    return made;
}

void fd_request_begin(struct fd_request *request, uint16_t type, uint16_t flags, uint32_t ifindex)
{
    memset(request, 0, sizeof(*request));
    request->header.nlmsg_len = NLMSG_LENGTH(sizeof(request->tc));
    request->header.nlmsg_type = type;
    request->header.nlmsg_flags = NLM_F_REQUEST | flags;
    request->tc.tcm_family = AF_UNSPEC;
    request->tc.tcm_ifindex = (int)ifindex;
}

static struct rtattr *end_of(struct fd_request *request)
{
    return (struct rtattr *)((uint8_t *)request + NLMSG_ALIGN(request->header.nlmsg_len));
}

void fd_request_put(struct fd_request *request, uint16_t type, const void *data, size_t size)
{
    struct rtattr *attribute = end_of(request);

    attribute->rta_type = type;
    attribute->rta_len = (uint16_t)RTA_LENGTH(size);
    if (size != 0)
        memcpy(RTA_DATA(attribute), data, size);
    request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + RTA_SPACE(size);
}

void fd_request_put_text(struct fd_request *request, uint16_t type, const char *text)
{
    fd_request_put(request, type, text, strlen(text) + 1);
}

struct rtattr *fd_request_open(struct fd_request *request, uint16_t type)
{
    struct rtattr *nest = end_of(request);

    fd_request_put(request, type, NULL, 0);
    return nest;
}

void fd_request_close(struct fd_request *request, struct rtattr *nest)
{
    nest->rta_len = (uint16_t)((uint8_t *)end_of(request) - (uint8_t *)nest);
}

/* A sequence number for every request of the process: an answer to one that
 * was given up is not taken for the next one's. */
static uint32_t next_sequence(void)
{
    static uint32_t last;

    return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

struct answer {
    fd_request_row *row;
    void *context;
    uint32_t sequence;
    int done;
    int number; /* errno */
};

static void read_answer(struct answer *answer, const struct nlmsghdr *message)
{
    if (message->nlmsg_seq != answer->sequence)
        return;
    if (message->nlmsg_type == NLMSG_DONE) {
        answer->done = 1;
    } else if (message->nlmsg_type == NLMSG_ERROR) {
        answer->number = -((const struct nlmsgerr *)NLMSG_DATA(message))->error;
        answer->done = 1;
    } else if (answer->row != NULL && message->nlmsg_len >= NLMSG_LENGTH(sizeof(struct tcmsg))) {
        const struct tcmsg *tc = NLMSG_DATA(message);
        answer->row(answer->context, tc, TCA_RTA(tc), TCA_PAYLOAD(message));
    }
}

static int exchange(int socket, struct fd_request *request, struct answer *answer)
{
    uint8_t buffer[ANSWER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));

    answer->sequence = request->header.nlmsg_seq = next_sequence();
    if (send(socket, request, request->header.nlmsg_len, 0) < 0)
        return errno;
    while (!answer->done) {
        ssize_t got = recv(socket, buffer, sizeof(buffer), 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno;
        size_t left = (size_t)got;
        for (const struct nlmsghdr *message = (const struct nlmsghdr *)buffer;
             NLMSG_OK(message, left); message = NLMSG_NEXT(message, left))
            read_answer(answer, message);
    }
    return answer->number;
}

int fd_request_do(int socket, struct fd_request *request)
{
    struct answer answer = {0};

    request->header.nlmsg_flags |= NLM_F_ACK;
    return exchange(socket, request, &answer);
}

int fd_request_list(int socket, struct fd_request *request, fd_request_row *row, void *context)
{
    struct answer answer = {.row = row, .context = context};

    request->header.nlmsg_flags |= NLM_F_DUMP;
    return exchange(socket, request, &answer);
}

const struct rtattr *fd_attribute(const struct rtattr *first, size_t size, uint16_t type)
{
    for (const struct rtattr *one = first; RTA_OK(one, size); one = RTA_NEXT(one, size))
        if ((one->rta_type & NLA_TYPE_MASK) == type)
            return one;
    return NULL;
}

int fd_attribute_says(const struct rtattr *attribute, const char *text)
{
    return attribute != NULL && RTA_PAYLOAD(attribute) >= strlen(text) + 1 &&
           memcmp(RTA_DATA(attribute), text, strlen(text) + 1) == 0;
}
