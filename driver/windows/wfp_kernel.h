/* SPDX-License-Identifier: MIT */
/*
 * The part of NDIS and of the Windows Filtering Platform's kernel interface
 * that the driver uses, for compilers without Microsoft's WDK: mingw-w64 has
 * neither fwpsk.h nor today's NET_BUFFER. Written from the public DDI pages;
 * names, types and layouts are theirs, and tests/windows compares the layouts
 * and GUIDs with Microsoft's own metadata.
 */
#ifndef FD_WINDOWS_WFP_KERNEL_H
#define FD_WINDOWS_WFP_KERNEL_H

#if defined(FD_HAVE_WDK)

#include <initguid.h> /* the layer keys are defined here, and not only declared */
#include <ndis.h>

#include <fwpmk.h>
#include <fwpsk.h>

#else

#ifndef FD_IMP
#define FD_IMP __declspec(dllimport)
#endif

/* ---- fwptypes.h ----------------------------------------------------------- */

typedef enum FWP_DATA_TYPE_ {
    FWP_EMPTY = 0,
    FWP_UINT8 = 1,
    FWP_UINT16 = 2,
    FWP_UINT32 = 3,
    FWP_UINT64 = 4,
} FWP_DATA_TYPE;

typedef struct FWP_BYTE_BLOB_ {
    UINT32 size;
    UINT8 *data;
} FWP_BYTE_BLOB;

typedef struct FWP_VALUE0_ {
    FWP_DATA_TYPE type;
    union {
        UINT8 uint8;
        UINT16 uint16;
        UINT32 uint32;
        UINT64 *uint64;
        FWP_BYTE_BLOB *byteBlob;
    };
} FWP_VALUE0;

typedef UINT32 FWP_ACTION_TYPE;
#define FWP_ACTION_FLAG_TERMINATING 0x00001000
#define FWP_ACTION_FLAG_NON_TERMINATING 0x00002000
#define FWP_ACTION_FLAG_CALLOUT 0x00004000
#define FWP_ACTION_BLOCK (0x00000001 | FWP_ACTION_FLAG_TERMINATING)
#define FWP_ACTION_PERMIT (0x00000002 | FWP_ACTION_FLAG_TERMINATING)
#define FWP_ACTION_CALLOUT_UNKNOWN (0x00000005 | FWP_ACTION_FLAG_CALLOUT)
#define FWP_ACTION_CONTINUE (0x00000006 | FWP_ACTION_FLAG_NON_TERMINATING)

#define FWP_CONDITION_FLAG_IS_LOOPBACK 0x00000001
#define FWP_CONDITION_FLAG_IS_FRAGMENT 0x00000020
#define FWP_CONDITION_FLAG_IS_FRAGMENT_GROUP 0x00000040
#define FWP_CONDITION_FLAG_IS_REASSEMBLED 0x00000400

/* ---- fwpmtypes.h ------------------------------------------------------------ */

typedef struct FWPM_DISPLAY_DATA0_ {
    wchar_t *name;
    wchar_t *description;
} FWPM_DISPLAY_DATA0;

#define FWPM_SESSION_FLAG_DYNAMIC 0x00000001
typedef struct FWPM_SESSION0_ {
    GUID sessionKey;
    FWPM_DISPLAY_DATA0 displayData;
    UINT32 flags;
    UINT32 txnWaitTimeoutInMSec;
    UINT32 processId;
    PVOID sid;
    wchar_t *username;
    INT32 kernelMode;
} FWPM_SESSION0;

typedef struct FWPM_SUBLAYER0_ {
    GUID subLayerKey;
    FWPM_DISPLAY_DATA0 displayData;
    UINT32 flags;
    GUID *providerKey;
    FWP_BYTE_BLOB providerData;
    UINT16 weight;
} FWPM_SUBLAYER0;

typedef struct FWPM_CALLOUT0_ {
    GUID calloutKey;
    FWPM_DISPLAY_DATA0 displayData;
    UINT32 flags;
    GUID *providerKey;
    FWP_BYTE_BLOB providerData;
    GUID applicableLayer;
    UINT32 calloutId;
} FWPM_CALLOUT0;

