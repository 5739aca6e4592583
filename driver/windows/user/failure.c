/* SPDX-License-Identifier: MIT */
#include "failure.h"

#include <stdarg.h>
#include <stdio.h>

#include <windows.h>

/* Newer than mingw's headers. */
#ifndef ERROR_INVALID_IMAGE_HASH
#define ERROR_INVALID_IMAGE_HASH 577
#endif
#ifndef ERROR_SYSTEM_INTEGRITY_POLICY_VIOLATION
#define ERROR_SYSTEM_INTEGRITY_POLICY_VIOLATION 4551
#endif

static const struct {
    uint32_t code;
    enum fd_failure_kind kind;
    const char *cause; /* and cure */
} known[] = {
    {ERROR_ACCESS_DENIED, FD_FAILURE_PERMISSION,
     "access is denied; run it as administrator: only administrators may take packets"},
    {ERROR_INVALID_IMAGE_HASH, FD_FAILURE_SIGNATURE,
     "Windows does not accept the driver's signature; install a release that Microsoft has signed, "
     "or, on a test machine without Secure Boot, run bcdedit /set testsigning on and restart"},
    {ERROR_DRIVER_BLOCKED, FD_FAILURE_SIGNATURE,
     "a policy of this machine blocks the driver (memory integrity, Smart App Control, or the list "
     "of vulnerable drivers); its administrator must allow it"},
    {ERROR_SYSTEM_INTEGRITY_POLICY_VIOLATION, FD_FAILURE_SIGNATURE,
     "an application control policy of this machine does not allow the driver; its administrator "
     "must allow it"},
    {ERROR_FILE_NOT_FOUND, FD_FAILURE_DRIVER,
     "the driver is not running, or its file is gone; fastdivert doctor looks for the cause"},
    {ERROR_PATH_NOT_FOUND, FD_FAILURE_DRIVER,
     "the driver's file is gone; run fastdivert uninstall, and install fastdivert again"},
    {ERROR_SERVICE_DISABLED, FD_FAILURE_DRIVER,
     "the driver's service is disabled; run sc config fastdivert-1 start= demand"},
    {ERROR_SERVICE_MARKED_FOR_DELETE, FD_FAILURE_BUSY,
     "the driver's service is being removed; close the programs that use it, and try again"},
    {ERROR_EXE_MACHINE_TYPE_MISMATCH, FD_FAILURE_DRIVER,
     "the driver was built for another processor; install the wheel for this machine"},
    {ERROR_BAD_EXE_FORMAT, FD_FAILURE_FILTER, "the driver refuses the filter program"},
    {ERROR_NO_SYSTEM_RESOURCES, FD_FAILURE_MEMORY, "no memory; try a smaller queue_size"},
    {ERROR_NOT_ENOUGH_MEMORY, FD_FAILURE_MEMORY, "no memory; try a smaller queue_size"},
    {ERROR_COMMITMENT_LIMIT, FD_FAILURE_MEMORY, "no memory; try a smaller queue_size"},
    {ERROR_NOT_ENOUGH_QUOTA, FD_FAILURE_MEMORY,
     "more memory than the driver locks; try a smaller queue_size or queue_length"},
    {ERROR_INVALID_PARAMETER, FD_FAILURE_ARGUMENT, "the driver refuses a value"},
    {ERROR_NOT_SUPPORTED, FD_FAILURE_ARGUMENT, "the driver has no such layer"},
    {ERROR_TOO_MANY_CONTEXT_IDS, FD_FAILURE_BUSY,
     "too many handles are open; close some, see fastdivert doctor"},
    {ERROR_INVALID_FUNCTION, FD_FAILURE_DRIVER,
     "the driver does not know this request; run fastdivert uninstall, so that its own version is "
     "installed"},
    {ERROR_BAD_LENGTH, FD_FAILURE_DRIVER,
     "the driver has another interface; run fastdivert uninstall, so that the right version is "
     "installed"},
};

int fd_refuse(struct fd_failure *failure, enum fd_failure_kind kind, uint32_t code,
              const char *format, ...)
{
    va_list arguments;

    if (failure == NULL)
        return -1;
    failure->kind = kind;
    failure->code = code;
    va_start(arguments, format);
    (void)vsnprintf(failure->message, sizeof(failure->message), format, arguments);
    va_end(arguments);
    return -1;
}

int fd_refuse_code(struct fd_failure *failure, const char *what, uint32_t code)
{
    char text[300] = "";

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (known[i].code == code)
            return fd_refuse(failure, known[i].kind, code, "%s: %s (error %lu)", what,
                             known[i].cause, (unsigned long)code);
    DWORD length = FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL,
                                  code, 0, text, sizeof(text), NULL);
    while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r' ||
                          text[length - 1] == '.' || text[length - 1] == ' '))
        text[--length] = '\0';
    return fd_refuse(failure, FD_FAILURE_SYSTEM, code, "%s: %s (error %lu)", what,
                     length != 0 ? text : "refused", (unsigned long)code);
}
