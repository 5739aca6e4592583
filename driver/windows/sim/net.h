/* SPDX-License-Identifier: MIT */
/* What ndis.c and the wfp_*.c files share. */
#ifndef FD_SIM_NET_H
#define FD_SIM_NET_H

#include "internal.h"
#include "stack.h"

/* ---- lists of buffers ------------------------------------------------------ */

enum sim_list_state { SIM_LIST_OURS = 1, SIM_LIST_STACK, SIM_LIST_COMPLETED };

#define SIM_INJECTIONS 8
/* A NET_BUFFER_LIST with what the stack knows of it. */
struct sim_list {
    NET_BUFFER_LIST list;
    NET_BUFFER buffer; /* of lists that the driver allocates */
    enum sim_list_state state;
    unsigned injections; /* by whom it was injected, the last at the end */
    HANDLE injected_by[SIM_INJECTIONS];
    HANDLE injection_context[SIM_INJECTIONS];
};

struct sim_list *sim_list_new(void);
void sim_list_delete(struct sim_list *list);
uint32_t sim_list_buffers(const NET_BUFFER_LIST *list);
/* Copies a buffer's data to the heap. */
uint8_t *sim_buffer_copy(const NET_BUFFER *buffer);
void sim_buffer_check(const NET_BUFFER *buffer);

/* ---- the engine ------------------------------------------------------------- */

#define SIM_FILTERS 320 /* of one layer */
enum sim_layer {
    SIM_LAYER_INBOUND_V4,
    SIM_LAYER_INBOUND_V6,
    SIM_LAYER_OUTBOUND_V4,
    SIM_LAYER_OUTBOUND_V6,
    SIM_LAYER_FORWARD_V4,
    SIM_LAYER_FORWARD_V6,
    SIM_LAYER_COUNT,
};

/* A filter as the classifier sees it; its callout cannot go before it is
 * released. */
struct sim_applied {
    FWPS_FILTER1 filter;
    UINT16 sublayer_weight;
    GUID sublayer;
    FWPS_CALLOUT_CLASSIFY_FN1 classify; /* NULL: the action stands in the filter */
    struct sim_callout *callout;
};

/* The committed filters of a layer in the order of their evaluation. */
unsigned sim_filters_of(enum sim_layer layer, struct sim_applied *applied, unsigned most);
void sim_filters_release(struct sim_applied *applied, unsigned count);

void sim_check_injection(void);

/* ---- the stack ---------------------------------------------------------------- */

/* Sends a list through the filters of its way, then delivers it or not. */
int sim_stack_pass(const struct sim_traffic *how, struct sim_list *list, int injected);

#endif