typedef struct FWPM_FILTER_CONDITION0_ FWPM_FILTER_CONDITION0;

typedef struct FWPM_ACTION0_ {
    FWP_ACTION_TYPE type;
    union {
        GUID filterType;
        GUID calloutKey;
    };
} FWPM_ACTION0;

typedef struct FWPM_FILTER0_ {
    GUID filterKey;
    FWPM_DISPLAY_DATA0 displayData;
    UINT32 flags;
    GUID *providerKey;
    FWP_BYTE_BLOB providerData;
    GUID layerKey;
    GUID subLayerKey;
    FWP_VALUE0 weight;
    UINT32 numFilterConditions;
    FWPM_FILTER_CONDITION0 *filterCondition;
    FWPM_ACTION0 action;
    union {
        UINT64 rawContext;
        GUID providerContextKey;
    };
    GUID *reserved;
    UINT64 filterId;
    FWP_VALUE0 effectiveWeight;
} FWPM_FILTER0;

/* ---- nbl.h, ndis.h ------------------------------------------------------------ */

typedef PVOID NDIS_HANDLE;
typedef INT32 NDIS_STATUS;

typedef struct _NDIS_OBJECT_HEADER {
    UCHAR Type;
    UCHAR Revision;
    USHORT Size;
} NDIS_OBJECT_HEADER;
#define NDIS_OBJECT_TYPE_DEFAULT 0x80

typedef struct _NET_BUFFER NET_BUFFER, *PNET_BUFFER;
typedef struct _NET_BUFFER_LIST NET_BUFFER_LIST, *PNET_BUFFER_LIST;

#define FD_NDIS_ALIGN DECLSPEC_ALIGN(16) /* MEMORY_ALLOCATION_ALIGNMENT of 64-bit Windows */

struct _NET_BUFFER {
    union {
        struct {
            PNET_BUFFER Next;
            PMDL CurrentMdl;
            ULONG CurrentMdlOffset;
            union {
                ULONG DataLength;
                SIZE_T stDataLength;
            };
            PMDL MdlChain;
            ULONG DataOffset;
        };
        SLIST_HEADER Link;
    };
    USHORT ChecksumBias;
    USHORT Reserved;
    NDIS_HANDLE NdisPoolHandle;
    FD_NDIS_ALIGN PVOID NdisReserved[2];
    FD_NDIS_ALIGN PVOID ProtocolReserved[6];
    FD_NDIS_ALIGN PVOID MiniportReserved[4];
    PHYSICAL_ADDRESS DataPhysicalAddress;
    PVOID SharedMemoryInfo;
};

typedef enum _NDIS_NET_BUFFER_LIST_INFO {
    TcpIpChecksumNetBufferListInfo = 0,
    TcpLargeSendNetBufferListInfo = 2,
    /* How many there are depends on the version of NDIS: the array is longer
     * than this, and nobody may take the size of a NET_BUFFER_LIST. */
    FdKnownNetBufferListInfo = 3,
} NDIS_NET_BUFFER_LIST_INFO;

struct _NET_BUFFER_LIST {
    union {
        struct {
            PNET_BUFFER_LIST Next;
            PNET_BUFFER FirstNetBuffer;
        };
        SLIST_HEADER Link;
    };
    PVOID Context;
    PNET_BUFFER_LIST ParentNetBufferList;
    NDIS_HANDLE NdisPoolHandle;
    FD_NDIS_ALIGN PVOID NdisReserved[2];
    FD_NDIS_ALIGN PVOID ProtocolReserved[4];
    FD_NDIS_ALIGN PVOID MiniportReserved[2];
    PVOID Scratch;
    NDIS_HANDLE SourceHandle;
    ULONG NblFlags;
    LONG ChildRefCount;
    ULONG Flags;
    union {
        NDIS_STATUS Status;
        ULONG NdisReserved2;
    };
    PVOID NetBufferListInfo[FdKnownNetBufferListInfo];
};

