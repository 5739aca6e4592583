/* SPDX-License-Identifier: MIT */
/* sniff DEVICE FILTER
 *
 * libpcap (TPACKET_V3) in C: counts packets and reads their TTLs until its
 * standard input closes. */
#include "tool.h"

#include <pcap/pcap.h>

#define ETHERNET 14
#define BUFFER (32 << 20) /* as much as the others' queues hold */

struct tally {
    uint64_t packets, bytes, touched;
};

static void touch(u_char *user, const struct pcap_pkthdr *header, const u_char *frame)
{
    struct tally *tally = (struct tally *)user;
    tally->packets++;
    tally->bytes += header->len - ETHERNET;
    tally->touched += frame[ETHERNET + 8];
}

int main(int argc, char **argv)
{
    char error[PCAP_ERRBUF_SIZE];
    struct bpf_program program;
    struct tally tally = {0};
    struct pcap_stat statistics = {0};

    if (argc != 3)
        return 2;
    pcap_t *capture = pcap_create(argv[1], error);
    if (capture == NULL || pcap_set_snaplen(capture, 2048) || pcap_set_timeout(capture, 10) ||
        pcap_set_buffer_size(capture, BUFFER) || pcap_activate(capture) < 0 ||
        pcap_compile(capture, &program, argv[2], 1, PCAP_NETMASK_UNKNOWN) ||
        pcap_setfilter(capture, &program) || pcap_setnonblock(capture, 1, error)) {
        fprintf(stderr, "libpcap: %s\n", capture == NULL ? error : pcap_geterr(capture));
        return 1;
    }
    struct pollfd files[2] = {{.fd = pcap_get_selectable_fd(capture), .events = POLLIN},
                              {.fd = STDIN_FILENO, .events = POLLIN}};
    ready();
    uint64_t before = cpu();
    for (;;) {
        int got = pcap_dispatch(capture, -1, touch, (u_char *)&tally);
        if (got > 0)
            continue;
        poll(files, 2, -1);
        if (files[1].revents != 0)
            break;
    }
    uint64_t used = cpu() - before;
    pcap_stats(capture, &statistics);
    printf("{\"packets\": %llu, \"bytes\": %llu, \"dropped\": %u, \"touched\": %llu, "
           "\"cpu\": %llu}\n",
           (unsigned long long)tally.packets, (unsigned long long)tally.bytes, statistics.ps_drop,
           (unsigned long long)tally.touched, (unsigned long long)used);
    return 0;
}
