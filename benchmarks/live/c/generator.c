/* SPDX-License-Identifier: MIT */
/* generator HOST PORT SIZE RATE SECONDS
 *
 * UDP datagrams of SIZE bytes of IP, RATE a second (0: as fast as it goes), by
 * sendmmsg. Each carries a magic number and its sequence number. */
#include "tool.h"

#include <sys/prctl.h>

#define BURST 64
#define MOST 50000000u /* whatever the arguments say */

struct payload {
    uint32_t magic;
    uint32_t number;
};

/* Bursts of at most a quarter of a millisecond: traffic, not blocks. */
static unsigned burst_of(uint64_t rate)
{
    uint64_t burst = rate / 4000;
    return rate == 0 || burst > BURST ? BURST : burst == 0 ? 1 : (unsigned)burst;
}

static void wait_until(uint64_t due)
{
    struct timespec t = {(time_t)(due / 1000000000u), (long)(due % 1000000000u)};
    if (now() < due)
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

int main(int argc, char **argv)
{
    static uint8_t bytes[BURST][65536];
    struct mmsghdr messages[BURST] = {0};
    struct iovec parts[BURST];

    if (argc != 6)
        return 2;
    struct sockaddr_in to = address_of(argv[1], argv[2]);
    size_t length = strtoul(argv[3], NULL, 10) - IP_AND_UDP;
    uint64_t rate = strtoull(argv[4], NULL, 10);
    uint64_t span = (uint64_t)(strtod(argv[5], NULL) * 1e9);
    if (length < sizeof(struct payload) || length > sizeof(bytes[0]))
        return 2;
    prctl(PR_SET_TIMERSLACK, 1);
    int out = socket(AF_INET, SOCK_DGRAM, 0);
    room(out, SO_SNDBUFFORCE, 64 << 20);
    if (connect(out, (struct sockaddr *)&to, sizeof(to)) < 0)
        die("connect");
    for (int i = 0; i < BURST; i++) {
        parts[i] = (struct iovec){bytes[i], length};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
    ready();

    uint64_t sent = 0, refused = 0, cpu_before = cpu(), begin = now();
    unsigned burst = burst_of(rate);
    while (sent < MOST && now() - begin < span) {
        for (unsigned i = 0; i < burst; i++) {
            struct payload payload = {MAGIC, (uint32_t)(sent + i)};
            memcpy(bytes[i], &payload, sizeof(payload));
        }
        int done = sendmmsg(out, messages, burst, 0);
        if (done > 0)
            sent += (uint64_t)done;
        else
            refused++;
        if (rate != 0)
            wait_until(begin + sent * 1000000000u / rate);
    }
    uint64_t took = now() - begin;
    printf("{\"packets\": %llu, \"refused\": %llu, \"seconds\": %.6f, \"cpu\": %llu}\n",
           (unsigned long long)sent, (unsigned long long)refused, (double)took / 1e9,
           (unsigned long long)(cpu() - cpu_before));
    return 0;
}
