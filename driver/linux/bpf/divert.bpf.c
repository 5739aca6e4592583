/* SPDX-License-Identifier: MIT */
/*
 * One handle's programs: every packet of every interface passes here, at tcx
 * egress and tcx ingress. A packet that a handle put back is restored and let
 * go; any other is parsed, judged by the handle's filter, and, if it matches,
 * taken (or copied) into this CPU's queue.
 */
#include "describe.h"
#include "inject.h"
#include "parse.h"
#include "restore.h"
#include "super.h"

/* Inlined, so that the offsets in it become constants. */
#pragma clang attribute push(__attribute__((always_inline)), apply_to = function)
#include "../../core/hash.c"
#pragma clang attribute pop

/* The loader puts the generated filter in this function's place. What it says
 * here keeps the compiler from knowing the arguments or the result. */
static __attribute__((noinline)) int filter(struct __sk_buff *skb, struct fd_live_packet *packet)
{
    int result = 1;
    __asm__ volatile("" : "+r"(result) : "r"(skb), "r"(packet) : "memory");
    return result;
}

INLINE int is_group_or_own(const struct fd_live_packet *packet)
{
    uint32_t key[4] = {0, 0, 0, 0};
    const uint32_t *ip = (const uint32_t *)packet->prefix;

    if (packet->headers & FD_HAS(FD_HEADER_IP)) {
        if (packet->prefix[16] >= 224) /* multicast and 255.255.255.255 */
            return 1;
        key[2] = NETWORK16(0xffff) << 16;
        if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
            key[2] = 0xffff;
        key[3] = ip[FD_IPV4_DESTINATION / 4];
    } else {
        if (packet->prefix[24] == 0xff)
            return 1;
        for (int i = 0; i < 4; i++)
            key[i] = ip[FD_IPV6_DESTINATION / 4 + i];
    }
    return bpf_map_lookup_elem(&addresses, key) != 0;
}

/* Would the host keep this packet? Its address table says so at once; routes
 * of type local and the like are the routing table's to answer. */
INLINE int is_for_host(struct __sk_buff *skb, const struct fd_live_packet *packet)
{
    struct bpf_fib_lookup route = {0};
    const uint32_t *ip = (const uint32_t *)packet->prefix;

    if (skb->pkt_type == PACKET_BROADCAST || skb->pkt_type == PACKET_MULTICAST ||
        is_group_or_own(packet))
        return 1;
    route.ifindex = skb->ifindex;
    if (packet->headers & FD_HAS(FD_HEADER_IP)) {
        route.family = 2; /* AF_INET */
        route.ipv4_src = ip[FD_IPV4_SOURCE / 4];
        route.ipv4_dst = ip[FD_IPV4_DESTINATION / 4];
    } else {
        route.family = 10; /* AF_INET6 */
        for (int i = 0; i < 4; i++) {
            route.ipv6_src[i] = ip[FD_IPV6_SOURCE / 4 + i];
            route.ipv6_dst[i] = ip[FD_IPV6_DESTINATION / 4 + i];
        }
    }
    long answer = bpf_fib_lookup(skb, &route, sizeof(route), 0);
    /* A host that does not forward throws away what is not its own: let the
     * filter see it first. */
    return answer == BPF_FIB_LKUP_RET_NOT_FWDED || answer == BPF_FIB_LKUP_RET_FWD_DISABLED;
}

/* Inbound is what the host keeps; outbound is what it made. What it passes on
 * is at the forward layer alone, and there it is seen on its way out. */
INLINE int is_of_layer(struct __sk_buff *skb, struct fd_live_packet *packet, int egress,
                       uint32_t note)
{
    int forwards = config.layer == FD_LAYER_NETWORK_FORWARD;

    if (!egress)
        return !forwards && is_for_host(skb, packet);
    int forwarded = skb->ingress_ifindex != 0 || (note & FD_SLOT_FORWARDED);
    if (forwarded != forwards)
        return 0;
    packet->flags |= forwarded ? FD_FLAG_OUTBOUND | FD_FLAG_FORWARDED : FD_FLAG_OUTBOUND;
    if (skb->ifindex == LOOPBACK_IFINDEX)
        packet->flags |= FD_FLAG_LOOPBACK;
    return 1;
}

/* Who has sent it: a handle says so in the note; what another program has put
 * on the wire by itself comes from a packet socket. */
