/* SPDX-License-Identifier: MIT */
/* stream serve HOST PORT         takes one connection and counts its bytes
 * stream send HOST PORT SECONDS  sends for so long
 *
 * The server's figures are what arrived, from the first byte to the last. */
#include "tool.h"

#define BLOCK (256 << 10)
#define MOST (64ull << 30) /* bytes, whatever the arguments say */

static uint8_t block[BLOCK];

static void report(uint64_t bytes, uint64_t took)
{
    printf("{\"bytes\": %llu, \"seconds\": %.6f, \"cpu\": %llu}\n", (unsigned long long)bytes,
           (double)took / 1e9, (unsigned long long)cpu());
}

static int serve(struct sockaddr_in at)
{
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(listener, 1) < 0)
        die("bind");
    ready();
    int peer = accept(listener, NULL, NULL);
    uint64_t bytes = 0, begin = 0, last = 0;
    ssize_t got;
    while ((got = recv(peer, block, sizeof(block), 0)) > 0) {
        last = now();
        if (begin == 0)
            begin = last;
        bytes += (uint64_t)got;
    }
    report(bytes, last - begin);
    return 0;
}

static int stream(struct sockaddr_in to, double seconds)
{
    /* Whatever happens on the way, it ends. */
    struct timeval patience = {.tv_sec = 10};
    int out = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(out, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(out, (struct sockaddr *)&to, sizeof(to)) < 0)
        die("connect");
    ready();
    uint64_t bytes = 0, begin = now(), span = (uint64_t)(seconds * 1e9);
    while (bytes < MOST && now() - begin < span) {
        ssize_t done = send(out, block, sizeof(block), 0);
        if (done <= 0)
            break;
        bytes += (uint64_t)done;
    }
    report(bytes, now() - begin);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "serve") == 0)
        return serve(address_of(argv[2], argv[3]));
    if (argc == 5 && strcmp(argv[1], "send") == 0)
        return stream(address_of(argv[2], argv[3]), strtod(argv[4], NULL));
    return 2;
}
