/* SPDX-License-Identifier: MIT */
/*
 * The I/O manager: one driver, its devices and links, files, and requests. The
 * system buffer of a request is an allocation of exactly its size, filled with
 * a pattern behind the input; what comes back is searched for that pattern and
 * for the pool's, which would be kernel memory that leaks.
 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>

#define DEVICES 8
#define LINKS 8
#define NAME 64
#define BUFFER_FILL 0xee

struct device {
    DEVICE_OBJECT object;
    wchar_t name[NAME];
    DECLSPEC_ALIGN(4) UCHAR acl[256];
    int deleted;
    long open_files;
};

struct link {
    wchar_t name[NAME], target[NAME];
};

struct _IO_WORKITEM {
    PDEVICE_OBJECT device;
    PIO_WORKITEM_ROUTINE routine;
    PVOID context;
};

static DRIVER_OBJECT driver;
static struct device *devices[DEVICES];
static struct link links[LINKS];
static long work_items;
static int cleanup_is_sent = 1;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void name_copy(wchar_t *to, PCUNICODE_STRING name)
{
    SIM_REQUIRE(name->Length % 2 == 0 && name->Length < NAME * 2 - 2, "a name is too long");
    memset(to, 0, NAME * sizeof(*to));
    memcpy(to, name->Buffer, name->Length);
}

static int name_equal(const wchar_t *a, const wchar_t *b)
{
    while (*a != 0 && *a == *b)
        a++, b++;
    return *a == *b;
}

/* ---- devices and links ------------------------------------------------------ */

static struct device *find_device(const wchar_t *name)
{
    for (unsigned i = 0; i < DEVICES; i++)
        if (devices[i] != NULL && name_equal(devices[i]->name, name))
            return devices[i];
    return NULL;
}

NTSTATUS IoCreateDevice(PDRIVER_OBJECT owner, ULONG extension, PUNICODE_STRING name, ULONG type,
                        ULONG characteristics, BOOLEAN exclusive, PDEVICE_OBJECT *out)
{
    wchar_t copy[NAME];
    unsigned slot = 0;

    (void)exclusive;
    SIM_IRQL_AT_MOST(APC_LEVEL);
    SIM_REQUIRE(owner == &driver, "another driver's device");
    if (sim_fails(__func__))
        return STATUS_INSUFFICIENT_RESOURCES;
    name_copy(copy, name);
    if (find_device(copy) != NULL)
        return STATUS_OBJECT_NAME_COLLISION;
    while (devices[slot] != NULL)
        SIM_REQUIRE(++slot < DEVICES, "more than %d devices", DEVICES);
    struct device *device = sim_object_create(SIM_DEVICE, sizeof(*device) + extension);
    memcpy(device->name, copy, sizeof(copy));
    device->object = (DEVICE_OBJECT){
        .DriverObject = owner,
        .Flags = DO_DEVICE_INITIALIZING,
        .Characteristics = characteristics,
        .DeviceType = type,
        .DeviceExtension = extension != 0 ? device + 1 : NULL,
    };
    /* What a device has by default: everyone may open it. */
    static const UCHAR everyone[] = {1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0};
    PACL acl = (PACL)device->acl;
    *acl = (ACL){.AclRevision = ACL_REVISION, .AclSize = sizeof(device->acl), .AceCount = 1};
    const UCHAR ace[] = {0, 0, 20, 0, 0, 0, 0, 0x10};
    memcpy(acl + 1, ace, sizeof(ace));
    memcpy((UCHAR *)(acl + 1) + sizeof(ace), everyone, sizeof(everyone));
    devices[slot] = device;
    if (owner->DeviceObject == NULL)
        owner->DeviceObject = &device->object;
    *out = &device->object;
    return STATUS_SUCCESS;
}

void IoDeleteDevice(PDEVICE_OBJECT object)
{
    SIM_IRQL_AT_MOST(APC_LEVEL);
    for (unsigned i = 0; i < DEVICES; i++) {
        struct device *device = devices[i];
        if (device == NULL || &device->object != object)
            continue;
        SIM_REQUIRE(device->open_files == 0, "a device is deleted with %ld files open",
                    device->open_files);
        devices[i] = NULL;
        if (driver.DeviceObject == object)
            driver.DeviceObject = NULL;
        sim_object_dereference(device);
        return;
    }
    sim_violation("a device is deleted twice");
}

ACL *sim_device_acl(PDEVICE_OBJECT device)
{
    return (ACL *)((struct device *)device)->acl;
}