INLINE uint32_t impostor_flags(struct __sk_buff *skb, int egress, uint32_t note)
{
    if (note & FD_NOTE_RESTORED)
        return (note & FD_SLOT_IMPOSTOR ? FD_FLAG_IMPOSTOR : 0) |
               (note & FD_SLOT_REINJECTED ? FD_FLAG_REINJECTED : 0);
    if (!egress)
        return 0; /* veth leaves the other host's socket on it */
    const struct bpf_sock *socket = skb->sk;
    return socket && socket->family == AF_PACKET ? FD_FLAG_IMPOSTOR : 0;
}

/* A fragment that user space must see: the filter may match the whole. What
 * follows an IPv6 fragment header may be one more extension header: any kind. */
INLINE int is_wanted_piece(const struct fd_live_packet *packet, int egress)
{
    uint32_t protocol = READ_ONCE(packet->protocol);
    uint32_t ipv6 = packet->headers & FD_HAS(FD_HEADER_IPV6);
    uint32_t kinds =
        config.reassembles >> (egress ? FD_FRAGMENT_OUTBOUND : 0) >> (ipv6 ? FD_FRAGMENT_IPV6 : 0);

    if (protocol == FD_PROTOCOL_TCP)
        return kinds >> FD_FRAGMENT_TCP & 1;
    if (protocol == FD_PROTOCOL_UDP)
        return kinds >> FD_FRAGMENT_UDP & 1;
    if (protocol == (ipv6 ? FD_PROTOCOL_ICMPV6 : FD_PROTOCOL_ICMP))
        return kinds >> FD_FRAGMENT_ICMP & 1;
    if (ipv6 && is_extension(protocol))
        return (kinds & 15) != 0;
    return kinds >> FD_FRAGMENT_OTHER & 1;
}

/* Frames that the IP layer will not see here: those of an upper VLAN device
 * (they pass its own hooks), other hosts' frames, other protocols; and what
 * comes in on loopback, which went out on it a moment ago. */
INLINE int is_elsewhere(struct __sk_buff *skb, int egress)
{
    if (skb->protocol != NETWORK16(ETH_P_IP) && skb->protocol != NETWORK16(ETH_P_IPV6))
        return 1;
    if (skb->vlan_present)
        return 1;
    return !egress && (skb->pkt_type == PACKET_OTHERHOST || skb->ifindex == LOOPBACK_IFINDEX);
}

INLINE uint32_t read_l3(struct sk_buff *kernel)
{
    uint64_t data = (uint64_t)kernel->data - (uint64_t)kernel->head;

    OPAQUE(data);
    return kernel->network_header - (uint32_t)data;
}

/* Whether the packet's first bytes, which begin at l3 or elsewhere, are these. */
INLINE int begins_at(struct __sk_buff *skb, uint32_t l3, const uint64_t first[2])
{
    uint64_t here[2];

    return bpf_skb_load_bytes(skb, l3, here, sizeof(here)) == 0 && here[0] == first[0] &&
           here[1] == first[1];
}

/* Older kernels show the network header's bytes, and not where they are. */
INLINE uint32_t find_l3(struct __sk_buff *skb)
{
    uint64_t first[2];

    if (bpf_skb_load_bytes_relative(skb, 0, first, sizeof(first), BPF_HDR_START_NET) != 0 &&
        (bpf_skb_pull_data(skb, ETHERNET_LENGTH + sizeof(first)) != 0 ||
         bpf_skb_load_bytes_relative(skb, 0, first, sizeof(first), BPF_HDR_START_NET) != 0))
        return FD_L2_MAX + 1;
    if (begins_at(skb, ETHERNET_LENGTH, first))
        return ETHERNET_LENGTH;
    return begins_at(skb, 0, first) ? 0 : FD_L2_MAX + 1;
}

INLINE int load(struct __sk_buff *skb, struct sk_buff *kernel, struct fd_live_packet *packet)
{
    uint32_t l3 = config.casts ? read_l3(kernel) : find_l3(skb);

    if (l3 > FD_L2_MAX || skb->len <= l3)
        return 0;
    uint32_t captured = skb->len - l3;
    uint32_t prefix = captured < config.prefix ? captured : config.prefix;
    BOUND(prefix, FD_PREFIX_MAX, return 0);
    packet->l2_length = packet->l3 = l3;
    packet->captured = captured;
    packet->gso_size = skb->gso_size;
    packet->whole = 0;
    packet->prefix_length = prefix;
    return bpf_skb_load_bytes(skb, l3, packet->prefix, prefix) == 0;
}

