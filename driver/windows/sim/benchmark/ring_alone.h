/* SPDX-License-Identifier: MIT */
/* The receive queue without the rest of the driver: queue.c over a ring in plain
 * memory, and the consumer that a process has. */
#ifndef FD_SIM_RING_ALONE_H
#define FD_SIM_RING_ALONE_H

#include <stdint.h>

void ring_alone_begin(const uint8_t *packet, uint32_t length, uint32_t batch);
void ring_alone_end(void);

/* A batch: a place reserved for each packet, bytes and descriptor copied,
 * published once. */
void ring_alone_produce(void);
/* Of all that the copying of the bytes alone, into the same memory. */
void ring_alone_copy(void);
/* The process takes it, looks at each packet, and gives it back. */
void ring_alone_consume(void);

#endif