NTSTATUS IoCreateSymbolicLink(PUNICODE_STRING name, PUNICODE_STRING target)
{
    struct link link;

    SIM_IRQL_AT_MOST(PASSIVE_LEVEL);
    if (sim_fails(__func__))
        return STATUS_INSUFFICIENT_RESOURCES;
    name_copy(link.name, name);
    name_copy(link.target, target);
    for (unsigned i = 0; i < LINKS; i++)
        if (name_equal(links[i].name, link.name))
            return STATUS_OBJECT_NAME_COLLISION;
    for (unsigned i = 0; i < LINKS; i++)
        if (links[i].name[0] == 0) {
            links[i] = link;
            return STATUS_SUCCESS;
        }
    return STATUS_INSUFFICIENT_RESOURCES;
}

NTSTATUS IoDeleteSymbolicLink(PUNICODE_STRING name)
{
    wchar_t copy[NAME];

    SIM_IRQL_AT_MOST(PASSIVE_LEVEL);
    name_copy(copy, name);
    for (unsigned i = 0; i < LINKS; i++)
        if (name_equal(links[i].name, copy)) {
            links[i].name[0] = 0;
            return STATUS_SUCCESS;
        }
    return STATUS_OBJECT_NAME_NOT_FOUND;
}

/* ---- requests ------------------------------------------------------------------ */

void IofCompleteRequest(PIRP irp, CCHAR boost)
{
    (void)boost;
    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    SIM_REQUIRE(!irp->completed, "a request is completed twice");
    SIM_REQUIRE(irp->cancel == NULL, "a request is completed with a cancel routine set");
    SIM_REQUIRE(irp->IoStatus.Status != STATUS_PENDING, "a request is completed as pending");
    irp->completed = 1;
    KeSetEvent(&irp->done, 0, FALSE);
}

void sim_irp_mark_pending(PIRP irp)
{
    irp->pending = 1;
}

PDRIVER_CANCEL IoSetCancelRoutine(PIRP irp, PDRIVER_CANCEL routine)
{
    return __atomic_exchange_n(&irp->cancel, routine, __ATOMIC_SEQ_CST);
}

PEPROCESS IoGetRequestorProcess(PIRP irp)
{
    return irp->requestor;
}

ULONG IoGetRequestorProcessId(PIRP irp)
{
    return (ULONG)(uintptr_t)irp->requestor->id;
}

static NTSTATUS invalid_request(PDEVICE_OBJECT device, PIRP irp)
{
    (void)device;
    irp->IoStatus.Status = STATUS_INVALID_DEVICE_REQUEST;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_INVALID_DEVICE_REQUEST;
}

/* Calls the driver and waits until the request is complete. */
static NTSTATUS call_driver(PIRP irp, PFILE_OBJECT file, UCHAR major)
{
    irp->location.MajorFunction = major;
    irp->location.FileObject = file;
    irp->location.DeviceObject = file->DeviceObject;
    irp->RequestorMode = UserMode;
    irp->requestor = PsGetCurrentProcess();
    irp->IoStatus.Status = (NTSTATUS)0xcdcdcdcd;
    KeInitializeEvent(&irp->done, NotificationEvent, FALSE);

    SIM_IRQL_IS(PASSIVE_LEVEL);
    NTSTATUS status = driver.MajorFunction[major](file->DeviceObject, irp);
    sim_back_at_passive("the end of a request");
    SIM_REQUIRE((status == STATUS_PENDING) == irp->pending,
                "a pending request must be marked, and return STATUS_PENDING");
    if (status == STATUS_PENDING)
        KeWaitForSingleObject(&irp->done, Executive, KernelMode, FALSE, NULL);
    else
        SIM_REQUIRE(irp->completed, "a request was not completed");
    SIM_REQUIRE(irp->IoStatus.Status != (NTSTATUS)0xcdcdcdcd, "a request has no status");
    SIM_REQUIRE(status == STATUS_PENDING || status == irp->IoStatus.Status,
                "a request returned 0x%08x and was completed with 0x%08x", (unsigned)status,
                (unsigned)irp->IoStatus.Status);
    return irp->IoStatus.Status;
}

static void look_for_leaks(const UCHAR *buffer, ULONG_PTR size, ULONG code)
{
    ULONG_PTR run = 0;
    for (ULONG_PTR i = 0; i < size; i++) {
        run = buffer[i] == BUFFER_FILL || buffer[i] == SIM_POISON ? run + 1 : 0;
        SIM_REQUIRE(run < 8, "IOCTL 0x%x: kernel memory that nobody wrote goes to the process",
                    code);
    }
}

