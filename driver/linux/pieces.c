/* SPDX-License-Identifier: MIT */
#include "pieces.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/uio.h>

#include "../core/bytes.h"
#include "../core/cut.h"

static uint32_t mtu_of(int socket, uint32_t ifindex)
{
    struct ifreq request = {.ifr_ifindex = (int)ifindex};

    if (ioctl(socket, SIOCGIFNAME, &request) < 0 || ioctl(socket, SIOCGIFMTU, &request) < 0)
        return 0;
    return request.ifr_mtu > 0 ? (uint32_t)request.ifr_mtu : 0;
}

/* Who sends IPv6 packets cuts them; who forwards them must not. TCP makes
 * segments that fit, and its path MTU discovery needs the error. */
static int may_be_cut(const struct fd_descriptor *descriptor, const struct fd_record *record)
{
    struct fd_parsed parsed;

    if ((descriptor->flags & (FD_FLAG_GSO_TCP | FD_FLAG_GSO_UDP)) != 0 && descriptor->gso_size != 0)
        return 0;
    if (fd_is_inbound(descriptor))
        return 1;
    unsigned headers = fd_parse(record->packet, record->captured, &parsed);
    if (headers & FD_HAS(FD_HEADER_IP))
        return (record->packet[6] & 0x40) == 0; /* "don't fragment" */
    return (headers & FD_HAS(FD_HEADER_IPV6)) != 0 && (headers & FD_HAS(FD_HEADER_TCP)) == 0 &&
           (descriptor->flags & FD_FLAG_FORWARDED) == 0;
}

static uint32_t identification_for(const struct fd_record *record)
{
    uint32_t number = 0;
    int is_plain_ipv4 = record->packet[0] >> 4 == 4 && (record->packet[6] & 0x40) == 0;

    if (is_plain_ipv4)
        return fd_be16(record->packet + 4);
    /* IPv6 has none yet, and with "don't fragment" it need not be unique. */
    (void)getrandom(&number, sizeof(number), GRND_NONBLOCK);
    return number;
}

static int send_piece(int socket, const struct msghdr *message)
{
    ssize_t sent;

    do
        sent = sendmsg(socket, message, 0);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? errno : 0;
}

int fd_pieces_send(int socket, const struct msghdr *whole, const struct fd_descriptor *descriptor,
                   const struct fd_record *record, uint32_t state, struct fd_way_back *back)
{
    struct virtio_net_hdr offload;
    uint8_t header[FD_CUT_HEADER_MAX];
    struct msghdr message = *whole;
    struct iovec parts[4] = {{&offload, sizeof(offload)}, whole->msg_iov[1], {header, 0}, {0}};
    struct fd_cut cut;
    uint32_t data_at;
    uint32_t length;
    uint32_t header_length;
    int fault = 0;

    if (!may_be_cut(descriptor, record) ||
        !fd_cut_begin(&cut, record->packet, record->captured, mtu_of(socket, descriptor->ifindex),
                      identification_for(record)))
        return EMSGSIZE;
    memset(&offload, 0, sizeof(offload));
    fd_complete_checksum(descriptor, record); /* no fragment has all that it covers */
    message.msg_iov = parts;
    message.msg_iovlen = 4;
    while (fault == 0 && (header_length = fd_cut_next(&cut, header, &data_at, &length)) != 0) {
        uint32_t mark = back->mark | (back->next & FD_MARK_SLOT);
        fd_way_back_take(back, descriptor, state);
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), &mark, sizeof(mark));
        parts[2].iov_len = header_length;
        parts[3] = (struct iovec){record->packet + data_at, length};
        fault = send_piece(socket, &message);
    }
    return fault;
}
