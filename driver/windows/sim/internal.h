/* SPDX-License-Identifier: MIT */
/* What the files of the simulated kernel share with each other, and with no
 * test. */
#ifndef FD_SIM_INTERNAL_H
#define FD_SIM_INTERNAL_H

#include "sim.h"

int sim_guarded(void);

/* ---- objects: a header before each body --------------------------------- */

enum sim_type { SIM_EVENT, SIM_FILE, SIM_PROCESS, SIM_DEVICE, SIM_TYPE_COUNT };

struct sim_object {
    enum sim_type type;
    long references;
    long handles;
    void (*on_last_handle)(void *body);
    void (*on_delete)(void *body);
    DECLSPEC_ALIGN(16) uint8_t body[];
};

void *sim_object_create(enum sim_type type, size_t size);
struct sim_object *sim_object_of(const void *body);
HANDLE sim_handle_insert(PEPROCESS process, void *body, ACCESS_MASK access);
/* A reference to the body, or NULL with *status. */
void *sim_handle_reference(PEPROCESS process, HANDLE handle, enum sim_type type, ACCESS_MASK access,
                           NTSTATUS *status);

/* ---- processes ------------------------------------------------------------- */

#define SIM_HANDLES 512
struct sim_handle_entry {
    void *body;
    ACCESS_MASK access;
};
struct _EPROCESS {
    HANDLE id;
    int exiting;
    long locked_pages;
    struct sim_handle_entry handles[SIM_HANDLES];
};
PEPROCESS sim_system_process(void);
void sim_memory_of_process_free(PEPROCESS process);

/* ---- waits ------------------------------------------------------------------- */

/* Called before a thread of the driver blocks: the stack goes on meanwhile. */
void sim_while_waiting(void);

/* What the simulated kernel calls for itself must not fail on purpose. */
long sim_fault_pause(void);
void sim_fault_resume(long paused);

/* ---- security ------------------------------------------------------------------ */

/* Whether this descriptor's list lets that user open the device. */
int sim_acl_allows(const ACL *acl, enum sim_user user, ACCESS_MASK access);
/* A device's discretionary list is copied here by ZwSetSecurityObject. */
ACL *sim_device_acl(PDEVICE_OBJECT device);

#endif