static PFILE_OBJECT file_of(HANDLE handle, ACCESS_MASK access, NTSTATUS *status)
{
    return sim_handle_reference(PsGetCurrentProcess(), handle, SIM_FILE, access, status);
}

NTSTATUS sim_ioctl(HANDLE handle, ULONG code, const void *in, ULONG in_size, void *out,
                   ULONG out_size, ULONG_PTR *information)
{
    ULONG size = in_size > out_size ? in_size : out_size;
    NTSTATUS status;

    if (information != NULL)
        *information = 0;
    SIM_REQUIRE(code % 4 == METHOD_BUFFERED, "only METHOD_BUFFERED is simulated");
    PFILE_OBJECT file = file_of(handle, code >> 14 & 3, &status);
    if (file == NULL)
        return status;
    IRP irp = {0};
    UCHAR *buffer = size != 0 ? malloc(size) : NULL;
    if (size != 0) {
        memset(buffer, BUFFER_FILL, size);
        if (in_size != 0)
            memcpy(buffer, in, in_size);
    }
    irp.AssociatedIrp.SystemBuffer = buffer;
    irp.location.Parameters.DeviceIoControl.InputBufferLength = in_size;
    irp.location.Parameters.DeviceIoControl.OutputBufferLength = out_size;
    irp.location.Parameters.DeviceIoControl.IoControlCode = code;
    status = call_driver(&irp, file, IRP_MJ_DEVICE_CONTROL);
    SIM_REQUIRE(irp.IoStatus.Information <= out_size,
                "IOCTL 0x%x: %zu bytes come back in a buffer of %u", code,
                (size_t)irp.IoStatus.Information, out_size);
    if (!NT_ERROR(status) && irp.IoStatus.Information != 0) {
        look_for_leaks(buffer, irp.IoStatus.Information, code);
        memcpy(out, buffer, irp.IoStatus.Information);
    }
    if (information != NULL)
        *information = irp.IoStatus.Information;
    free(buffer);
    sim_object_dereference(file);
    return status;
}

NTSTATUS sim_request(HANDLE handle, UCHAR major)
{
    NTSTATUS status;
    IRP irp = {0};
    PFILE_OBJECT file = file_of(handle, 0, &status);
    if (file == NULL)
        return status;
    status = call_driver(&irp, file, major);
    sim_object_dereference(file);
    return status;
}

/* ---- files ------------------------------------------------------------------------ */

static void cleanup_file(void *body)
{
    IRP irp = {0};
    if (!cleanup_is_sent)
        return;
    NTSTATUS status = call_driver(&irp, body, IRP_MJ_CLEANUP);
    SIM_REQUIRE(NT_SUCCESS(status), "IRP_MJ_CLEANUP must not fail");
}

static void close_file(void *body)
{
    PFILE_OBJECT file = body;
    IRP irp = {0};
    NTSTATUS status = call_driver(&irp, file, IRP_MJ_CLOSE);
    SIM_REQUIRE(NT_SUCCESS(status), "IRP_MJ_CLOSE must not fail");
    __atomic_sub_fetch(&((struct device *)file->DeviceObject)->open_files, 1, __ATOMIC_SEQ_CST);
}

void sim_io_set_cleanup(int sent)
{
    cleanup_is_sent = sent;
}

/* The device that a path names, and whether something follows its name. */
static struct device *resolve(const wchar_t *path, int *rest)
{
    wchar_t name[NAME] = {'\\', '?', '?', '\\'};
    unsigned length = 4;

    SIM_REQUIRE(path[0] == '\\' && path[1] == '\\' && path[2] == '.' && path[3] == '\\',
                "the test's path does not begin with \\\\.\\");
    for (path += 4; *path != 0 && *path != '\\' && length < NAME - 1; path++)
        name[length++] = *path;
    *rest = *path != 0;
    for (unsigned i = 0; i < LINKS; i++)
        if (name_equal(links[i].name, name))
            return find_device(links[i].target);
    return NULL;
}

