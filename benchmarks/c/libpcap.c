/* SPDX-License-Identifier: MIT */
/* The peer libpcap: its compiler, its interpreter, its file reader. */
#include "packets.h"

#include <pcap/pcap.h>
#include <stdlib.h>

/* A compiled filter over raw IP packets; NULL if libpcap refuses the text. */
struct bpf_program *libpcap_compile(const char *text)
{
    pcap_t *dead = pcap_open_dead(DLT_RAW, 65535);
    struct bpf_program *program = malloc(sizeof(*program));
    if (dead == NULL || program == NULL)
        return NULL;
    int failed = pcap_compile(dead, program, text, 1, PCAP_NETMASK_UNKNOWN);
    pcap_close(dead);
    if (!failed)
        return program;
    free(program);
    return NULL;
}

void libpcap_free(struct bpf_program *program)
{
    pcap_freecode(program);
    free(program);
}

void libpcap_filter(const struct packets *packets, const struct bpf_program *program,
                    uint8_t *matches)
{
    for (uint32_t i = 0; i < packets->count; i++) {
        const uint8_t *packet = packet_at(packets, i);
        struct pcap_pkthdr header = {.caplen = packets->lengths[i], .len = packets->lengths[i]};
        matches[i] = pcap_offline_filter(program, &header, packet) != 0;
    }
}

/* How many packets the file has, and descriptors of them (room, over and over). */
uint32_t libpcap_capture(const char *path, struct fd_descriptor *descriptors, uint32_t room,
                         uint64_t *ports)
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *file = pcap_open_offline(path, error);
    struct pcap_pkthdr *header;
    const uint8_t *frame;
    uint32_t count = 0;
    if (file == NULL)
        return 0;
    while (pcap_next_ex(file, &header, &frame) == 1) {
        struct fd_descriptor *to = &descriptors[count++ % room];
        to->timestamp = (header->ts.tv_sec * 1000000ll + header->ts.tv_usec) * 1000;
        describe(frame + 14, header->caplen - 14, to);
        *ports += to->destination_port;
    }
    pcap_close(file);
    return count;
}
