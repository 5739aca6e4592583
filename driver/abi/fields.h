/* SPDX-License-Identifier: MIT */
/*
 * The filter language's field table: every field of WinDivert 2.2, once.
 *
 * The core interpreter, the batch columns, the eBPF emitter, the compiler, the
 * formatter and the documentation are all derived from this list; nothing else
 * in the tree says where a field lies or how wide it is. Include it with
 * FD_FIELD defined as
 *
 *   FD_FIELD(symbol, id, name, layers, source, header, offset, width, shift,
 *            bits, range, style)
 *
 *   symbol  C name, FD_FIELD_<symbol>
 *   id      WinDivert's number of the field (stable: it is in filter objects)
 *   name    as written in a filter
 *   layers  where it exists: N network, M network forward, F flow, S socket,
 *           R reflect (FD_L_...)
 *   source  META: a property of the packet or event, computed by a switch
 *           HEADER: bits of a header in the packet
 *           PACKET, PAYLOAD: width bytes at an index given in the filter
 *   header  whose presence the field needs (NONE: always there)
 *   offset, width
 *           HEADER: where the big-endian word of width bytes lies
 *           PACKET, PAYLOAD: width of the element
 *           META: width of the value
 *   shift, bits
 *           the field is (word >> shift) & (2^bits - 1)
 *   range   the values that a constant can usefully be compared with; the
 *           compiler folds comparisons that lie outside. UNKNOWN: never folded
 *   style   how a constant is written in canonical text
 */
