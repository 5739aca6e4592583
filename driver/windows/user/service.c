/* SPDX-License-Identifier: MIT */
#include "service.h"

#include <windows.h>

#include "windows/interface.h"

#define WIDE_(text) L##text
#define WIDE(text) WIDE_(text)
#define SERVICE_NAME WIDE(FD_WINDOWS_NAME)
#define SHOWN_NAME L"fastdivert packet driver"

#define PATIENCE 5000u /* milliseconds for a state to come about */
#define STEP 20u

static SC_HANDLE open_services(DWORD access, struct fd_failure *failure)
{
    SC_HANDLE services = OpenSCManagerW(NULL, NULL, access);

    if (services == NULL)
        (void)fd_refuse_code(failure, "the service manager", GetLastError());
    return services;
}

/* Its file is another one than before: the package has moved, or is newer. */
static int adopt(SC_HANDLE service, const wchar_t *driver_path, struct fd_failure *failure)
{
    SERVICE_STATUS status;

    if (!QueryServiceStatus(service, &status))
        return fd_refuse_code(failure, "looking at the driver's service", GetLastError());
    if (status.dwCurrentState != SERVICE_STOPPED)
        return 0; /* it runs: what it is will be seen from its version */
    if (!ChangeServiceConfigW(service, SERVICE_NO_CHANGE, SERVICE_NO_CHANGE, SERVICE_NO_CHANGE,
                              driver_path, NULL, NULL, NULL, NULL, NULL, NULL))
        return fd_refuse_code(failure, "changing the driver's service", GetLastError());
    return 0;
}

/* Another process may install or remove it at the same time: each answer of the
 * service manager is one of a few that are tried again until time is up. */
static SC_HANDLE install(SC_HANDLE services, const wchar_t *driver_path, struct fd_failure *failure)
{
    const DWORD access = SERVICE_START | SERVICE_QUERY_STATUS | SERVICE_CHANGE_CONFIG;
    DWORD code = 0;

    for (DWORD waited = 0; waited < PATIENCE; waited += STEP) {
        SC_HANDLE service = OpenServiceW(services, SERVICE_NAME, access);
        if (service != NULL) {
            if (adopt(service, driver_path, failure) == 0)
                return service;
            CloseServiceHandle(service);
            return NULL;
        }
        code = GetLastError();
        if (code == ERROR_SERVICE_DOES_NOT_EXIST) {
            service =
                CreateServiceW(services, SERVICE_NAME, SHOWN_NAME, access, SERVICE_KERNEL_DRIVER,
                               SERVICE_DEMAND_START, SERVICE_ERROR_NORMAL, driver_path, NULL, NULL,
                               NULL, NULL, NULL);
            if (service != NULL)
                return service;
            code = GetLastError();
        }
        if (code != ERROR_SERVICE_EXISTS && code != ERROR_SERVICE_MARKED_FOR_DELETE)
            break;
        Sleep(STEP);
    }
    (void)fd_refuse_code(failure, "installing the driver", code);
    return NULL;
}

static int wait_for(SC_HANDLE service, DWORD state)
{
    SERVICE_STATUS status;

    for (DWORD waited = 0; waited < PATIENCE; waited += STEP) {
        if (!QueryServiceStatus(service, &status))
            return -1;
        if (status.dwCurrentState == state)
            return 0;
        Sleep(STEP);
    }
    SetLastError(ERROR_SERVICE_REQUEST_TIMEOUT);
    return -1;
}

int fd_service_start(const wchar_t *driver_path, struct fd_failure *failure)
{
    int result = 0;
    SC_HANDLE services = open_services(SC_MANAGER_CONNECT | SC_MANAGER_CREATE_SERVICE, failure);

    if (services == NULL)
        return -1;
    SC_HANDLE service = install(services, driver_path, failure);
    if (service == NULL) {
        CloseServiceHandle(services);
        return -1;
    }
    if (!StartServiceW(service, 0, NULL)) {
        DWORD code = GetLastError();
        if (code != ERROR_SERVICE_ALREADY_RUNNING)
            result = fd_refuse_code(failure, "starting the driver", code);
    }
    if (result == 0 && wait_for(service, SERVICE_RUNNING) != 0)
        result = fd_refuse_code(failure, "waiting for the driver to start", GetLastError());
    CloseServiceHandle(service);
    CloseServiceHandle(services);
    return result;
}

