/* SPDX-License-Identifier: MIT */
/*
 * fastdivert.sys: the device, who may open it, and what happens at its ends.
 * A file object of the device is a handle (handle.c); what it is told comes by
 * IOCTL (ioctl.c); packets come from the filter engine (engine.c, classify.c,
 * capture.c), wait in queues (queue.c) and go back (flush.c, inject.c).
 */
#include "clock.h"
#include "engine.h"
#include "handle.h"
#include "injection.h"
#include "ioctl.h"

#define WIDE_(text) L##text
#define WIDE(text) WIDE_(text)
#define CONSTANT_STRING(text) {sizeof(text) - sizeof(WCHAR), sizeof(text), (PWCH)(text)}

static UNICODE_STRING device_name = CONSTANT_STRING(L"\\Device\\" WIDE(FD_WINDOWS_NAME));
static UNICODE_STRING link_name = CONSTANT_STRING(L"\\??\\" WIDE(FD_WINDOWS_NAME));
static PDEVICE_OBJECT device;

static NTSTATUS complete(PIRP irp, NTSTATUS status, ULONG_PTR information)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

/* ---- requests ---------------------------------------------------------------- */

static NTSTATUS NTAPI on_create(PDEVICE_OBJECT object, PIRP irp)
{
    PFILE_OBJECT file = IoGetCurrentIrpStackLocation(irp)->FileObject;
    struct fd_handle *handle = NULL;

    UNREFERENCED_PARAMETER(object);
    NTSTATUS status = fd_handle_create(&handle);
    file->FsContext = handle;
    return complete(irp, status, 0);
}

static NTSTATUS NTAPI on_cleanup(PDEVICE_OBJECT object, PIRP irp)
{
    UNREFERENCED_PARAMETER(object);
    fd_handle_close(IoGetCurrentIrpStackLocation(irp)->FileObject->FsContext);
    return complete(irp, STATUS_SUCCESS, 0);
}

static NTSTATUS NTAPI on_close(PDEVICE_OBJECT object, PIRP irp)
{
    PFILE_OBJECT file = IoGetCurrentIrpStackLocation(irp)->FileObject;
    struct fd_handle *handle = file->FsContext;

    UNREFERENCED_PARAMETER(object);
    fd_handle_close(handle);
    file->FsContext = NULL;
    fd_handle_dereference(handle);
    return complete(irp, STATUS_SUCCESS, 0);
}

static NTSTATUS NTAPI on_control(PDEVICE_OBJECT object, PIRP irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    ULONG_PTR written = 0;

    UNREFERENCED_PARAMETER(object);
    NTSTATUS status = fd_ioctl(
        location->FileObject->FsContext, location->Parameters.DeviceIoControl.IoControlCode,
        irp->AssociatedIrp.SystemBuffer, location->Parameters.DeviceIoControl.InputBufferLength,
        location->Parameters.DeviceIoControl.OutputBufferLength, &written);
    return complete(irp, status, written);
}

static VOID NTAPI on_process(HANDLE parent, HANDLE process, BOOLEAN created)
{
    UNREFERENCED_PARAMETER(parent);
    if (!created)
        fd_handles_leave_process(process);
}

/* ---- who may open it ------------------------------------------------------------ */

/* A SID, as the kernel has it: revision, count, authority, that many numbers. */
static const struct {
    UCHAR revision, count, authority[6];
    ULONG number[2];
} local_system = {1, 1, {0, 0, 0, 0, 0, 5}, {18, 0}},
  administrators = {1, 2, {0, 0, 0, 0, 0, 5}, {32, 544}};

static NTSTATUS allow(PACL acl, const void *sid)
{
    return RtlAddAccessAllowedAce(acl, ACL_REVISION, GENERIC_ALL, (PSID)(ULONG_PTR)sid);
}

/* By hand: IoCreateDeviceSecure would need a library that only the WDK has. The
 * device cannot be opened before DriverEntry returns, so there is no moment at
 * which it is open to everybody. */
static NTSTATUS protect(PDEVICE_OBJECT object)
{
    ULONG room[32]; /* an ACL of two such entries takes 52 bytes */
    PACL acl = (PACL)room;
    SECURITY_DESCRIPTOR descriptor;
    HANDLE handle;

    NTSTATUS status = RtlCreateAcl(acl, sizeof(room), ACL_REVISION);
    if (NT_SUCCESS(status))
        status = allow(acl, &local_system);
    if (NT_SUCCESS(status))
        status = allow(acl, &administrators);
    if (NT_SUCCESS(status))
        status = RtlCreateSecurityDescriptor(&descriptor, SECURITY_DESCRIPTOR_REVISION);
    if (NT_SUCCESS(status))
        status = RtlSetDaclSecurityDescriptor(&descriptor, TRUE, acl, FALSE);
    if (NT_SUCCESS(status))
        status = ObOpenObjectByPointer(object, OBJ_KERNEL_HANDLE, NULL, WRITE_DAC, NULL, KernelMode,
                                       &handle);
    if (!NT_SUCCESS(status))
        return status;
    status = ZwSetSecurityObject(handle, DACL_SECURITY_INFORMATION, &descriptor);
    (void)ZwClose(handle);
    return status;
}

/* ---- load and unload --------------------------------------------------------------- */

static VOID NTAPI on_unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    (void)IoDeleteSymbolicLink(&link_name);
    (void)PsSetCreateProcessNotifyRoutine(on_process, TRUE);
    fd_engine_unregister();
    fd_injection_stop();
    IoDeleteDevice(device);
    device = NULL;
}

DRIVER_INITIALIZE DriverEntry;
NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registry)
{
    UNREFERENCED_PARAMETER(registry);
    fd_clock_start();
    fd_handles_initialise();

    NTSTATUS status = IoCreateDevice(driver, 0, &device_name, FILE_DEVICE_NETWORK,
                                     FILE_DEVICE_SECURE_OPEN, FALSE, &device);
    if (!NT_SUCCESS(status))
        return status;
    status = protect(device);
    if (!NT_SUCCESS(status))
        goto delete_device;
    status = fd_injection_start(driver);
    if (!NT_SUCCESS(status))
        goto delete_device;
    status = fd_engine_register(device);
    if (!NT_SUCCESS(status))
        goto stop_injection;
    status = PsSetCreateProcessNotifyRoutine(on_process, FALSE);
    if (!NT_SUCCESS(status))
        goto unregister_callouts;

    driver->MajorFunction[IRP_MJ_CREATE] = on_create;
    driver->MajorFunction[IRP_MJ_CLEANUP] = on_cleanup;
    driver->MajorFunction[IRP_MJ_CLOSE] = on_close;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = on_control;
    driver->DriverUnload = on_unload;
    status = IoCreateSymbolicLink(&link_name, &device_name);
    if (NT_SUCCESS(status))
        return STATUS_SUCCESS;

    (void)PsSetCreateProcessNotifyRoutine(on_process, TRUE);
unregister_callouts:
    fd_engine_unregister();
stop_injection:
    fd_injection_stop();
delete_device:
    IoDeleteDevice(device);
    device = NULL;
    return status;
}
