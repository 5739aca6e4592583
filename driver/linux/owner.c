/* SPDX-License-Identifier: MIT */
#include "owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "shared.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define NAMESPACE "/proc/thread-self/ns/net"
#define LOCK UINT32_MAX
#define LOCK_TRIES 5000 /* one a millisecond: a holder needs microseconds */

/* FNV-1a and a final mix: no secret is kept from root, only mistakes are. */
static uint64_t digest(const void *data, size_t size, uint64_t hash)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3ull;
    hash ^= hash >> 32;
    hash *= 0x9e3779b97f4a7c15ull;
    return hash ^ hash >> 29;
}

static int read_secret(uint64_t *secret, struct fd_error *error)
{
    char boot[64] = {0};
    struct stat status;
    int file = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
    ssize_t got = file < 0 ? -1 : read(file, boot, sizeof(boot));

    if (file >= 0)
        close(file);
    if (got <= 0 || stat(NAMESPACE, &status) < 0)
        return fd_fail(error, FD_ERROR_SYSTEM, errno,
                       "cannot read " BOOT_ID " or " NAMESPACE ": mount /proc");
    *secret = digest(&status.st_ino, sizeof(status.st_ino),
                     digest(boot, (size_t)got, 14695981039346656037ull));
    return 0;
}

/* The address of a number, or of the lock. Returns its length. */
static socklen_t write_address(struct sockaddr_un *address, uint64_t secret, uint32_t number)
{
    char *path = address->sun_path + 1;
    size_t room = sizeof(address->sun_path) - 1;
    int length;

    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (number == LOCK)
        length = snprintf(path, room, "fastdivert-%016llx-lock", (unsigned long long)secret);
    else
        length = snprintf(path, room, "fastdivert-%016llx-%u", (unsigned long long)secret, number);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
}

static int hold(int socket, uint64_t secret, uint32_t number)
{
    struct sockaddr_un address;
    socklen_t size = write_address(&address, secret, number);

    return bind(socket, (const struct sockaddr *)&address, size);
}

int fd_owner_take(struct fd_owner *owner, struct fd_error *error)
{
    uint64_t secret = 0;

    owner->socket = -1;
    if (read_secret(&secret, error) < 0)
        return -1;
    int holder = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (holder < 0)
        return fd_fail_errno(error, "creating a socket");
    /* Number 0 stays unused, so that no handle's mark is the bare magic. */
    for (uint32_t number = 1; number < FD_OWNERS; number++) {
        if (hold(holder, secret, number) == 0) {
            /* The top bit is always set: marks that people choose are small. */
            owner->socket = holder;
            owner->number = number;
            owner->mark = (((uint32_t)(secret >> 32) | 0x80000000u) & FD_MARK_MAGIC) |
                          number << FD_MARK_OWNER_SHIFT;
            owner->note = secret;
            return 0;
        }
        if (errno != EADDRINUSE)
            break;
    }
    int number = errno;
    close(holder);
    errno = number;
    if (number == EADDRINUSE)
        return fd_fail(error, FD_ERROR_BUSY, number,
                       "%u handles are open in this network namespace already; close one",
                       FD_OWNERS - 1);
    return fd_fail_errno(error, "reserving a handle's number");
}

void fd_owner_free(struct fd_owner *owner)
{
    if (owner->socket >= 0)
        close(owner->socket);
    owner->socket = -1;
}

int fd_owner_lives(uint32_t number)
{
    struct sockaddr_un address;
    uint64_t secret = 0;
    int lives = 1; /* in doubt */

    if (number == 0 || number >= FD_OWNERS)
        return 0;
    int caller = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (caller >= 0 && read_secret(&secret, NULL) == 0) {
        socklen_t size = write_address(&address, secret, number);
        lives =
            connect(caller, (const struct sockaddr *)&address, size) == 0 || errno != ECONNREFUSED;
    }
    if (caller >= 0)
        close(caller);
    return lives;
}

int fd_owner_lock(struct fd_error *error)
{
    uint64_t secret = 0;

    if (read_secret(&secret, error) < 0)
        return -1;
    int lock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (lock < 0)
        return fd_fail_errno(error, "creating a socket");
    for (int attempt = 0; attempt < LOCK_TRIES; attempt++) {
        if (hold(lock, secret, LOCK) == 0)
            return lock;
        if (errno != EADDRINUSE)
            break;
        (void)usleep(1000);
    }
    int number = errno;
    close(lock);
    errno = number;
    if (number == EADDRINUSE)
        return fd_fail(error, FD_ERROR_BUSY, number,
                       "another process is attaching to this namespace's interfaces, and does not "
                       "come to an end; is it stopped?");
    return fd_fail_errno(error, "locking this namespace's interfaces");
}

void fd_owner_unlock(int lock)
{
    close(lock);
}
