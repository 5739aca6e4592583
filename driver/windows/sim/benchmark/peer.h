/* SPDX-License-Identifier: MIT */
#ifndef FD_SIM_PEER_H
#define FD_SIM_PEER_H

#include "../nt_shim.h"

#define PEER_PATH L"\\\\.\\peer"
/* One packet out of the driver; one packet into the stack. */
#define PEER_RECEIVE CTL_CODE(FILE_DEVICE_NETWORK, 0x801, METHOD_BUFFERED, FILE_READ_ACCESS)
#define PEER_SEND CTL_CODE(FILE_DEVICE_NETWORK, 0x802, METHOD_BUFFERED, FILE_WRITE_ACCESS)

NTSTATUS PeerEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry);

#endif
