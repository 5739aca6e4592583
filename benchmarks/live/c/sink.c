/* SPDX-License-Identifier: MIT */
/* sink HOST PORT SIZE QUIET
 *
 * Counts the generator's datagrams at the socket that they are for, until its
 * standard input is closed and nothing has come for QUIET seconds. A filter of the socket
 * discards what is right (length and magic number), and the kernel counts it:
 * they went the whole way through the stack, with their checksums verified, and
 * reading them takes no CPU from those who are measured. What is wrong is
 * received, and counted apart. */
#include "tool.h"

#include <linux/filter.h>
#include <linux/sock_diag.h>

static void discard_right(int in, uint32_t length)
{
    struct sock_filter code[] = {
        /* offset 0 is the UDP header's */
        BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, length, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 8),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(MAGIC), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, 0xffff),
    };
    struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
    if (setsockopt(in, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
        die("attaching a filter");
}

static uint32_t discarded(int in)
{
    uint32_t counters[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof(counters);
    if (getsockopt(in, SOL_SOCKET, SO_MEMINFO, counters, &size) < 0)
        die("SO_MEMINFO");
    return counters[SK_MEMINFO_DROPS];
}

/* Datagrams with a wrong checksum are counted as discarded, too. */
static uint64_t checksum_errors(void)
{
    unsigned long long value = 0;
    char line[512];
    FILE *file = fopen("/proc/thread-self/net/snmp", "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "Udp: %*u %*u %*u %*u %*u %*u %llu", &value) == 1)
            break;
    if (file == NULL)
        die("/proc/thread-self/net/snmp");
    fclose(file);
    return value;
}

int main(int argc, char **argv)
{
    uint8_t bytes[2048];

    if (argc != 5)
        return 2;
    struct sockaddr_in at = address_of(argv[1], argv[2]);
    int in = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    discard_right(in, (uint32_t)strtoul(argv[3], NULL, 10) - sizeof(uint32_t) * 5);
    if (bind(in, (struct sockaddr *)&at, sizeof(at)) < 0)
        die("bind");
    uint64_t quiet = (uint64_t)(strtod(argv[4], NULL) * 1e9);
    uint64_t wrong = 0, first = 0, last = now(), broken = checksum_errors();
    uint32_t count = 0;
    ready();
    while (!is_over() || now() - last < quiet) {
        uint32_t so_far = discarded(in);
        if (so_far != count) {
            last = now();
            if (first == 0)
                first = last;
            count = so_far;
        }
        while (recv(in, bytes, sizeof(bytes), 0) >= 0)
            wrong++;
        usleep(1000);
    }
    wrong += checksum_errors() - broken;
    printf("{\"packets\": %u, \"wrong\": %llu, \"seconds\": %.6f}\n", count,
           (unsigned long long)wrong, first == 0 ? 0.0 : (double)(last - first) / 1e9);
    return 0;
}