#define NET_BUFFER_LIST_NEXT_NBL(list) ((list)->Next)
#define NET_BUFFER_LIST_FIRST_NB(list) ((list)->FirstNetBuffer)
#define NET_BUFFER_LIST_INFO(list, id) ((list)->NetBufferListInfo[id])
#define NET_BUFFER_LIST_STATUS(list) ((list)->Status)
#define NET_BUFFER_NEXT_NB(buffer) ((buffer)->Next)
#define NET_BUFFER_DATA_LENGTH(buffer) ((buffer)->DataLength)
#define NET_BUFFER_DATA_OFFSET(buffer) ((buffer)->DataOffset)

typedef struct _NDIS_TCP_IP_CHECKSUM_NET_BUFFER_LIST_INFO {
    union {
        struct {
            ULONG IsIPv4 : 1;
            ULONG IsIPv6 : 1;
            ULONG TcpChecksum : 1;
            ULONG UdpChecksum : 1;
            ULONG IpHeaderChecksum : 1;
            ULONG Reserved : 11;
            ULONG TcpHeaderOffset : 10;
        } Transmit;
        struct {
            ULONG TcpChecksumFailed : 1;
            ULONG UdpChecksumFailed : 1;
            ULONG IpChecksumFailed : 1;
            ULONG TcpChecksumSucceeded : 1;
            ULONG UdpChecksumSucceeded : 1;
            ULONG IpChecksumSucceeded : 1;
            ULONG Loopback : 1;
            ULONG TcpChecksumValueInvalid : 1;
            ULONG IpChecksumValueInvalid : 1;
        } Receive;
        PVOID Value;
    };
} NDIS_TCP_IP_CHECKSUM_NET_BUFFER_LIST_INFO;

typedef struct _NDIS_TCP_LARGE_SEND_OFFLOAD_NET_BUFFER_LIST_INFO {
    union {
        struct {
            ULONG MSS : 20;
            ULONG TcpHeaderOffset : 10;
            ULONG Type : 1;
            ULONG IPVersion : 1;
        } LsoV2Transmit;
        PVOID Value;
    };
} NDIS_TCP_LARGE_SEND_OFFLOAD_NET_BUFFER_LIST_INFO;

typedef struct _NET_BUFFER_LIST_POOL_PARAMETERS {
    NDIS_OBJECT_HEADER Header;
    UCHAR ProtocolId;
    BOOLEAN fAllocateNetBuffer;
    USHORT ContextSize;
    ULONG PoolTag;
    ULONG DataSize;
    ULONG Flags;
} NET_BUFFER_LIST_POOL_PARAMETERS, *PNET_BUFFER_LIST_POOL_PARAMETERS;
#define NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1 1
/* Up to DataSize; revision 2 added Flags. */
#define NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1 16

FD_IMP NDIS_HANDLE NTAPI NdisAllocateGenericObject(PDRIVER_OBJECT driver, ULONG tag, USHORT size);
FD_IMP VOID NTAPI NdisFreeGenericObject(NDIS_HANDLE object);
FD_IMP NDIS_HANDLE NTAPI NdisAllocateNetBufferListPool(NDIS_HANDLE object,
                                                       PNET_BUFFER_LIST_POOL_PARAMETERS parameters);
FD_IMP VOID NTAPI NdisFreeNetBufferListPool(NDIS_HANDLE pool);
FD_IMP PVOID NTAPI NdisGetDataBuffer(PNET_BUFFER buffer, ULONG length, PVOID storage,
                                     unsigned int alignment, unsigned int offset);
FD_IMP NDIS_STATUS NTAPI NdisRetreatNetBufferDataStart(PNET_BUFFER buffer, ULONG delta,
                                                       ULONG backfill, PVOID allocate);
FD_IMP VOID NTAPI NdisAdvanceNetBufferDataStart(PNET_BUFFER buffer, ULONG delta, BOOLEAN free_mdl,
                                                PVOID free);