/* clang-format off */
FD_FIELD(ZERO,               0, "zero",              FD_L_NMFSR, META,    NONE,    0,  1, 0,   1, BIT,       BOOL)
FD_FIELD(INBOUND,            1, "inbound",           FD_L_N_FS_, META,    NONE,    0,  1, 0,   1, BIT,       BOOL)
FD_FIELD(OUTBOUND,           2, "outbound",          FD_L_N_FS_, META,    NONE,    0,  1, 0,   1, BIT,       BOOL)
FD_FIELD(IFIDX,              3, "ifIdx",             FD_L_NM___, META,    NONE,    0,  4, 0,  32, BITS32,    DECIMAL)
FD_FIELD(SUBIFIDX,           4, "subIfIdx",          FD_L_NM___, META,    NONE,    0,  4, 0,  32, BITS32,    DECIMAL)
FD_FIELD(IP,                 5, "ip",                FD_L_NMFS_, META,    NONE,    0,  1, 0,   1, BIT,       BOOL)
FD_FIELD(IPV6,               6, "ipv6",              FD_L_NMFS_, META,    NONE,    0,  1, 0,   1, BIT,       BOOL)
FD_FIELD(ICMP,               7, "icmp",              FD_L_NMFS_, META,    NONE,    0,  1, 0,   1, BIT,       BOOL)
FD_FIELD(TCP,                8, "tcp",               FD_L_NMFS_, META,    NONE,    0,  1, 0,   1, BIT,       BOOL)
FD_FIELD(UDP,                9, "udp",               FD_L_NMFS_, META,    NONE,    0,  1, 0,   1, BIT,       BOOL)
FD_FIELD(ICMPV6,            10, "icmpv6",            FD_L_NMFS_, META,    NONE,    0,  1, 0,   1, BIT,       BOOL)
FD_FIELD(IP_HDRLENGTH,      11, "ip.HdrLength",      FD_L_NM___, HEADER,  IP,      0,  1, 0,   4, BITS4,     DECIMAL)
FD_FIELD(IP_TOS,            12, "ip.TOS",            FD_L_NM___, HEADER,  IP,      1,  1, 0,   8, BITS16,    DECIMAL)
FD_FIELD(IP_LENGTH,         13, "ip.Length",         FD_L_NM___, HEADER,  IP,      2,  2, 0,  16, BITS16,    DECIMAL)
FD_FIELD(IP_ID,             14, "ip.Id",             FD_L_NM___, HEADER,  IP,      4,  2, 0,  16, BITS16,    HEX)
FD_FIELD(IP_DF,             15, "ip.DF",             FD_L_NM___, HEADER,  IP,      6,  2, 14,  1, BIT,       BOOL)
FD_FIELD(IP_MF,             16, "ip.MF",             FD_L_NM___, HEADER,  IP,      6,  2, 13,  1, BIT,       BOOL)
FD_FIELD(IP_FRAGOFF,        17, "ip.FragOff",        FD_L_NM___, HEADER,  IP,      6,  2, 0,  13, BITS13,    DECIMAL)
FD_FIELD(IP_TTL,            18, "ip.TTL",            FD_L_NM___, HEADER,  IP,      8,  1, 0,   8, BITS8,     DECIMAL)
FD_FIELD(IP_PROTOCOL,       19, "ip.Protocol",       FD_L_NM___, HEADER,  IP,      9,  1, 0,   8, BITS8,     DECIMAL)
FD_FIELD(IP_CHECKSUM,       20, "ip.Checksum",       FD_L_NM___, HEADER,  IP,     10,  2, 0,  16, BITS16,    HEX)
FD_FIELD(IP_SRCADDR,        21, "ip.SrcAddr",        FD_L_NM___, HEADER,  IP,     12,  4, 0,  32, IPV4,      IPV4)
FD_FIELD(IP_DSTADDR,        22, "ip.DstAddr",        FD_L_NM___, HEADER,  IP,     16,  4, 0,  32, IPV4,      IPV4)
FD_FIELD(IPV6_TRAFFICCLASS, 23, "ipv6.TrafficClass", FD_L_NM___, HEADER,  IPV6,    0,  2, 4,   8, BITS8,     DECIMAL)
FD_FIELD(IPV6_FLOWLABEL,    24, "ipv6.FlowLabel",    FD_L_NM___, HEADER,  IPV6,    0,  4, 0,  20, BITS20,    DECIMAL)
FD_FIELD(IPV6_LENGTH,       25, "ipv6.Length",       FD_L_NM___, HEADER,  IPV6,    4,  2, 0,  16, BITS16,    DECIMAL)
FD_FIELD(IPV6_NEXTHDR,      26, "ipv6.NextHdr",      FD_L_NM___, HEADER,  IPV6,    6,  1, 0,   8, BITS8,     DECIMAL)
FD_FIELD(IPV6_HOPLIMIT,     27, "ipv6.HopLimit",     FD_L_NM___, HEADER,  IPV6,    7,  1, 0,   8, BITS8,     DECIMAL)
FD_FIELD(IPV6_SRCADDR,      28, "ipv6.SrcAddr",      FD_L_NM___, HEADER,  IPV6,    8, 16, 0, 128, BITS128,   IPV6)
FD_FIELD(IPV6_DSTADDR,      29, "ipv6.DstAddr",      FD_L_NM___, HEADER,  IPV6,   24, 16, 0, 128, BITS128,   IPV6)
FD_FIELD(ICMP_TYPE,         30, "icmp.Type",         FD_L_NM___, HEADER,  ICMP,    0,  1, 0,   8, BITS8,     DECIMAL)
FD_FIELD(ICMP_CODE,         31, "icmp.Code",         FD_L_NM___, HEADER,  ICMP,    1,  1, 0,   8, BITS8,     DECIMAL)
FD_FIELD(ICMP_CHECKSUM,     32, "icmp.Checksum",     FD_L_NM___, HEADER,  ICMP,    2,  2, 0,  16, BITS16,    HEX)
FD_FIELD(ICMP_BODY,         33, "icmp.Body",         FD_L_NM___, HEADER,  ICMP,    4,  4, 0,  32, UNKNOWN,   DECIMAL)
FD_FIELD(ICMPV6_TYPE,       34, "icmpv6.Type",       FD_L_NM___, HEADER,  ICMPV6,  0,  1, 0,   8, BITS8,     DECIMAL)
FD_FIELD(ICMPV6_CODE,       35, "icmpv6.Code",       FD_L_NM___, HEADER,  ICMPV6,  1,  1, 0,   8, BITS8,     DECIMAL)
FD_FIELD(ICMPV6_CHECKSUM,   36, "icmpv6.Checksum",   FD_L_NM___, HEADER,  ICMPV6,  2,  2, 0,  16, BITS16,    HEX)
FD_FIELD(ICMPV6_BODY,       37, "icmpv6.Body",       FD_L_NM___, HEADER,  ICMPV6,  4,  4, 0,  32, UNKNOWN,   DECIMAL)
FD_FIELD(TCP_SRCPORT,       38, "tcp.SrcPort",       FD_L_NM___, HEADER,  TCP,     0,  2, 0,  16, BITS16,    DECIMAL)
FD_FIELD(TCP_DSTPORT,       39, "tcp.DstPort",       FD_L_NM___, HEADER,  TCP,     2,  2, 0,  16, BITS16,    DECIMAL)
FD_FIELD(TCP_SEQNUM,        40, "tcp.SeqNum",        FD_L_NM___, HEADER,  TCP,     4,  4, 0,  32, UNKNOWN,   DECIMAL)
FD_FIELD(TCP_ACKNUM,        41, "tcp.AckNum",        FD_L_NM___, HEADER,  TCP,     8,  4, 0,  32, UNKNOWN,   DECIMAL)
FD_FIELD(TCP_HDRLENGTH,     42, "tcp.HdrLength",     FD_L_NM___, HEADER,  TCP,    12,  1, 4,   4, BITS4,     DECIMAL)
FD_FIELD(TCP_URG,           43, "tcp.Urg",           FD_L_NM___, HEADER,  TCP,    13,  1, 5,   1, BIT,       BOOL)
FD_FIELD(TCP_ACK,           44, "tcp.Ack",           FD_L_NM___, HEADER,  TCP,    13,  1, 4,   1, BIT,       BOOL)
FD_FIELD(TCP_PSH,           45, "tcp.Psh",           FD_L_NM___, HEADER,  TCP,    13,  1, 3,   1, BIT,       BOOL)
FD_FIELD(TCP_RST,           46, "tcp.Rst",           FD_L_NM___, HEADER,  TCP,    13,  1, 2,   1, BIT,       BOOL)
FD_FIELD(TCP_SYN,           47, "tcp.Syn",           FD_L_NM___, HEADER,  TCP,    13,  1, 1,   1, BIT,       BOOL)
FD_FIELD(TCP_FIN,           48, "tcp.Fin",           FD_L_NM___, HEADER,  TCP,    13,  1, 0,   1, BIT,       BOOL)
FD_FIELD(TCP_WINDOW,        49, "tcp.Window",        FD_L_NM___, HEADER,  TCP,    14,  2, 0,  16, BITS16,    DECIMAL)
FD_FIELD(TCP_CHECKSUM,      50, "tcp.Checksum",      FD_L_NM___, HEADER,  TCP,    16,  2, 0,  16, BITS16,    HEX)
FD_FIELD(TCP_URGPTR,        51, "tcp.UrgPtr",        FD_L_NM___, HEADER,  TCP,    18,  2, 0,  16, BITS16,    DECIMAL)
FD_FIELD(TCP_PAYLOADLENGTH, 52, "tcp.PayloadLength", FD_L_NM___, META,    TCP,     0,  2, 0,  16, BITS16,    DECIMAL)
FD_FIELD(UDP_SRCPORT,       53, "udp.SrcPort",       FD_L_NM___, HEADER,  UDP,     0,  2, 0,  16, BITS16,    DECIMAL)
FD_FIELD(UDP_DSTPORT,       54, "udp.DstPort",       FD_L_NM___, HEADER,  UDP,     2,  2, 0,  16, BITS16,    DECIMAL)
FD_FIELD(UDP_LENGTH,        55, "udp.Length",        FD_L_NM___, HEADER,  UDP,     4,  2, 0,  16, BITS16,    DECIMAL)
FD_FIELD(UDP_CHECKSUM,      56, "udp.Checksum",      FD_L_NM___, HEADER,  UDP,     6,  2, 0,  16, BITS16,    HEX)
FD_FIELD(UDP_PAYLOADLENGTH, 57, "udp.PayloadLength", FD_L_NM___, META,    UDP,     0,  2, 0,  16, BITS16,    DECIMAL)
FD_FIELD(LOOPBACK,          58, "loopback",          FD_L_N_FS_, META,    NONE,    0,  1, 0,   1, UNKNOWN,   BOOL)
FD_FIELD(IMPOSTOR,          59, "impostor",          FD_L_NM___, META,    NONE,    0,  1, 0,   1, UNKNOWN,   BOOL)
FD_FIELD(PROCESSID,         60, "processId",         FD_L___FSR, META,    NONE,    0,  4, 0,  32, BITS32,    DECIMAL)
FD_FIELD(LOCALADDR,         61, "localAddr",         FD_L_N_FS_, META,    NONE,    0, 16, 0, 128, BITS128,   IPV6)
FD_FIELD(REMOTEADDR,        62, "remoteAddr",        FD_L_N_FS_, META,    NONE,    0, 16, 0, 128, BITS128,   IPV6)
FD_FIELD(LOCALPORT,         63, "localPort",         FD_L_N_FS_, META,    NONE,    0,  2, 0,  16, BITS16,    DECIMAL)
FD_FIELD(REMOTEPORT,        64, "remotePort",        FD_L_N_FS_, META,    NONE,    0,  2, 0,  16, BITS16,    DECIMAL)
FD_FIELD(PROTOCOL,          65, "protocol",          FD_L_N_FS_, META,    NONE,    0,  1, 0,   8, BITS8,     DECIMAL)
FD_FIELD(ENDPOINTID,        66, "endpointId",        FD_L___FS_, META,    NONE,    0,  8, 0,  64, BITS64,    DECIMAL)
FD_FIELD(PARENTENDPOINTID,  67, "parentEndpointId",  FD_L___FS_, META,    NONE,    0,  8, 0,  64, BITS64,    DECIMAL)
FD_FIELD(LAYER,             68, "layer",             FD_L_____R, META,    NONE,    0,  1, 0,   8, LAYERS,    LAYER)
FD_FIELD(PRIORITY,          69, "priority",          FD_L_____R, META,    NONE,    0,  2, 0,  16, PRIORITY,  DECIMAL)
FD_FIELD(EVENT,             70, "event",             FD_L_NMFSR, META,    NONE,    0,  1, 0,   8, EVENTS,    EVENT)
FD_FIELD(PACKET,            71, "packet",            FD_L_NM___, PACKET,  NONE,    0,  1, 0,   8, BITS8,     HEX)
FD_FIELD(PACKET16,          72, "packet16",          FD_L_NM___, PACKET,  NONE,    0,  2, 0,  16, BITS16,    HEX)
FD_FIELD(PACKET32,          73, "packet32",          FD_L_NM___, PACKET,  NONE,    0,  4, 0,  32, UNKNOWN,   HEX)
FD_FIELD(TCP_PAYLOAD,       74, "tcp.Payload",       FD_L_NM___, PAYLOAD, TCP,     0,  1, 0,   8, BITS8,     HEX)
FD_FIELD(TCP_PAYLOAD16,     75, "tcp.Payload16",     FD_L_NM___, PAYLOAD, TCP,     0,  2, 0,  16, BITS16,    HEX)
FD_FIELD(TCP_PAYLOAD32,     76, "tcp.Payload32",     FD_L_NM___, PAYLOAD, TCP,     0,  4, 0,  32, BITS32,    HEX)
FD_FIELD(UDP_PAYLOAD,       77, "udp.Payload",       FD_L_NM___, PAYLOAD, UDP,     0,  1, 0,   8, BITS8,     HEX)
FD_FIELD(UDP_PAYLOAD16,     78, "udp.Payload16",     FD_L_NM___, PAYLOAD, UDP,     0,  2, 0,  16, BITS16,    HEX)
FD_FIELD(UDP_PAYLOAD32,     79, "udp.Payload32",     FD_L_NM___, PAYLOAD, UDP,     0,  4, 0,  32, BITS32,    HEX)
FD_FIELD(LENGTH,            80, "length",            FD_L_NM___, META,    NONE,    0,  4, 0,  32, LENGTHS,   DECIMAL)
FD_FIELD(TIMESTAMP,         81, "timestamp",         FD_L_NMFSR, META,    NONE,    0,  8, 0,  64, TIMESTAMP, DECIMAL)
FD_FIELD(RANDOM8,           82, "random8",           FD_L_NM___, META,    NONE,    0,  1, 0,   8, BITS8,     DECIMAL)
FD_FIELD(RANDOM16,          83, "random16",          FD_L_NM___, META,    NONE,    0,  2, 0,  16, BITS16,    DECIMAL)
FD_FIELD(RANDOM32,          84, "random32",          FD_L_NM___, META,    NONE,    0,  4, 0,  32, BITS32,    DECIMAL)
FD_FIELD(FRAGMENT,          85, "fragment",          FD_L_NM___, META,    NONE,    0,  1, 0,   1, BIT,       BOOL)
/* clang-format on */
