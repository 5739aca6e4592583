/* SPDX-License-Identifier: MIT */
#include "inject.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../core/bytes.h"
#include "../core/protocol.h"
#include "pieces.h"
#include "quick.h"
#include "route.h"
#include "way_back.h"

#define BATCH 256u /* what one system call takes: more gains nothing */
#define SEND_BUFFER (64 << 20)
#define GSO_UDP_L4 5 /* VIRTIO_NET_HDR_GSO_UDP_L4 of newer headers */

/* One message of a batch, and all that it points to. */
struct letter {
    struct iovec parts[3]; /* offload header, L2 header, packet */
    struct virtio_net_hdr offload;
    struct sockaddr_ll to;
    struct ethhdr ethernet; /* for packets that have no L2 header of their own */
    union {
        struct cmsghdr header;
        uint8_t bytes[CMSG_SPACE(sizeof(uint32_t))];
    } control;
    const struct fd_descriptor *descriptor; /* the caller's, or that below */
    const struct fd_record *record;
    struct fd_descriptor addressed;
    uint32_t state; /* of its slot */
};

struct fd_injector {
    struct fd_injector_options options;
    int socket;
    int routes; /* who is asked for a route */
    pthread_mutex_t lock;
    struct fd_way_back back;
    struct fd_quick quick;
    struct fd_device device; /* the last one that was looked up */
    uint32_t device_index;
    struct mmsghdr messages[BATCH];
    struct letter letters[BATCH];
    uint32_t rows[BATCH]; /* which packet a message carries */
};

struct fd_injector *fd_injector_open(const struct fd_injector_options *options,
                                     struct fd_error *error)
{
    struct fd_injector *injector = calloc(1, sizeof(*injector));
    int yes = 1;
    int size = SEND_BUFFER;

    if (injector == NULL) {
        fd_fail(error, FD_ERROR_MEMORY, ENOMEM, "no memory to send packets");
        return NULL;
    }
    injector->options = *options;
    injector->back = (struct fd_way_back){.mark = options->mark, .slots = options->slots};
    injector->quick = (struct fd_quick){.outbox = options->outbox,
                                        .queues = options->queues,
                                        .inject_program = options->inject_program,
                                        .frames_program = options->frames_program,
                                        .home = fd_current_namespace()};
    pthread_mutex_init(&injector->lock, NULL);
    injector->routes = fd_route_open();
    /* Protocol 0: it receives nothing. */
    injector->socket = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (injector->socket < 0 || injector->routes < 0 ||
        setsockopt(injector->socket, SOL_PACKET, PACKET_VNET_HDR, &yes, sizeof(yes)) < 0) {
        fd_fail_errno(error, "opening the sockets to send by");
        fd_injector_close(injector);
        return NULL;
    }
    (void)setsockopt(injector->socket, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
    for (uint32_t i = 0; i < BATCH; i++) {
        struct letter *letter = &injector->letters[i];
        letter->to.sll_family = AF_PACKET;
        letter->to.sll_halen = ETH_ALEN;
        letter->control.header = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof(uint32_t)), .cmsg_level = SOL_SOCKET, .cmsg_type = SO_MARK};
        letter->parts[0] = (struct iovec){&letter->offload, sizeof(letter->offload)};
        injector->messages[i].msg_hdr = (struct msghdr){.msg_name = &letter->to,
                                                        .msg_namelen = sizeof(letter->to),
                                                        .msg_iov = letter->parts,
                                                        .msg_iovlen = 3,
                                                        .msg_control = &letter->control,
                                                        .msg_controllen = sizeof(letter->control)};
    }
    return injector;
}

void fd_injector_close(struct fd_injector *injector)
{
    if (injector == NULL)
        return;
    if (injector->socket >= 0)
        close(injector->socket);
    if (injector->routes >= 0)
        close(injector->routes);
    fd_quick_close(&injector->quick);
    pthread_mutex_destroy(&injector->lock);
    free(injector);
}

/* ---- one packet --------------------------------------------------------- */

static int has_ethernet(const struct fd_device *device)
{
    return device->type == ARPHRD_ETHER || device->type == ARPHRD_LOOPBACK;
}