/* ---- fwpsk.h -------------------------------------------------------------------- */

typedef struct FWPS_INCOMING_VALUE0_ {
    FWP_VALUE0 value;
} FWPS_INCOMING_VALUE0;

typedef struct FWPS_INCOMING_VALUES0_ {
    UINT16 layerId;
    UINT32 valueCount;
    FWPS_INCOMING_VALUE0 *incomingValue;
} FWPS_INCOMING_VALUES0;

typedef struct FWPS_DISCARD_METADATA0_ {
    INT32 discardModule;
    UINT32 discardReason;
    UINT64 filterId;
} FWPS_DISCARD_METADATA0;

/* More members follow; the driver only gets pointers to it. */
typedef struct FWPS_INCOMING_METADATA_VALUES0_ {
    UINT32 currentMetadataValues;
    UINT32 flags;
    UINT64 reserved;
    FWPS_DISCARD_METADATA0 discardMetadata;
    UINT64 flowHandle;
    UINT32 ipHeaderSize;
    UINT32 transportHeaderSize;
    FWP_BYTE_BLOB *processPath;
    UINT64 token;
    UINT64 processId;
    UINT32 sourceInterfaceIndex;
    UINT32 destinationInterfaceIndex;
    UINT32 compartmentId;
} FWPS_INCOMING_METADATA_VALUES0;
#define FWPS_METADATA_FIELD_IP_HEADER_SIZE 0x00000004
#define FWPS_METADATA_FIELD_COMPARTMENT_ID 0x00000800
#define FWPS_IS_METADATA_FIELD_PRESENT(metadata, field) \
    (((metadata)->currentMetadataValues & (field)) == (field))

typedef struct FWPS_ACTION0_ {
    FWP_ACTION_TYPE type;
    UINT32 calloutId;
} FWPS_ACTION0;

typedef struct FWPS_FILTER_CONDITION0_ FWPS_FILTER_CONDITION0;
typedef struct FWPM_PROVIDER_CONTEXT1_ FWPM_PROVIDER_CONTEXT1;

typedef struct FWPS_FILTER1_ {
    UINT64 filterId;
    FWP_VALUE0 weight;
    UINT16 subLayerWeight;
    UINT16 flags;
    UINT32 numFilterConditions;
    FWPS_FILTER_CONDITION0 *filterCondition;
    FWPS_ACTION0 action;
    UINT64 context;
    FWPM_PROVIDER_CONTEXT1 *providerContext;
} FWPS_FILTER1;

typedef struct FWPS_CLASSIFY_OUT0_ {
    FWP_ACTION_TYPE actionType;
    UINT64 outContext;
    UINT64 filterId;
    UINT32 rights;
    UINT32 flags;
    UINT32 reserved;
} FWPS_CLASSIFY_OUT0;
#define FWPS_RIGHT_ACTION_WRITE 0x00000001
#define FWPS_CLASSIFY_OUT_FLAG_ABSORB 0x00000001

typedef enum FWPS_CALLOUT_NOTIFY_TYPE_ {
    FWPS_CALLOUT_NOTIFY_ADD_FILTER = 0,
    FWPS_CALLOUT_NOTIFY_DELETE_FILTER = 1,
} FWPS_CALLOUT_NOTIFY_TYPE;

typedef VOID(NTAPI *FWPS_CALLOUT_CLASSIFY_FN1)(const FWPS_INCOMING_VALUES0 *values,
                                               const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                                               VOID *layer_data, const VOID *classify_context,
                                               const FWPS_FILTER1 *filter, UINT64 flow_context,
                                               FWPS_CLASSIFY_OUT0 *out);
typedef NTSTATUS(NTAPI *FWPS_CALLOUT_NOTIFY_FN1)(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID *key,
                                                 FWPS_FILTER1 *filter);
typedef VOID(NTAPI *FWPS_CALLOUT_FLOW_DELETE_NOTIFY_FN0)(UINT16 layer, UINT32 callout,
                                                         UINT64 flow_context);

