/* SPDX-License-Identifier: MIT */
/* What the programs of a live benchmark share. Each is started in a namespace,
 * works until its standard input closes (or until it is done), and prints one
 * line of JSON. */
#ifndef BENCHMARKS_LIVE_TOOL_H
#define BENCHMARKS_LIVE_TOOL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define IP_AND_UDP 28 /* bytes of IPv4 and UDP headers */
#define MAGIC 0x66646c76u

static inline uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* User and system time of this process so far. */
static inline uint64_t cpu(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000000u +
           (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1000u;
}

static inline void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static inline struct sockaddr_in address_of(const char *host, const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        fprintf(stderr, "%s is no IPv4 address\n", host);
        exit(1);
    }
    return address;
}

static inline void room(int socket, int option, int bytes)
{
    if (setsockopt(socket, SOL_SOCKET, option, &bytes, sizeof(bytes)) < 0)
        die("setsockopt");
}

/* Whether our parent has closed our standard input: time to end. */
static inline int is_over(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&input, 1, 0) > 0;
}

static inline void ready(void)
{
    puts("ready");
    fflush(stdout);
}

#endif