static int find_device(struct fd_injector *injector, uint32_t ifindex)
{
    if (ifindex == injector->device_index)
        return ifindex != 0;
    injector->device_index = 0;
    if (!injector->options.find(injector->options.context, ifindex, &injector->device))
        return 0;
    injector->device_index = ifindex;
    return 1;
}

/* A packet of our user's own making has no L2 header. Outbound, the kernel
 * finds the neighbour (FD_SLOT_ROUTE) and writes the addresses; inbound, it
 * must be addressed to the device, or the host takes it for another's. */
static void address(struct fd_injector *injector, struct letter *letter,
                    const struct fd_record *record, int inbound, uint32_t *state)
{
    struct iovec *l2 = &letter->parts[1];

    if (record->l2_length != 0) {
        *l2 = (struct iovec){record->packet - record->l2_length, record->l2_length};
        return;
    }
    *l2 = (struct iovec){NULL, 0};
    if (!has_ethernet(&injector->device))
        return;
    memset(&letter->ethernet, 0, sizeof(letter->ethernet));
    letter->ethernet.h_proto = letter->to.sll_protocol;
    if (inbound)
        memcpy(letter->ethernet.h_dest, injector->device.address, ETH_ALEN);
    else
        *state |= FD_SLOT_ROUTE;
    *l2 = (struct iovec){&letter->ethernet, sizeof(letter->ethernet)};
}

static uint8_t gso_type(uint32_t flags)
{
    uint8_t ecn = flags & FD_FLAG_GSO_ECN ? VIRTIO_NET_HDR_GSO_ECN : 0;

    if (flags & FD_FLAG_GSO_UDP)
        return GSO_UDP_L4;
    return (flags & FD_FLAG_IPV6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4) | ecn;
}

static void offload(struct letter *letter, const struct fd_descriptor *descriptor,
                    uint32_t captured)
{
    const uint32_t partial = FD_FLAG_TCP_CHECKSUM_PARTIAL | FD_FLAG_UDP_CHECKSUM_PARTIAL;
    uint32_t l2 = (uint32_t)letter->parts[1].iov_len;
    uint32_t flags = descriptor->flags;
    uint32_t start = descriptor->csum_start;

    memset(&letter->offload, 0, sizeof(letter->offload));
    /* A sum that begins behind the outer transport header is a tunnel's inner
     * one: nobody but the kernel looks at it. */
    if (start != 0 && ((flags & partial) != 0 || start != descriptor->l4_offset)) {
        letter->offload.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        letter->offload.csum_start = (uint16_t)(l2 + start);
        letter->offload.csum_offset = descriptor->csum_offset;
    }
    if ((flags & (FD_FLAG_GSO_TCP | FD_FLAG_GSO_UDP)) != 0 && descriptor->gso_size != 0 &&
        captured > (uint32_t)descriptor->payload_offset + descriptor->gso_size) {
        letter->offload.gso_type = gso_type(flags);
        letter->offload.gso_size = descriptor->gso_size;
        letter->offload.hdr_len = (uint16_t)(l2 + descriptor->payload_offset);
    }
}

/* All of the IP packet must be here. */
static int is_whole(const struct fd_record *record)
{
    const uint8_t *packet = record->packet;

    if (record->captured < FD_IPV4_LENGTH)
        return 0;
    if (packet[0] >> 4 == 4)
        return fd_be16(packet + 2) <= record->captured;
    return packet[0] >> 4 == 6 &&
           FD_IPV6_LENGTH + (uint32_t)fd_be16(packet + 4) <= record->captured;
}

/* Where packets go that name no interface: by the host's routes. What comes in
 * on loopback has gone out on it, and has a route from there. 0, or an errno. */
static int find_way(struct fd_injector *injector, struct letter *letter,
                    const struct fd_descriptor *descriptor, const struct fd_record *record)
{
    int is_outbound = !fd_is_inbound(descriptor);

    letter->descriptor = descriptor;
    if (descriptor->ifindex == 0 && is_outbound) {
        letter->addressed = *descriptor;
        letter->descriptor = &letter->addressed;
        int fault = fd_route_find(injector->routes, record->packet, record->captured,
                                  descriptor->mark, &letter->addressed.ifindex);
        if (fault != 0)
            return fault;
    } else if (descriptor->ifindex == LOOPBACK_IFINDEX && !is_outbound) {
        letter->addressed = *descriptor;
        letter->descriptor = &letter->addressed;
        letter->addressed.flags |= FD_FLAG_OUTBOUND | FD_FLAG_LOOPBACK;
    }
    return find_device(injector, letter->descriptor->ifindex) ? 0 : ENODEV;
}

