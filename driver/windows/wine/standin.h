/* SPDX-License-Identifier: MIT */
/*
 * A stand-in for fwpkclnt.sys: the filter engine for fastdivert.sys in Wine,
 * which has none. It is a DLL of user mode, as every driver there is code in a
 * process (winedevice.exe). Types and names are those of wfp_kernel.h, whose
 * functions it exports instead of importing them.
 *
 *   engine.c     sessions, callouts, filters; what a packet meets at a layer
 *   injection.c  lists, and packets put back by the driver
 *   ndis.c       the few functions of ndis.sys over NET_BUFFERs
 *   kernel.c     what Wine's ntoskrnl only has as a stub, patched into the driver
 *   wire.c       the test at the other end of a pipe
 */
#ifndef FD_WINE_STANDIN_H
#define FD_WINE_STANDIN_H

#include <windows.h>
#include <winternl.h>

#include "wire.h"

typedef struct fd_mdl {
    struct fd_mdl *Next;
    SHORT Size;
    SHORT MdlFlags;
    void *Process;
    void *MappedSystemVa;
    void *StartVa;
    ULONG ByteCount;
    ULONG ByteOffset;
} MDL, *PMDL;

typedef LARGE_INTEGER PHYSICAL_ADDRESS;
typedef void *PDRIVER_OBJECT;

#define FD_IMP __declspec(dllexport)
#include "../wfp_kernel.h"

#define STATUS_NOT_FOUND_ ((NTSTATUS)0xC0000225)

/* ---- engine.c ---- */

/* Runs a packet past the filters of its layer. injection and context say who
 * had put it there, if anybody. */
enum fd_wire_fate fd_engine_offer(const struct fd_wire_request *packet, HANDLE injection,
                                  HANDLE context);
void fd_engine_describe(struct fd_wire_state *state);

/* A rule was broken; counted, and told to the test. */
void fd_complain(const char *what);

/* ---- injection.c ---- */

/* A list with room for what FwpsQueryPacketInjectionState0 tells. */
struct fd_list {
    NET_BUFFER_LIST list;
    void *more_info[32]; /* real ones have more of NetBufferListInfo */
    HANDLE injection;
    HANDLE context;
    NET_BUFFER first;
};

void fd_injection_describe(struct fd_wire_state *state);

/* A packet that got through all filters waits for the test. */
void fd_injection_deliver(const struct fd_wire_request *packet, BOOLEAN injected);

/* The next of those: TRUE, or FALSE after patience milliseconds or at the end. */
BOOLEAN fd_injection_take(struct fd_wire_reply *reply, DWORD patience);

/* ---- ndis.c ---- */

void fd_copy_buffer(const NET_BUFFER *buffer, BYTE *to);

/* ---- kernel.c ---- */

void fd_kernel_patch(HMODULE driver);
LONG fd_kernel_regions(void);

/* ---- wire.c ---- */

void fd_wire_begin(void);
void fd_wire_end(void);

#endif
