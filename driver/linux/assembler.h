/* SPDX-License-Identifier: MIT */
/* eBPF instructions, named as the kernel's instruction set document has them. */
#ifndef FD_LINUX_ASSEMBLER_H
#define FD_LINUX_ASSEMBLER_H

#include <linux/bpf.h>
#include <stdint.h>

#define FD_INSTRUCTION(code_, dst_, src_, off_, imm_)     \
    ((struct bpf_insn){.code = (uint8_t)(code_),          \
                       .dst_reg = (uint8_t)((dst_) & 15), \
                       .src_reg = (uint8_t)((src_) & 15), \
                       .off = (int16_t)(off_),            \
                       .imm = (int32_t)(imm_)})

#define FD_LOAD(size, to, from, off) FD_INSTRUCTION(BPF_LDX | BPF_MEM | (size), to, from, off, 0)
#define FD_MOVE(to, from) FD_INSTRUCTION(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0)
#define FD_MOVE_VALUE(to, value) FD_INSTRUCTION(BPF_ALU | BPF_MOV | BPF_K, to, 0, 0, value)
#define FD_ALU64(operation, to, from) \
    FD_INSTRUCTION(BPF_ALU64 | (operation) | BPF_X, to, from, 0, 0)
#define FD_ALU64_VALUE(operation, to, value) \
    FD_INSTRUCTION(BPF_ALU64 | (operation) | BPF_K, to, 0, 0, value)
#define FD_ALU32(operation, to, from) FD_INSTRUCTION(BPF_ALU | (operation) | BPF_X, to, from, 0, 0)
#define FD_ALU32_VALUE(operation, to, value) \
    FD_INSTRUCTION(BPF_ALU | (operation) | BPF_K, to, 0, 0, value)
#define FD_TO_NETWORK(to, bits) FD_INSTRUCTION(BPF_ALU | BPF_END | BPF_TO_BE, to, 0, 0, bits)
#define FD_CALL(function) FD_INSTRUCTION(BPF_JMP | BPF_CALL, 0, 0, 0, function)
#define FD_EXIT() FD_INSTRUCTION(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

#endif
