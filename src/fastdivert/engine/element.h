/* SPDX-License-Identifier: MIT */
/* Where a PACKET or PAYLOAD element lies, and the big-endian words of fields:
 * the same for columns that are read and columns that are written. */
#ifndef FD_ENGINE_ELEMENT_H
#define FD_ENGINE_ELEMENT_H

#include "core/bytes.h"
#include "core/field.h"
#include "rows.h"

/* width is a constant where it matters, so that this is one load. */
static inline __attribute__((always_inline)) uint32_t fd_element_load(const uint8_t *bytes,
                                                                      unsigned width)
{
    if (width == 1)
        return bytes[0];
    return width == 2 ? fd_be16(bytes) : fd_be32(bytes);
}

/* The element's place in the packet, from the start or (index < 0) the end, or
 * -1 if it is not all there. The packet has the header that the field needs. */
static inline int64_t fd_element_at(const struct fd_record *record, const struct fd_parsed *parsed,
                                    const struct fd_field *field, int32_t index)
{
    int64_t first = 0, last = record->captured;
    if (field->source == FD_SOURCE_PAYLOAD) {
        first = parsed->payload_offset;
        last = first + parsed->payload_length;
    }
    int64_t at = index + (index < 0 ? last : first);
    return at >= first && at + field->width <= last ? at : -1;
}

#endif