typedef struct FWPS_CALLOUT1_ {
    GUID calloutKey;
    UINT32 flags;
    FWPS_CALLOUT_CLASSIFY_FN1 classifyFn;
    FWPS_CALLOUT_NOTIFY_FN1 notifyFn;
    FWPS_CALLOUT_FLOW_DELETE_NOTIFY_FN0 flowDeleteFn;
} FWPS_CALLOUT1;

typedef enum FWPS_PACKET_INJECTION_STATE_ {
    FWPS_PACKET_NOT_INJECTED = 0,
    FWPS_PACKET_INJECTED_BY_SELF = 1,
    FWPS_PACKET_INJECTED_BY_OTHER = 2,
    FWPS_PACKET_PREVIOUSLY_INJECTED_BY_SELF = 3,
} FWPS_PACKET_INJECTION_STATE;

#define FWPS_INJECTION_TYPE_NETWORK 0x00000004
#define FWPS_INJECTION_TYPE_FORWARD 0x00000008
#define UNSPECIFIED_COMPARTMENT_ID 0

typedef VOID(NTAPI *FWPS_INJECT_COMPLETE0)(VOID *context, NET_BUFFER_LIST *list,
                                           BOOLEAN dispatch_level);

FD_IMP NTSTATUS NTAPI FwpsCalloutRegister1(VOID *device, const FWPS_CALLOUT1 *callout, UINT32 *id);
FD_IMP NTSTATUS NTAPI FwpsCalloutUnregisterById0(UINT32 id);
FD_IMP NTSTATUS NTAPI FwpsInjectionHandleCreate0(UINT16 family, UINT32 flags, HANDLE *handle);
FD_IMP NTSTATUS NTAPI FwpsInjectionHandleDestroy0(HANDLE handle);
FD_IMP NTSTATUS NTAPI FwpsAllocateNetBufferAndNetBufferList0(NDIS_HANDLE pool, USHORT context_size,
                                                             USHORT context_backfill, MDL *chain,
                                                             ULONG offset, SIZE_T length,
                                                             NET_BUFFER_LIST **list);
FD_IMP VOID NTAPI FwpsFreeNetBufferList0(NET_BUFFER_LIST *list);
FD_IMP NTSTATUS NTAPI FwpsInjectNetworkSendAsync0(HANDLE injection, HANDLE injection_context,
                                                  UINT32 flags, UINT32 compartment,
                                                  NET_BUFFER_LIST *list,
                                                  FWPS_INJECT_COMPLETE0 complete, HANDLE context);
FD_IMP NTSTATUS NTAPI FwpsInjectNetworkReceiveAsync0(
    HANDLE injection, HANDLE injection_context, UINT32 flags, UINT32 compartment,
    UINT32 interface_index, UINT32 sub_interface_index, NET_BUFFER_LIST *list,
    FWPS_INJECT_COMPLETE0 complete, HANDLE context);
FD_IMP NTSTATUS NTAPI FwpsInjectForwardAsync0(HANDLE injection, HANDLE injection_context,
                                              UINT32 flags, UINT16 family, UINT32 compartment,
                                              UINT32 interface_index, NET_BUFFER_LIST *list,
                                              FWPS_INJECT_COMPLETE0 complete, HANDLE context);
FD_IMP FWPS_PACKET_INJECTION_STATE NTAPI FwpsQueryPacketInjectionState0(HANDLE injection,
                                                                        const NET_BUFFER_LIST *list,
                                                                        HANDLE *injection_context);

/* ---- fwpmk.h ---------------------------------------------------------------------- */

FD_IMP NTSTATUS NTAPI FwpmEngineOpen0(const wchar_t *server, UINT32 service, VOID *identity,
                                      const FWPM_SESSION0 *session, HANDLE *engine);