NTSTATUS sim_open(const wchar_t *path, enum sim_user user, HANDLE *handle)
{
    IRP irp = {0};
    int rest;

    pthread_mutex_lock(&mutex);
    struct device *device = resolve(path, &rest);
    if (device != NULL)
        __atomic_add_fetch(&device->open_files, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&mutex);
    if (device == NULL)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    NTSTATUS status = STATUS_SUCCESS;
    /* Without FILE_DEVICE_SECURE_OPEN nobody checks who opens \device\something. */
    if ((!rest || device->object.Characteristics & FILE_DEVICE_SECURE_OPEN) &&
        !sim_acl_allows((PACL)device->acl, user, FILE_READ_DATA | FILE_WRITE_DATA))
        status = STATUS_ACCESS_DENIED;
    PFILE_OBJECT file = NULL;
    if (status == STATUS_SUCCESS) {
        file = sim_object_create(SIM_FILE, sizeof(*file));
        file->DeviceObject = &device->object;
        if (rest)
            file->FileName = (UNICODE_STRING){2, 2, (PWCH)L"\\"};
        status = call_driver(&irp, file, IRP_MJ_CREATE);
    }
    if (!NT_SUCCESS(status)) {
        if (file != NULL)
            sim_object_dereference(file);
        __atomic_sub_fetch(&device->open_files, 1, __ATOMIC_SEQ_CST);
        return status;
    }
    sim_object_of(file)->on_last_handle = cleanup_file;
    sim_object_of(file)->on_delete = close_file;
    *handle = sim_handle_insert(PsGetCurrentProcess(), file, FILE_ALL_ACCESS);
    sim_object_dereference(file);
    return STATUS_SUCCESS;
}

/* ---- work items --------------------------------------------------------------------- */

PIO_WORKITEM IoAllocateWorkItem(PDEVICE_OBJECT device)
{
    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    if (sim_fails(__func__))
        return NULL;
    PIO_WORKITEM item = calloc(1, sizeof(*item));
    item->device = device;
    __atomic_add_fetch(&work_items, 1, __ATOMIC_SEQ_CST);
    return item;
}

void IoFreeWorkItem(PIO_WORKITEM item)
{
    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    __atomic_sub_fetch(&work_items, 1, __ATOMIC_SEQ_CST);
    free(item);
}

static void *run_work_item(void *argument)
{
    PIO_WORKITEM item = argument;
    PDEVICE_OBJECT device = item->device;
    item->routine(device, item->context);
    sim_back_at_passive("the end of a work item");
    sim_object_dereference(device);
    return NULL;
}

void IoQueueWorkItem(PIO_WORKITEM item, PIO_WORKITEM_ROUTINE routine, WORK_QUEUE_TYPE queue,
                     PVOID context)
{
    pthread_t thread;

    (void)queue;
    SIM_IRQL_AT_MOST(DISPATCH_LEVEL);
    item->routine = routine;
    item->context = context;
    sim_object_reference(item->device); /* as NT: the driver stays until it has run */
    SIM_REQUIRE(pthread_create(&thread, NULL, run_work_item, item) == 0, "no thread");
    pthread_detach(thread);
}

/* ---- the driver ------------------------------------------------------------------------ */

NTSTATUS sim_driver_load(DRIVER_INITIALIZE *entry)
{
    static wchar_t path[] = L"\\Registry\\Machine\\System\\CurrentControlSet\\Services\\test";
    UNICODE_STRING registry = {sizeof(path) - 2, sizeof(path), path};

    driver = (DRIVER_OBJECT){0};
    for (unsigned i = 0; i <= IRP_MJ_MAXIMUM_FUNCTION; i++)
        driver.MajorFunction[i] = invalid_request;
    NTSTATUS status = entry(&driver, &registry);
    sim_back_at_passive("the end of DriverEntry");
    if (!NT_SUCCESS(status)) {
        sim_check_nothing_left();
        return status;
    }
    for (unsigned i = 0; i < DEVICES; i++)
        if (devices[i] != NULL)
            devices[i]->object.Flags &= ~DO_DEVICE_INITIALIZING;
    return status;
}

void sim_driver_unload(void)
{
    driver.DriverUnload(&driver);
    sim_back_at_passive("the end of unloading");
    sim_check_nothing_left();
}

void sim_check_io(void)
{
    for (unsigned i = 0; i < DEVICES; i++)
        SIM_REQUIRE(devices[i] == NULL, "a device is left");
    for (unsigned i = 0; i < LINKS; i++)
        SIM_REQUIRE(links[i].name[0] == 0, "a symbolic link is left");
    SIM_REQUIRE(work_items == 0, "%ld work items are left", work_items);
}