static int stop(SC_HANDLE service, struct fd_failure *failure)
{
    SERVICE_STATUS status;

    if (!ControlService(service, SERVICE_CONTROL_STOP, &status)) {
        DWORD code = GetLastError();
        if (code != ERROR_SERVICE_NOT_ACTIVE && code != ERROR_SERVICE_CANNOT_ACCEPT_CTRL)
            return fd_refuse_code(failure, "stopping the driver", code);
    }
    if (wait_for(service, SERVICE_STOPPED) == 0)
        return 0;
    return fd_refuse(failure, FD_FAILURE_BUSY, GetLastError(),
                     "stopping the driver: handles are still open; it goes with the last of them, "
                     "so close the programs that use it");
}

int fd_service_remove(struct fd_failure *failure)
{
    SC_HANDLE services = open_services(SC_MANAGER_CONNECT, failure);
    int result = 0;

    if (services == NULL)
        return -1;
    SC_HANDLE service =
        OpenServiceW(services, SERVICE_NAME, SERVICE_STOP | SERVICE_QUERY_STATUS | DELETE);
    if (service == NULL) {
        DWORD code = GetLastError();
        if (code != ERROR_SERVICE_DOES_NOT_EXIST)
            result = fd_refuse_code(failure, "the driver's service", code);
        CloseServiceHandle(services);
        return result;
    }
    result = stop(service, failure);
    /* Even where it still runs: marked, it goes when it stops. */
    if (!DeleteService(service) && GetLastError() != ERROR_SERVICE_MARKED_FOR_DELETE && result == 0)
        result = fd_refuse_code(failure, "removing the driver", GetLastError());
    CloseServiceHandle(service);
    CloseServiceHandle(services);
    return result;
}

static void read_path(SC_HANDLE service, wchar_t *path, uint32_t path_size)
{
    union {
        QUERY_SERVICE_CONFIGW config;
        uint8_t room[8192]; /* the most that there can be, as its page says */
    } answer;
    DWORD needed;

    path[0] = L'\0';
    if (!QueryServiceConfigW(service, &answer.config, sizeof(answer), &needed) ||
        answer.config.lpBinaryPathName == NULL)
        return;
    (void)wcsncpy(path, answer.config.lpBinaryPathName, path_size - 1);
    path[path_size - 1] = L'\0';
}

int fd_service_query(wchar_t *path, uint32_t path_size, struct fd_failure *failure)
{
    SERVICE_STATUS status;
    SC_HANDLE services = open_services(SC_MANAGER_CONNECT, failure);
    int result = FD_SERVICE_ABSENT;

    path[0] = L'\0';
    if (services == NULL)
        return -1;
    SC_HANDLE service =
        OpenServiceW(services, SERVICE_NAME, SERVICE_QUERY_STATUS | SERVICE_QUERY_CONFIG);
    if (service == NULL) {
        DWORD code = GetLastError();
        if (code != ERROR_SERVICE_DOES_NOT_EXIST)
            result = fd_refuse_code(failure, "the driver's service", code);
        CloseServiceHandle(services);
        return result;
    }
    read_path(service, path, path_size);
    if (!QueryServiceStatus(service, &status))
        result = fd_refuse_code(failure, "looking at the driver's service", GetLastError());
    else if (status.dwCurrentState == SERVICE_RUNNING)
        result = FD_SERVICE_RUNNING;
    else
        result =
            status.dwCurrentState == SERVICE_STOPPED ? FD_SERVICE_STOPPED : FD_SERVICE_CHANGING;
    CloseServiceHandle(service);
    CloseServiceHandle(services);
    return result;
}
