/* SPDX-License-Identifier: MIT */
#include "slot.h"

#include "interface.h"

/* The word of a slot: everything that enter and leave need in one atomic. */
#define USER(epoch) (1ll << (20 * (epoch)))
#define USERS(word, epoch) ((ULONG)((word) >> (20 * (epoch))) & 0xfffffu)
#define EPOCH (1ll << 40)
#define OPEN (1ll << 41)
#define AWAITED (1ll << 42) /* somebody waits for an epoch to become empty */
#define TAKEN (1ll << 43)   /* by a handle, open or closing */
#define GENERATION_SHIFT 44
#define GENERATION(word) ((ULONG64)(word) >> GENERATION_SHIFT)

/* A key: the generation of the slot, so that a late caller is not taken for one
 * of the handle that has the slot now, and its number plus one. */
#define KEY(generation, index) ((ULONG64)(generation) << 16 | ((index) + 1u))

struct fd_slot {
    DECLSPEC_ALIGN(64) volatile LONG64 word;
    struct fd_handle *handle;
    KEVENT emptied;
};

static struct fd_slot slots[FD_WINDOWS_HANDLES_MAX];

void fd_slots_initialise(void)
{
    for (ULONG index = 0; index < FD_WINDOWS_HANDLES_MAX; index++) {
        slots[index].word = 0;
        slots[index].handle = NULL;
        KeInitializeEvent(&slots[index].emptied, SynchronizationEvent, FALSE);
    }
}

static LONG64 load(struct fd_slot *slot)
{
    return InterlockedCompareExchange64(&slot->word, 0, 0);
}

static struct fd_slot *slot_of(ULONG64 key)
{
    ULONG64 number = key & 0xffff;

    return number == 0 || number > FD_WINDOWS_HANDLES_MAX ? NULL : &slots[number - 1];
}

ULONG64 fd_slot_open(struct fd_handle *handle)
{
    for (ULONG index = 0; index < FD_WINDOWS_HANDLES_MAX; index++) {
        struct fd_slot *slot = &slots[index];
        LONG64 word = load(slot);
        ULONG64 generation = (GENERATION(word) + 1) & 0xfffff;
        LONG64 taken = (LONG64)(generation << GENERATION_SHIFT) | TAKEN;
        if ((word & TAKEN) != 0 || InterlockedCompareExchange64(&slot->word, taken, word) != word)
            continue;
        slot->handle = handle;
        (void)InterlockedExchangeAdd64(&slot->word, OPEN);
        return KEY(generation, index);
    }
    return 0;
}

struct fd_handle *fd_slot_enter(ULONG64 key, ULONG *epoch)
{
    struct fd_slot *slot = slot_of(key);

    if (slot == NULL)
        return NULL;
    LONG64 word = load(slot);
    for (;;) {
        if ((word & OPEN) == 0 || GENERATION(word) != key >> 16)
            return NULL;
        *epoch = (word & EPOCH) != 0;
        LONG64 seen = InterlockedCompareExchange64(&slot->word, word + USER(*epoch), word);
        if (seen == word)
            return slot->handle;
        word = seen;
    }
}

void fd_slot_leave(ULONG64 key, ULONG epoch)
{
    struct fd_slot *slot = slot_of(key);
    LONG64 word = InterlockedExchangeAdd64(&slot->word, -USER(epoch)) - USER(epoch);

    if ((word & AWAITED) != 0 && USERS(word, epoch) == 0)
        (void)KeSetEvent(&slot->emptied, IO_NO_INCREMENT, FALSE);
}

/* Either AWAITED is up before the last one leaves, and it rings, or it has left
 * before, and there is nobody to be seen. A ring that comes late, from an
 * earlier wait, costs one more look. */
static void wait_until_empty(struct fd_slot *slot, ULONG epoch)
{
    (void)InterlockedExchangeAdd64(&slot->word, AWAITED);
    while (USERS(load(slot), epoch) != 0)
        (void)KeWaitForSingleObject(&slot->emptied, Executive, KernelMode, FALSE, NULL);
    (void)InterlockedExchangeAdd64(&slot->word, -AWAITED);
}

ULONG fd_slot_idle_epoch(ULONG64 key)
{
    return (load(slot_of(key)) & EPOCH) == 0;
}

void fd_slot_swap(ULONG64 key)
{
    struct fd_slot *slot = slot_of(key);
    ULONG old = (load(slot) & EPOCH) != 0;

    (void)InterlockedExchangeAdd64(&slot->word, old ? -EPOCH : EPOCH);
    wait_until_empty(slot, old);
}

void fd_slot_close(ULONG64 key)
{
    struct fd_slot *slot = slot_of(key);

    (void)InterlockedExchangeAdd64(&slot->word, -OPEN);
    wait_until_empty(slot, 0);
    wait_until_empty(slot, 1);
    slot->handle = NULL;
    (void)InterlockedExchangeAdd64(&slot->word, -TAKEN);
}
