/* SPDX-License-Identifier: MIT */
/*
 * The load configuration of the image: it tells the kernel's loader that
 * indirect calls here are checked (Control Flow Guard), which functions may be
 * their target, and where the pointers to its checks belong. With the WDK a
 * library brings all this; the linker looks for the symbol _load_config_used.
 */
#if defined(__MINGW32__)

#include <stdint.h>

/* Before a loader sets them: no check. */
void fd_guard_check(void);
void fd_guard_dispatch(void);
__asm__(".globl fd_guard_check\n"
        ".def fd_guard_check; .scl 2; .type 32; .endef\n"
        ".p2align 4\n"
        "fd_guard_check:\n"
        "    ret\n"
        ".globl fd_guard_dispatch\n"
        ".def fd_guard_dispatch; .scl 2; .type 32; .endef\n"
        ".p2align 4\n"
        "fd_guard_dispatch:\n"
#if defined(__x86_64__)
        "    jmp *%rax\n"
#else
        "    br x9\n"
#endif
);

/* The compiler's names: clang's code calls through these. */
void (*__guard_check_icall_fptr)(void) = fd_guard_check;
void (*__guard_dispatch_icall_fptr)(void) = fd_guard_dispatch;

/* Made by the linker; their addresses are the values. */
extern uint8_t __guard_fids_table[];
extern uint8_t __guard_fids_count[];

#define CF_INSTRUMENTED 0x100u
#define CF_FUNCTION_TABLE_PRESENT 0x400u

/* IMAGE_LOAD_CONFIG_DIRECTORY64, as far as the first guard part goes. */
const struct {
    uint32_t size;
    uint32_t zero[27]; /* up to SEHandlerCount; there is no security cookie */
    const void *check_function_pointer;
    const void *dispatch_function_pointer;
    const void *function_table;
    const void *function_count;
    uint32_t flags;
    uint32_t code_integrity[3];
} _load_config_used __attribute__((used)) = {
    .size = sizeof(_load_config_used),
    .check_function_pointer = &__guard_check_icall_fptr,
    .dispatch_function_pointer = &__guard_dispatch_icall_fptr,
    .function_table = __guard_fids_table,
    .function_count = __guard_fids_count,
    .flags = CF_INSTRUMENTED | CF_FUNCTION_TABLE_PRESENT,
};

_Static_assert(sizeof(_load_config_used) == 0xa0, "IMAGE_LOAD_CONFIG_DIRECTORY64 of Windows 10");

#else
typedef int fd_load_config_is_the_librarys; /* an empty file is no C */
#endif