INLINE void hash(struct fd_live_packet *packet)
{
    struct {
        uint64_t ip[5];
        uint64_t l4[3];
    } flat;
    struct fd_parsed parsed = {.headers = (uint8_t)packet->headers, .l4_offset = sizeof(flat.ip)};

    for (int i = 0; i < 5; i++)
        flat.ip[i] = ((const uint64_t *)packet->prefix)[i];
    for (int i = 0; i < 3; i++)
        flat.l4[i] = ((const uint64_t *)packet->l4)[i];
    packet->hash = fd_hash((const uint8_t *)&flat, &parsed, (uint64_t)packet->timestamp);
}

/* The sender must believe that a packet has left: TCP backs off from a drop,
 * and tcx ignores "stolen". A redirect to an interface that cannot exist frees
 * it in silence. */
INLINE int take_away(int egress)
{
    return egress ? (int)bpf_redirect(0x7ffffff, 0) : TCX_DROP;
}

INLINE int divert(struct __sk_buff *skb, int egress)
{
    int action = TCX_NEXT;
    struct queue queue;
    uint32_t note = read_note(skb);

    if (restore(skb, egress, note, &action))
        return action;
    const struct fd_live_control *state = only_element(&control);
    struct fd_live_packet *packet = only_element(&packets);
    if (!state || !packet || !state->capturing || is_elsewhere(skb, egress))
        return TCX_NEXT;
    struct sk_buff *kernel = config.casts ? bpf_cast_to_kern_ctx(skb) : 0;
    if (config.times)
        packet->timestamp = (int64_t)bpf_ktime_get_ns() + config.epoch;
    if (!find_queue(&queue))
        return TCX_NEXT;
    struct fd_producer_counters *counts = &queue.producer->counters;
    int good = load(skb, kernel, packet) &&
               (is_super(packet) ? parse_super(skb, packet) : parse(skb, packet));
    if (!good) {
        counts->seen++;
        WRITE_ONCE(queue.header->producer.malformed, ++counts->malformed);
        return TCX_NEXT;
    }
    packet->ifindex = skb->ifindex;
    packet->flags = config.sniffs | impostor_flags(skb, egress, note) |
                    (packet->headers & FD_HAS(FD_HEADER_IPV6) ? FD_FLAG_IPV6 : 0) |
                    (packet->state & FD_PARSED_FRAGMENT ? FD_FLAG_FRAGMENT : 0) |
                    (packet->state & FD_PARSED_TRUNCATED ? FD_FLAG_TRUNCATED : 0);
    if (!is_of_layer(skb, packet, egress, note))
        return TCX_NEXT;
    if (config.hashes)
        hash(packet);
    counts->seen++;
    uint32_t piece =
        config.reassembles != 0 && (READ_ONCE(packet->state) & FD_PARSED_FRAGMENT) != 0;
    if (piece ? !is_wanted_piece(packet, egress) : !filter(skb, packet)) {
        WRITE_ONCE(queue.header->producer.seen, counts->seen);
        return TCX_NEXT;
    }
    counts->matched++;
    if (!config.times)
        packet->timestamp = (int64_t)bpf_ktime_get_ns() + config.epoch;
    unsigned drop = FD_DROP_BY_FLAG;
    if (!config.discards || piece) {
        note_offload(kernel, packet);
        drop = packet->whole ? record_super(skb, packet, &queue) : record(skb, packet, &queue);
    }
    if (drop != FD_DROP_COUNT) {
        if (config.passes_overflow && drop != FD_DROP_BY_FLAG)
            drop = FD_DROP_PASSED_BY;
        count_drop(&queue, drop);
        if (drop == FD_DROP_PASSED_BY)
            return TCX_NEXT;
    }
    return config.sniffs ? TCX_NEXT : take_away(egress);
}

SECTION("egress") int fd_egress(struct __sk_buff *skb)
{
    return divert(skb, 1);
}

SECTION("ingress") int fd_ingress(struct __sk_buff *skb)
{
    return divert(skb, 0);
}
