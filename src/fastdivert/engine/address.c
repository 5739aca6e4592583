/* SPDX-License-Identifier: MIT */
#include "address.h"

#include <string.h>

static const struct {
    uint8_t address;
    uint32_t descriptor;
} flag_pairs[] = {
    {FD_ADDRESS_SNIFFED, FD_FLAG_SNIFFED},
    {FD_ADDRESS_OUTBOUND, FD_FLAG_OUTBOUND},
    {FD_ADDRESS_LOOPBACK, FD_FLAG_LOOPBACK},
    {FD_ADDRESS_IMPOSTOR, FD_FLAG_IMPOSTOR},
    {FD_ADDRESS_IPV6, FD_FLAG_IPV6},
    {FD_ADDRESS_IP_CHECKSUM, FD_FLAG_IP_CHECKSUM_VALID},
    {FD_ADDRESS_TCP_CHECKSUM, FD_FLAG_TCP_CHECKSUM_VALID},
    {FD_ADDRESS_UDP_CHECKSUM, FD_FLAG_UDP_CHECKSUM_VALID},
};
#define FLAG_PAIRS (sizeof flag_pairs / sizeof flag_pairs[0])

void fd_addresses_from_rows(const struct fd_rows *rows, struct fd_address *addresses)
{
    for (uint32_t i = 0; i < rows->count; i++) {
        const struct fd_descriptor descriptor = rows->descriptors[i];
        struct fd_address *address = &addresses[i];
        memset(address, 0, sizeof *address);
        address->timestamp = descriptor.timestamp;
        address->layer = (uint8_t)rows->layer;
        address->event = descriptor.event;
        for (unsigned f = 0; f < FLAG_PAIRS; f++) {
            if (descriptor.flags & flag_pairs[f].descriptor)
                address->flags |= flag_pairs[f].address;
        }
        if (fd_is_network(rows->layer)) {
            address->data.network.ifindex = descriptor.ifindex;
            address->data.network.subifindex = descriptor.subifindex;
        } else if (rows->records[i].captured >= FD_EVENT_DATA_SIZE) {
            memcpy(&address->data, rows->records[i].packet, FD_EVENT_DATA_SIZE);
        }
    }
}

void fd_addresses_to_rows(const struct fd_rows *rows, const struct fd_address *addresses)
{
    for (uint32_t i = 0; i < rows->count; i++) {
        const struct fd_address *address = &addresses[i];
        struct fd_descriptor *descriptor = &rows->descriptors[i];
        descriptor->timestamp = address->timestamp;
        descriptor->layer = (uint8_t)rows->layer;
        descriptor->event = address->event;
        for (unsigned f = 0; f < FLAG_PAIRS; f++) {
            descriptor->flags &= ~flag_pairs[f].descriptor;
            if (address->flags & flag_pairs[f].address)
                descriptor->flags |= flag_pairs[f].descriptor;
        }
        if (rows->layer == FD_LAYER_NETWORK_FORWARD) /* the one direction there is */
            descriptor->flags |= FD_FLAG_OUTBOUND | FD_FLAG_FORWARDED;
        if (fd_is_network(rows->layer)) {
            descriptor->ifindex = address->data.network.ifindex;
            descriptor->subifindex = address->data.network.subifindex;
        } else if (rows->records[i].captured >= FD_EVENT_DATA_SIZE) {
            memcpy(rows->records[i].packet, &address->data, FD_EVENT_DATA_SIZE);
        }
    }
}