FD_IMP NTSTATUS NTAPI FwpmEngineClose0(HANDLE engine);
FD_IMP NTSTATUS NTAPI FwpmTransactionBegin0(HANDLE engine, UINT32 flags);
FD_IMP NTSTATUS NTAPI FwpmTransactionCommit0(HANDLE engine);
FD_IMP NTSTATUS NTAPI FwpmTransactionAbort0(HANDLE engine);
FD_IMP NTSTATUS NTAPI FwpmSubLayerAdd0(HANDLE engine, const FWPM_SUBLAYER0 *layer, VOID *security);
FD_IMP NTSTATUS NTAPI FwpmCalloutAdd0(HANDLE engine, const FWPM_CALLOUT0 *callout, VOID *security,
                                      UINT32 *id);
FD_IMP NTSTATUS NTAPI FwpmFilterAdd0(HANDLE engine, const FWPM_FILTER0 *filter, VOID *security,
                                     UINT64 *id);

#endif

#ifndef FD_HAVE_WDK
/* Constants of headers that only user mode has in mingw. */
#define RPC_C_AUTHN_WINNT 10
#define AF_INET 2
#define AF_INET6 23

#define FD_LAYER_KEY(name, a, b, c, d, e, f, g, h, i, j, k) \
    static const GUID name __attribute__((unused)) = {a, b, c, {d, e, f, g, h, i, j, k}}
FD_LAYER_KEY(FWPM_LAYER_INBOUND_IPPACKET_V4, 0xc86fd1bf, 0x21cd, 0x497e, 0xa0, 0xbb, 0x17, 0x42,
             0x5c, 0x88, 0x5c, 0x58);
FD_LAYER_KEY(FWPM_LAYER_INBOUND_IPPACKET_V6, 0xf52032cb, 0x991c, 0x46e7, 0x97, 0x1d, 0x26, 0x01,
             0x45, 0x9a, 0x91, 0xca);
FD_LAYER_KEY(FWPM_LAYER_OUTBOUND_IPPACKET_V4, 0x1e5c9fae, 0x8a84, 0x4135, 0xa3, 0x31, 0x95, 0x0b,
             0x54, 0x22, 0x9e, 0xcd);
FD_LAYER_KEY(FWPM_LAYER_OUTBOUND_IPPACKET_V6, 0xa3b3ab6b, 0x3564, 0x488c, 0x91, 0x17, 0xf3, 0x4e,
             0x82, 0x14, 0x27, 0x63);
FD_LAYER_KEY(FWPM_LAYER_IPFORWARD_V4, 0xa82acc24, 0x4ee1, 0x4ee1, 0xb4, 0x65, 0xfd, 0x1d, 0x25,
             0xcb, 0x10, 0xa4);
FD_LAYER_KEY(FWPM_LAYER_IPFORWARD_V6, 0x7b964818, 0x19c7, 0x493a, 0xb7, 0x1f, 0x83, 0x2c, 0x36,
             0x84, 0xd2, 0x8c);
#undef FD_LAYER_KEY
#endif

/* fwpsk.h has these as enumerations of the fields of each layer; the order is
 * in the DDI pages FWPS_FIELDS_INBOUND_IPPACKET_V4 and so on, and is the same
 * for both families. */
enum fd_wfp_field {
    FD_INBOUND_IPPACKET_INTERFACE_INDEX = 4,
    FD_INBOUND_IPPACKET_SUB_INTERFACE_INDEX = 5,
    FD_INBOUND_IPPACKET_FLAGS = 6,
    FD_OUTBOUND_IPPACKET_INTERFACE_INDEX = 4,
    FD_OUTBOUND_IPPACKET_SUB_INTERFACE_INDEX = 5,
    FD_OUTBOUND_IPPACKET_FLAGS = 6,
    FD_IPFORWARD_SOURCE_INTERFACE_INDEX = 5,
    FD_IPFORWARD_DESTINATION_INTERFACE_INDEX = 7,
    FD_IPFORWARD_DESTINATION_SUB_INTERFACE_INDEX = 8,
    FD_IPFORWARD_FLAGS = 9,
};

#endif
