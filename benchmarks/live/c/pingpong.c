/* SPDX-License-Identifier: MIT */
/* pingpong echo HOST PORT              sends every datagram back
 * pingpong ping HOST PORT COUNT PAUSE  one datagram at a time, PAUSE us apart
 * pingpong oneway HOST PORT COUNT PAUSE NETNS
 *                                      the same, received by itself in that namespace
 *
 * The second prints the round trip's median and 99th percentile. The third
 * prints those of the way there, and never sleeps while a datagram is on it:
 * nobody has to be woken to receive it. */
#include "tool.h"

#include <fcntl.h>

static int echo(struct sockaddr_in at)
{
    struct pollfd files[2] = {{.fd = socket(AF_INET, SOCK_DGRAM, 0), .events = POLLIN},
                              {.fd = STDIN_FILENO, .events = POLLIN}};
    if (bind(files[0].fd, (struct sockaddr *)&at, sizeof(at)) < 0)
        die("bind");
    ready();
    uint64_t count = 0;
    while (poll(files, 2, -1) > 0 && files[1].revents == 0) {
        struct sockaddr_in from;
        socklen_t size = sizeof(from);
        uint8_t bytes[2048];
        ssize_t got =
            recvfrom(files[0].fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &size);
        if (got > 0 &&
            sendto(files[0].fd, bytes, (size_t)got, 0, (struct sockaddr *)&from, size) > 0)
            count++;
    }
    printf("{\"packets\": %llu}\n", (unsigned long long)count);
    return 0;
}

static int ascending(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static void print_trips(uint64_t *trips, uint32_t count, uint32_t back)
{
    qsort(trips, back, sizeof(*trips), ascending);
    printf("{\"sent\": %u, \"packets\": %u, \"p50\": %llu, \"p99\": %llu}\n", count, back,
           back == 0 ? 0ull : (unsigned long long)trips[back / 2],
           back == 0 ? 0ull : (unsigned long long)trips[back - 1 - back / 100]);
}

static int ping(struct sockaddr_in to, uint32_t count, useconds_t pause)
{
    struct timeval patience = {.tv_usec = 200000};
    uint64_t *trips = calloc(count, sizeof(*trips));
    uint32_t back = 0;
    int out = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(out, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (trips == NULL || connect(out, (struct sockaddr *)&to, sizeof(to)) < 0)
        die("connect");
    ready();
    for (uint32_t number = 0; number < count; number++) {
        uint8_t bytes[36] = {0};
        uint32_t answer = ~number;
        memcpy(bytes, &number, sizeof(number));
        uint64_t begin = now();
        if (send(out, bytes, sizeof(bytes), 0) < 0)
            continue;
        while (answer != number && recv(out, bytes, sizeof(bytes), 0) > 0)
            memcpy(&answer, bytes, sizeof(answer));
        if (answer == number)
            trips[back++] = now() - begin;
        if (pause != 0)
            usleep(pause);
    }
    print_trips(trips, count, back);
    free(trips);
    return 0;
}

/* A socket that receives in another namespace. */
static int listen_in(const char *netns, struct sockaddr_in at)
{
    int home = open("/proc/self/ns/net", O_RDONLY), there = open(netns, O_RDONLY);
    if (home < 0 || there < 0 || setns(there, CLONE_NEWNET) < 0)
        die(netns);
    int in = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (bind(in, (struct sockaddr *)&at, sizeof(at)) < 0 || setns(home, CLONE_NEWNET) < 0)
        die("bind");
    close(there);
    close(home);
    return in;
}

static int one_way(struct sockaddr_in to, uint32_t count, useconds_t pause, const char *netns)
{
    const uint64_t patience = 200000000;
    uint64_t *trips = calloc(count, sizeof(*trips));
    uint32_t back = 0;
    int in = listen_in(netns, to);
    int out = socket(AF_INET, SOCK_DGRAM, 0);
    if (trips == NULL || connect(out, (struct sockaddr *)&to, sizeof(to)) < 0)
        die("connect");
    ready();
    for (uint32_t number = 0; number < count; number++) {
        uint8_t bytes[36] = {0};
        uint32_t come = ~number;
        memcpy(bytes, &number, sizeof(number));
        uint64_t begin = now();
        if (send(out, bytes, sizeof(bytes), 0) < 0)
            continue;
        while (come != number && now() - begin < patience)
            if (recv(in, bytes, sizeof(bytes), 0) > 0)
                memcpy(&come, bytes, sizeof(come));
        if (come == number)
            trips[back++] = now() - begin;
        if (pause != 0)
            usleep(pause);
    }
    print_trips(trips, count, back);
    free(trips);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "echo") == 0)
        return echo(address_of(argv[2], argv[3]));
    if (argc == 6 && strcmp(argv[1], "ping") == 0)
        return ping(address_of(argv[2], argv[3]), (uint32_t)atoi(argv[4]),
                    (useconds_t)atoi(argv[5]));
    if (argc == 7 && strcmp(argv[1], "oneway") == 0)
        return one_way(address_of(argv[2], argv[3]), (uint32_t)atoi(argv[4]),
                       (useconds_t)atoi(argv[5]), argv[6]);
    return 2;
}
