/* SPDX-License-Identifier: MIT */
/* Where the IP packet of a captured frame begins. */
#ifndef FD_ENGINE_CAPTURE_LINK_H
#define FD_ENGINE_CAPTURE_LINK_H

#include "capture.h"

#define FD_ETHERNET_HEADER 14u
#define FD_NULL_HEADER 4u
#define FD_SLL_HEADER 16u
#define FD_SLL2_HEADER 20u
#define FD_VLAN_TAG 4u

#define FD_ETHERTYPE_IPV4 0x0800u
#define FD_ETHERTYPE_IPV6 0x86ddu

/* What a frame's link layer says. */
struct fd_capture_l2 {
    uint32_t length; /* bytes before the packet; at most FD_L2_MAX */
    uint32_t flags;  /* enum fd_descriptor_flag */
    uint8_t link;    /* enum fd_link */
    uint8_t version; /* of IP: 4 or 6, FD_VERSION_ANY, FD_VERSION_NONE */
};

enum {
    FD_VERSION_NONE = 0, /* no IP packet */
    FD_VERSION_ANY = 1,  /* the packet's own first four bits say */
};

/* 802.1Q and its doubled forms (802.1ad, and the two numbers used before it). */
static inline int fd_is_vlan(uint32_t ethertype)
{
    return ethertype == 0x8100u || ethertype == 0x88a8u || ethertype == 0x9100u ||
           ethertype == 0x9200u;
}

static inline uint8_t fd_ethertype_version(uint32_t ethertype)
{
    if (ethertype == FD_ETHERTYPE_IPV4)
        return 4;
    return ethertype == FD_ETHERTYPE_IPV6 ? 6 : FD_VERSION_NONE;
}

/* AF_INET is 2 everywhere; AF_INET6 is not two systems' same number. */
static inline uint8_t fd_family_version(uint32_t family)
{
    switch (family) {
    case 2:
        return 4;
    case 10: /* Linux */
    case 23: /* Windows */
    case 24: /* NetBSD, OpenBSD */
    case 28: /* FreeBSD */
    case 30: /* Darwin */
        return 6;
    default:
        return FD_VERSION_NONE;
    }
}

/* VLAN tags that follow an L2 header, and the EtherType after the last. */
static inline void fd_skip_vlan(const uint8_t *frame, uint32_t captured, uint32_t ethertype,
                                struct fd_capture_l2 *l2)
{
    while (fd_is_vlan(ethertype) && captured - l2->length >= FD_VLAN_TAG &&
           l2->length + FD_VLAN_TAG <= FD_L2_MAX) {
        ethertype = fd_be16(frame + l2->length + 2);
        l2->length += FD_VLAN_TAG;
    }
    l2->version = fd_ethertype_version(ethertype);
}

static inline void fd_locate_ethernet(const uint8_t *frame, uint32_t captured,
                                      struct fd_capture_l2 *l2)
{
    l2->link = FD_LINK_ETHERNET;
    if (captured < FD_ETHERNET_HEADER)
        return;
    l2->length = FD_ETHERNET_HEADER;
    fd_skip_vlan(frame, captured, fd_be16(frame + 12), l2);
}

/* Both cooked headers: packet type 4 is "sent by us", ARPHRD 772 is loopback. */
static inline uint32_t fd_cooked_flags(uint32_t packet_type, uint32_t arphrd)
{
    return (packet_type == 4 ? (uint32_t)FD_FLAG_OUTBOUND : 0) |
           (arphrd == 772 ? (uint32_t)FD_FLAG_LOOPBACK : 0);
}

static inline void fd_locate_sll(const uint8_t *frame, uint32_t captured, struct fd_capture_l2 *l2)
{
    l2->link = FD_LINK_SLL;
    if (captured < FD_SLL_HEADER)
        return;
    l2->length = FD_SLL_HEADER;
    l2->flags = fd_cooked_flags(fd_be16(frame), fd_be16(frame + 2));
    fd_skip_vlan(frame, captured, fd_be16(frame + 14), l2);
}

static inline void fd_locate_sll2(const uint8_t *frame, uint32_t captured, struct fd_capture_l2 *l2)
{
    l2->link = FD_LINK_SLL2;
    if (captured < FD_SLL2_HEADER)
        return;
    l2->length = FD_SLL2_HEADER;
    l2->flags = fd_cooked_flags(frame[10], fd_be16(frame + 8));
    fd_skip_vlan(frame, captured, fd_be16(frame), l2);
}

/* The family word is in the order of the host that captured, which need not
 * be the order of the file; no family is above 0xffff. */
static inline void fd_locate_null(const uint8_t *frame, uint32_t captured, struct fd_capture_l2 *l2)
{
    uint32_t family;

    l2->link = FD_LINK_NULL;
    if (captured < FD_NULL_HEADER)
        return;
    l2->length = FD_NULL_HEADER;
    family = fd_le32(frame);
    l2->version = fd_family_version(family > 0xffffu ? fd_be32(frame) : family);
}

static inline void fd_locate_loop(const uint8_t *frame, uint32_t captured, struct fd_capture_l2 *l2)
{
    l2->link = FD_LINK_LOOP;
    if (captured < FD_NULL_HEADER)
        return;
    l2->length = FD_NULL_HEADER;
    l2->version = fd_family_version(fd_be32(frame));
}

/* Fills l2. Its length is at most captured. */
static inline void fd_capture_locate(uint32_t link_type, const uint8_t *frame, uint32_t captured,
                                     struct fd_capture_l2 *l2)
{
    l2->length = 0;
    l2->flags = 0;
    l2->link = FD_LINK_NONE;
    l2->version = FD_VERSION_NONE;
    if (link_type == FD_LINKTYPE_ETHERNET) { /* first: most files are */
        fd_locate_ethernet(frame, captured, l2);
        return;
    }
    switch (link_type) {
    case FD_LINKTYPE_RAW:
    case FD_LINKTYPE_RAW_BSD:
    case FD_LINKTYPE_RAW_OPENBSD:
    case FD_LINKTYPE_IPV4: /* the packet says its version again */
    case FD_LINKTYPE_IPV6:
        l2->version = FD_VERSION_ANY;
        break;
    case FD_LINKTYPE_LINUX_SLL:
        fd_locate_sll(frame, captured, l2);
        break;
    case FD_LINKTYPE_LINUX_SLL2:
        fd_locate_sll2(frame, captured, l2);
        break;
    case FD_LINKTYPE_NULL:
        fd_locate_null(frame, captured, l2);
        break;
    case FD_LINKTYPE_LOOP:
        fd_locate_loop(frame, captured, l2);
        break;
    default:
        l2->link = FD_LINK_OTHER;
    }
}

#endif
