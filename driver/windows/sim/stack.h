/* SPDX-License-Identifier: MIT */
/*
 * The simulated IP stack around the filter engine: a test sends, receives or
 * forwards packets through it, and sees what comes out at the other end. What
 * the driver injects goes in again, as on Windows: through every filter, with
 * its injection state.
 */
#ifndef FD_SIM_STACK_H
#define FD_SIM_STACK_H

#include "sim.h"
#include "../nt.h"

enum sim_way { SIM_INBOUND, SIM_OUTBOUND, SIM_FORWARDED };

/* How the host handles a packet; zero is a plain one. */
struct sim_traffic {
    enum sim_way way;
    int ipv6;
    int loopback; /* outbound, and if nobody takes it, inbound */
    ULONG interface, sub_interface;
    ULONG destination_interface, destination_sub_interface; /* forwarded */
    ULONG compartment;
    UINT32 flags;       /* more FWP_CONDITION_FLAG_... */
    ULONG checksum;     /* TcpIpChecksumNetBufferListInfo */
    ULONG segment_size; /* TcpLargeSendNetBufferListInfo: the card is to cut */
    KIRQL irql;         /* of the classification: PASSIVE_LEVEL to DISPATCH_LEVEL */
    uint32_t mdl_size;  /* not 0: the bytes lie in several MDLs, each at most so long */
    uint32_t unused;    /* bytes before the IP header in the first MDL */
    int no_header_size; /* FWPS_METADATA_FIELD_IP_HEADER_SIZE is not there */
    int no_retreat;     /* inbound: no MDL before the data, so that a retreat needs a new one */
};

struct sim_bytes {
    const uint8_t *bytes;
    uint32_t length;
};

/* One packet; 1 if it was delivered, 0 if somebody took or dropped it. */
int sim_packet(const struct sim_traffic *how, const uint8_t *bytes, uint32_t length);
/* A list of lists: buffers_per_list NET_BUFFERs in each NET_BUFFER_LIST. */
int sim_packets(const struct sim_traffic *how, const struct sim_bytes *packets, unsigned count,
                unsigned buffers_per_list);
/* A list that is built once and classified often, for measuring. */
NET_BUFFER_LIST *sim_list_build(const struct sim_traffic *how, const struct sim_bytes *packets,
                                unsigned count, unsigned buffers_per_list);
int sim_list_classify(const struct sim_traffic *how, NET_BUFFER_LIST *list);
void sim_list_free(NET_BUFFER_LIST *list);

/* ---- what came out ------------------------------------------------------------ */

struct sim_arrival {
    enum sim_way way;
    int ipv6;
    int injected; /* by the driver, and not the host's own */
    ULONG interface, sub_interface, compartment, checksum;
    uint32_t length;
    uint8_t *bytes;
};

/* The n-th since the last sim_arrivals_clear, in order; NULL behind the last. */
const struct sim_arrival *sim_arrival(unsigned n);
unsigned sim_arrival_count(void);
void sim_arrivals_clear(void);
void sim_arrivals_keep(int keep); /* 0: they are counted, and no more */
/* Packets that a filter blocked without absorbing them. */
unsigned sim_blocked_count(void);

/* ---- injections ------------------------------------------------------------------ */

enum sim_completion {
    SIM_INLINE,   /* before the injecting call returns: the worst for reentrancy */
    SIM_DEFERRED, /* by sim_complete */
    SIM_THREAD,   /* on another thread, soon */
};
void sim_completion_set(enum sim_completion when);
void sim_completion_status(NTSTATUS status); /* NET_BUFFER_LIST_STATUS of those to come */
/* Completes so many that wait, at most; how many it were. */
unsigned sim_complete(unsigned most);
unsigned sim_injections_waiting(void);
/* Ends the thread of SIM_THREAD after everything is completed; from then on
 * injections are SIM_INLINE. */
void sim_completion_stop(void);

/* ---- in between --------------------------------------------------------------- */

/* Called once, from inside the n-th NdisGetDataBuffer from now: what another
 * processor might do at just that moment. */
void sim_interrupt(unsigned n, void (*other)(void));

/* ---- other programs' callouts ---------------------------------------------------- */

/* A filter of somebody else in a sublayer of this weight (before others of the
 * same), that permits, blocks
 * or goes on (an FWP_ACTION_...) whatever comes at every layer. 0 removes it. */
void sim_foreign_filter(UINT16 sublayer_weight, FWP_ACTION_TYPE action);
unsigned sim_foreign_seen(void);

unsigned sim_callout_count(void);
unsigned sim_filter_count(void);

#endif
