/* SPDX-License-Identifier: MIT */
/* Values of more than 32 bits, or with a sign. */
#include "value.h"

static void set64(struct fd_value *value, uint64_t magnitude, int negative)
{
    *value = (struct fd_value){{(uint32_t)magnitude, (uint32_t)(magnitude >> 32), 0, 0},
                               (uint32_t)negative};
}

static void set_signed(struct fd_value *value, int64_t number)
{
    set64(value, number < 0 ? 0 - (uint64_t)number : (uint64_t)number, number < 0);
}

static void set_ipv4(struct fd_value *value, const uint8_t *address)
{
    *value = (struct fd_value){{fd_be32(address), 0xffff, 0, 0}, 0};
}

static void set_ipv6(struct fd_value *value, const uint8_t *address)
{
    *value = (struct fd_value){
        {fd_be32(address + 12), fd_be32(address + 8), fd_be32(address + 4), fd_be32(address)}, 0};
}

static int load_packet_address(const struct fd_subject *subject, int is_source,
                               struct fd_value *value)
{
    if (fd_has(subject, FD_HEADER_IP)) {
        set_ipv4(value, subject->bytes + (is_source ? FD_IPV4_SOURCE : FD_IPV4_DESTINATION));
        return 1;
    }
    if (fd_has(subject, FD_HEADER_IPV6)) {
        set_ipv6(value, subject->bytes + (is_source ? FD_IPV6_SOURCE : FD_IPV6_DESTINATION));
        return 1;
    }
    return 0;
}

/* The address fields of an event are value words already. */
static int load_event_address(const struct fd_subject *subject, uint32_t offset,
                              struct fd_value *value)
{
    if (!fd_has_event_data(subject))
        return 0;
    *value = (struct fd_value){0};
    fd_copy(value->word, subject->bytes + offset, sizeof(value->word));
    return 1;
}

int fd_load_wide(unsigned field, unsigned layer, const struct fd_subject *subject,
                 struct fd_value *value)
{
    int outbound = fd_has_flag(subject, FD_FLAG_OUTBOUND);
    int is_packet = fd_is_packet_layer(layer);

    switch (field) {
    case FD_FIELD_TIMESTAMP:
        set_signed(value, subject->descriptor->timestamp);
        return 1;
    case FD_FIELD_IPV6_SRCADDR:
        return fd_has(subject, FD_HEADER_IPV6) && load_packet_address(subject, 1, value);
    case FD_FIELD_IPV6_DSTADDR:
        return fd_has(subject, FD_HEADER_IPV6) && load_packet_address(subject, 0, value);
    case FD_FIELD_LOCALADDR:
        return is_packet ? load_packet_address(subject, outbound, value)
                         : load_event_address(subject, FD_SOCKET_AT(local_address), value);
    case FD_FIELD_REMOTEADDR:
        return is_packet ? load_packet_address(subject, !outbound, value)
                         : load_event_address(subject, FD_SOCKET_AT(remote_address), value);
    default:
        break;
    }
    if (!fd_has_event_data(subject))
        return 0;
    switch (field) {
    case FD_FIELD_ENDPOINTID:
        set64(value, fd_host64(subject->bytes + FD_SOCKET_AT(endpoint_id)), 0);
        return 1;
    case FD_FIELD_PARENTENDPOINTID:
        set64(value, fd_host64(subject->bytes + FD_SOCKET_AT(parent_endpoint_id)), 0);
        return 1;
    case FD_FIELD_PRIORITY:
        set_signed(value, (int16_t)fd_host16(subject->bytes + FD_REFLECT_AT(priority)));
        return 1;
    default:
        return 0;
    }
}

int fd_field_load(unsigned field, int32_t index, unsigned layer, const struct fd_subject *subject,
                  struct fd_value *value)
{
    if (field >= FD_FIELD_COUNT || layer >= FD_LAYER_COUNT ||
        !(fd_field_table[field].layers >> layer & 1))
        return 0;
    if (!fd_is_narrow(field))
        return fd_load_wide(field, layer, subject, value);
    *value = (struct fd_value){{0, fd_second_word(field), 0, 0}, 0};
    return fd_load_narrow(field, index, layer, subject, &value->word[0]);
}