/* 0, or an errno. */
static int write_letter(struct fd_injector *injector, struct letter *letter,
                        const struct fd_descriptor *descriptor, const struct fd_record *record)
{
    if (!is_whole(record))
        return EINVAL;
    int fault = find_way(injector, letter, descriptor, record);
    if (fault != 0)
        return fault;
    descriptor = letter->descriptor;
    int inbound = fd_is_inbound(descriptor);
    uint32_t state = fd_way_back_state(&injector->back, descriptor);
    int ipv6 = record->packet[0] >> 4 == 6;
    letter->to.sll_ifindex = (int)descriptor->ifindex;
    letter->to.sll_protocol = fd_network16(ipv6 ? ETH_P_IPV6 : ETH_P_IP);
    address(injector, letter, record, inbound, &state);
    letter->parts[2] = (struct iovec){record->packet, record->captured};
    offload(letter, descriptor, record->captured);
    uint32_t mark = injector->back.mark | (injector->back.next & FD_MARK_SLOT);
    fd_way_back_take(&injector->back, descriptor, state);
    memcpy(CMSG_DATA(&letter->control.header), &mark, sizeof(mark));
    letter->record = record;
    letter->state = state;
    return 0;
}

/* ---- by socket ---------------------------------------------------------- */

static int mend(struct fd_injector *injector, uint32_t which, int fault)
{
    const struct letter *letter = &injector->letters[which];

    if (fault != EMSGSIZE)
        return fault;
    return fd_pieces_send(injector->socket, &injector->messages[which].msg_hdr, letter->descriptor,
                          letter->record, letter->state, &injector->back);
}

static void send_letters(struct fd_injector *injector, uint32_t count, int32_t *faults)
{
    uint32_t sent = 0;

    while (sent < count) {
        int done = sendmmsg(injector->socket, injector->messages + sent, count - sent, 0);
        if (done > 0) {
            sent += (uint32_t)done;
        } else if (errno != EINTR) { /* the first of them failed: on with the others */
            faults[injector->rows[sent]] = mend(injector, sent, errno);
            sent++;
        }
    }
}

/* ---- a batch ------------------------------------------------------------ */

/* How many were sent by socket: up to those that suit the quick way. */
static uint32_t send_by_socket(struct fd_injector *injector,
                               const struct fd_descriptor *descriptors,
                               const struct fd_record *records, uint32_t row, uint32_t count,
                               int32_t *faults)
{
    uint32_t letters = 0;
    uint32_t at = row;

    do {
        faults[at] =
            write_letter(injector, &injector->letters[letters], &descriptors[at], &records[at]);
        if (faults[at] == 0)
            injector->rows[letters++] = at;
        at++;
    } while (at < count && letters < BATCH &&
             !fd_quick_suits(&injector->quick, &descriptors[at], &records[at], count - at));
    send_letters(injector, letters, faults);
    fd_way_back_queued(&injector->back);
    return at - row;
}

uint32_t fd_inject(struct fd_injector *injector, const struct fd_descriptor *descriptors,
                   const struct fd_record *records, uint32_t count, int untouched, int32_t *faults)
{
    uint32_t sent = 0;
    uint32_t at = 0;

    pthread_mutex_lock(&injector->lock);
    fd_quick_forget(&injector->quick);
    injector->back.untouched = untouched;
    injector->device_index = 0; /* interfaces may have changed since the last time */
    while (at < count) {
        uint32_t quick = 0;
        if (fd_quick_suits(&injector->quick, descriptors + at, records + at, count - at))
            quick = fd_quick_send(&injector->quick, &injector->back, descriptors + at, records + at,
                                  count - at, faults + at);
        at +=
            quick != 0 ? quick : send_by_socket(injector, descriptors, records, at, count, faults);
    }
    pthread_mutex_unlock(&injector->lock);
    for (uint32_t i = 0; i < count; i++)
        sent += faults[i] == 0;
    return sent;
}
