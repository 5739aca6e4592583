/* SPDX-License-Identifier: MIT */
/* sink HOST PORT SIZE
 *
 * Counts the generator's datagrams as they arrive, until its standard input is
 * closed and nothing comes any more. It looks once a millisecond, so that it
 * takes little of the CPU that the others need; its buffer holds what comes
 * meanwhile. What has a wrong length or magic number is counted apart. */
#include "tool.h"

#define VECTOR 256
#define QUIET 400000000u /* ns of silence that end it */

int main(int argc, char **argv)
{
    static uint8_t bytes[VECTOR][2048];
    static struct mmsghdr messages[VECTOR];
    static struct iovec parts[VECTOR];

    if (argc != 4)
        return 2;
    struct sockaddr_in at = address_of(argv[1], argv[2]);
    size_t length = strtoul(argv[3], NULL, 10) - IP_AND_UDP;
    int in = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    room(in, SO_RCVBUFFORCE, 256 << 20);
    if (bind(in, (struct sockaddr *)&at, sizeof(at)) < 0)
        die("bind");
    for (int i = 0; i < VECTOR; i++) {
        parts[i] = (struct iovec){bytes[i], sizeof(bytes[i])};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
    ready();

    uint64_t count = 0, wrong = 0, first = 0, last = now(), cpu_before = cpu();
    for (;;) {
        int got = recvmmsg(in, messages, VECTOR, 0, NULL);
        if (got <= 0) {
            if (is_over() && now() - last > QUIET)
                break;
            usleep(1000);
            continue;
        }
        last = now();
        if (first == 0)
            first = last;
        for (int i = 0; i < got; i++) {
            uint32_t magic;
            memcpy(&magic, bytes[i], sizeof(magic));
            wrong += magic != MAGIC || messages[i].msg_len != length;
        }
        count += (uint64_t)got;
    }
    printf("{\"packets\": %llu, \"wrong\": %llu, \"seconds\": %.6f, \"cpu\": %llu}\n",
           (unsigned long long)count, (unsigned long long)wrong,
           first == 0 ? 0.0 : (double)(last - first) / 1e9,
           (unsigned long long)(cpu() - cpu_before));
    return 0;
}
