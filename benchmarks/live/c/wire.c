/* SPDX-License-Identifier: MIT */
/* wire DEVICE FROM TO PORT SIZE RATE SECONDS
 *
 * The generator's datagrams as if they came in on DEVICE: frames that the
 * kernel makes itself (BPF_PROG_TEST_RUN with live frames, and an XDP program
 * that says PASS). A sender's socket costs more than any diverter may; this
 * leaves the machine to those who are measured. */
#include "tool.h"

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define BURST 64
#define MOST 50000000u
#define HEADERS (ETH_HLEN + IP_AND_UDP)

static int bpf(int command, union bpf_attr *attributes)
{
    return (int)syscall(SYS_bpf, command, attributes, sizeof(*attributes));
}

/* return XDP_PASS, in eBPF. */
static int load(void)
{
    struct bpf_insn code[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
        {.code = BPF_JMP | BPF_EXIT},
    };
    union bpf_attr attributes = {.prog_type = BPF_PROG_TYPE_XDP,
                                 .insns = (uint64_t)(uintptr_t)code,
                                 .insn_cnt = 2,
                                 .license = (uint64_t)(uintptr_t)"Dual MIT/GPL"};
    int program = bpf(BPF_PROG_LOAD, &attributes);
    if (program < 0)
        die("loading an XDP program");
    return program;
}

/* A program that is attached nowhere is patched in and out of the kernel's text
 * at every run, for milliseconds. Loopback, in generic mode, is out of the way. */
static void keep(int program)
{
    union bpf_attr attributes = {0};
    attributes.link_create.prog_fd = (uint32_t)program;
    attributes.link_create.target_ifindex = if_nametoindex("lo");
    attributes.link_create.attach_type = BPF_XDP;
    attributes.link_create.flags = XDP_FLAGS_SKB_MODE;
    if (bpf(BPF_LINK_CREATE, &attributes) < 0)
        die("attaching an XDP program");
}

static void run(int program, uint32_t ifindex, const uint8_t *frame, size_t length, uint32_t count)
{
    struct xdp_md context = {.data_end = (uint32_t)length, .ingress_ifindex = ifindex};
    union bpf_attr attributes = {0};
    attributes.test.prog_fd = (uint32_t)program;
    attributes.test.data_in = (uint64_t)(uintptr_t)frame;
    attributes.test.data_size_in = (uint32_t)length;
    attributes.test.ctx_in = (uint64_t)(uintptr_t)&context;
    attributes.test.ctx_size_in = sizeof(context);
    attributes.test.repeat = count;
    attributes.test.batch_size = BURST;
    attributes.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
    if (bpf(BPF_PROG_TEST_RUN, &attributes) < 0)
        die("BPF_PROG_TEST_RUN with live frames");
}

static uint64_t sum16(const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    uint64_t sum = 0;
    for (size_t i = 0; i < length; i++)
        sum += (uint64_t)at[i] << (i % 2 == 0 ? 8 : 0);
    return sum;
}

static uint16_t complement(uint64_t sum)
{
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

static void make(uint8_t *frame, size_t size, const char *device, struct sockaddr_in from,
                 struct sockaddr_in to)
{
    const uint32_t magic = MAGIC;
    struct ifreq request = {0};
    struct ethhdr ethernet = {.h_source = {2, 0, 0, 0, 0, 9}, .h_proto = htons(ETH_P_IP)};
    struct iphdr ip = {.version = 4,
                       .ihl = 5,
                       .ttl = 64,
                       .protocol = IPPROTO_UDP,
                       .tot_len = htons((uint16_t)size),
                       .saddr = from.sin_addr.s_addr,
                       .daddr = to.sin_addr.s_addr};
    struct udphdr udp = {
        .source = from.sin_port, .dest = to.sin_port, .len = htons((uint16_t)(size - sizeof(ip)))};

    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
    if (ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCGIFHWADDR, &request) < 0)
        die(device);
    memcpy(ethernet.h_dest, request.ifr_hwaddr.sa_data, ETH_ALEN);
    ip.check = complement(sum16(&ip, sizeof(ip)));
    memcpy(frame + HEADERS, &magic, sizeof(magic));
    udp.check = complement(sum16(&ip.saddr, 8) + IPPROTO_UDP + ntohs(udp.len) +
                           sum16(&udp, sizeof(udp)) + sum16(&magic, sizeof(magic)));
    memcpy(frame, &ethernet, sizeof(ethernet));
    memcpy(frame + ETH_HLEN, &ip, sizeof(ip));
    memcpy(frame + ETH_HLEN + sizeof(ip), &udp, sizeof(udp));
}

int main(int argc, char **argv)
{
    static uint8_t frame[2048];

    if (argc != 8)
        return 2;
    size_t size = strtoul(argv[5], NULL, 10);
    uint64_t rate = strtoull(argv[6], NULL, 10);
    uint64_t span = (uint64_t)(strtod(argv[7], NULL) * 1e9);
    uint32_t ifindex = if_nametoindex(argv[1]);
    if (size < IP_AND_UDP + sizeof(uint32_t) || size > sizeof(frame) - ETH_HLEN || ifindex == 0)
        return 2;
    make(frame, size, argv[1], address_of(argv[2], "4000"), address_of(argv[3], argv[4]));
    prctl(PR_SET_TIMERSLACK, 1);
    int program = load();
    keep(program);
    ready();

    uint64_t sent = 0, cpu_before = cpu(), begin = now();
    while (sent < MOST && now() - begin < span) {
        run(program, ifindex, frame, ETH_HLEN + size, BURST);
        sent += BURST;
        if (rate == 0)
            continue;
        uint64_t due = begin + sent * 1000000000u / rate;
        struct timespec t = {(time_t)(due / 1000000000u), (long)(due % 1000000000u)};
        if (now() < due)
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
    }
    uint64_t took = now() - begin;
    printf("{\"packets\": %llu, \"seconds\": %.6f, \"cpu\": %llu}\n", (unsigned long long)sent,
           (double)took / 1e9, (unsigned long long)(cpu() - cpu_before));
    return 0;
}
