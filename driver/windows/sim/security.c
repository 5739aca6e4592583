/* SPDX-License-Identifier: MIT */
/* Access lists in their true layout, and whom they let in. */
#include "internal.h"

#include <stdlib.h>

struct ace {
    UCHAR type, flags;
    USHORT size;
    ACCESS_MASK mask;
    UCHAR sid[];
};

static ULONG sid_size(const UCHAR *sid)
{
    return 8 + 4 * (ULONG)sid[1];
}

NTSTATUS RtlCreateAcl(PACL acl, ULONG size, ULONG revision)
{
    SIM_IRQL_AT_MOST(APC_LEVEL);
    if (sim_fails(__func__))
        return STATUS_BUFFER_TOO_SMALL;
    if (size < sizeof(*acl) || size > 0xffff || size % 4 != 0 || revision != ACL_REVISION)
        return STATUS_INVALID_PARAMETER;
    *acl = (ACL){.AclRevision = ACL_REVISION, .AclSize = (USHORT)size};
    return STATUS_SUCCESS;
}

static ULONG used(const ACL *acl)
{
    ULONG at = sizeof(*acl);
    for (unsigned i = 0; i < acl->AceCount; i++)
        at += ((const struct ace *)((const UCHAR *)acl + at))->size;
    return at;
}

NTSTATUS RtlAddAccessAllowedAce(PACL acl, ULONG revision, ACCESS_MASK access, PSID sid)
{
    ULONG at = used(acl), size = (ULONG)sizeof(struct ace) + sid_size(sid);

    SIM_IRQL_AT_MOST(APC_LEVEL);
    if (sim_fails(__func__) || at + size > acl->AclSize)
        return STATUS_BUFFER_TOO_SMALL;
    SIM_REQUIRE(revision == ACL_REVISION, "an ACE of revision %u", revision);
    struct ace *ace = (struct ace *)((UCHAR *)acl + at);
    *ace = (struct ace){.size = (USHORT)size, .mask = access};
    memcpy(ace->sid, sid, sid_size(sid));
    acl->AceCount++;
    return STATUS_SUCCESS;
}

NTSTATUS RtlCreateSecurityDescriptor(PSECURITY_DESCRIPTOR descriptor, ULONG revision)
{
    if (sim_fails(__func__) || revision != SECURITY_DESCRIPTOR_REVISION)
        return STATUS_REVISION_MISMATCH;
    *(SECURITY_DESCRIPTOR *)descriptor = (SECURITY_DESCRIPTOR){.Revision = 1};
    return STATUS_SUCCESS;
}

NTSTATUS RtlSetDaclSecurityDescriptor(PSECURITY_DESCRIPTOR descriptor, BOOLEAN present, PACL acl,
                                      BOOLEAN defaulted)
{
    SECURITY_DESCRIPTOR *ours = descriptor;

    (void)defaulted;
    if (sim_fails(__func__))
        return STATUS_INVALID_ACL;
    SIM_REQUIRE(present && acl != NULL, "no access list, or an empty one, lets everybody in");
    ours->Dacl = acl;
    ours->Control |= 4; /* SE_DACL_PRESENT */
    return STATUS_SUCCESS;
}

NTSTATUS ZwSetSecurityObject(HANDLE handle, SECURITY_INFORMATION what,
                             PSECURITY_DESCRIPTOR descriptor)
{
    NTSTATUS status;

    SIM_IRQL_AT_MOST(PASSIVE_LEVEL);
    if (sim_fails(__func__))
        return STATUS_ACCESS_DENIED;
    SIM_REQUIRE(what & DACL_SECURITY_INFORMATION, "only access lists are simulated");
    PDEVICE_OBJECT device =
        sim_handle_reference(sim_system_process(), handle, SIM_DEVICE, WRITE_DAC, &status);
    if (device == NULL)
        return status;
    const ACL *acl = ((SECURITY_DESCRIPTOR *)descriptor)->Dacl;
    memcpy(sim_device_acl(device), acl, used(acl));
    sim_object_dereference(device);
    return STATUS_SUCCESS;
}

int sim_acl_allows(const ACL *acl, enum sim_user user, ACCESS_MASK access)
{
    static const UCHAR sids[][16] = {
        [SIM_SYSTEM] = {1, 1, 0, 0, 0, 0, 0, 5, 18},                          /* S-1-5-18 */
        [SIM_ADMINISTRATOR] = {1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2}, /* S-1-5-32-544 */
        [SIM_PLAIN_USER] = {1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x21, 2},    /* S-1-5-32-545 */
    };
    static const UCHAR everyone[] = {1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}; /* S-1-1-0 */
    ACCESS_MASK granted = 0;
    ULONG at = sizeof(*acl);

    for (unsigned i = 0; i < acl->AceCount; i++) {
        const struct ace *ace = (const struct ace *)((const UCHAR *)acl + at);
        const UCHAR *sid = sids[user];
        if (ace->type == 0 &&
            ((sid_size(ace->sid) == sid_size(sid) && memcmp(ace->sid, sid, sid_size(sid)) == 0) ||
             (sid_size(ace->sid) == 12 && memcmp(ace->sid, everyone, 12) == 0)))
            granted |= ace->mask & GENERIC_ALL ? FILE_ALL_ACCESS : ace->mask;
        at += ace->size;
    }
    return (granted & access) == access;
}
