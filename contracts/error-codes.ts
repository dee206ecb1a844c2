/**
 * Every error code Longhaul can end in, with whether trying the same thing again may help.
 * TROUBLESHOOTING.md has an entry for each; a test keeps the two together.
 */
export const errorCodes = {
  // what the operator wrote
  SPEC_INVALID: { retryable: false, summary: 'The migration spec is not valid' },
  OPTION_INVALID: { retryable: false, summary: 'An option or a setting is not valid' },
  SECRET_UNRESOLVED: { retryable: false, summary: 'A secret reference does not resolve on this host' },
  // host
  TOOL_MISSING: { retryable: false, summary: 'A program Longhaul needs is not installed' },
  TOOL_FAILED: { retryable: true, summary: 'A program ended with an error' },
  TOOL_TIMEOUT: { retryable: true, summary: 'A program did not finish within its time limit' },
  TOOL_KILLED: { retryable: true, summary: 'A program was killed by a signal' },
  SPACE_INSUFFICIENT: { retryable: false, summary: 'Not enough free space on the target' },
  HOST_NO_CAPACITY: { retryable: true, summary: 'This host cannot take the VM now' },
  HOST_IO: { retryable: true, summary: 'The host failed to read or write a file' },
  WORK_LOCKED: { retryable: true, summary: 'Another process on this host still works on this migration' },
  ACCELERATION_UNAVAILABLE: { retryable: false, summary: 'The spec asks for an accelerator this host lacks' },
  // preflight
  PREFLIGHT_BLOCKED: { retryable: false, summary: 'Preflight found problems that block the migration' },
  DOMAIN_EXISTS: { retryable: false, summary: 'A libvirt domain of that name already exists' },
  TARGET_EXISTS: { retryable: false, summary: 'A file stands where a target disk would go' },
  TARGET_DIRECTORY_UNUSABLE: { retryable: false, summary: 'The target directory is missing or not writable' },
  POOL_UNUSABLE: { retryable: false, summary: 'The libvirt storage pool cannot be used' },
  NETWORK_UNMAPPED: { retryable: false, summary: 'A source network has no usable target network' },
  LIBVIRT_UNREACHABLE: { retryable: true, summary: 'libvirt does not answer' },
  GUEST_FILE_UNUSABLE: {
    retryable: false,
    summary: 'A file on this host that the spec names for the guest cannot be used',
  },
  // transfer
  TRANSFER_FAILED: { retryable: true, summary: 'A disk could not be fetched' },
  TRANSFER_UNSUPPORTED: {
    retryable: false,
    summary: 'The server of a disk does not serve it in a way that a download can rely on',
  },
  TRANSFER_DENIED: { retryable: false, summary: 'The server of a disk refuses to hand it over' },
  // Azure
  AZURE_LOGIN_FAILED: { retryable: false, summary: 'The login to Azure failed' },
  AZURE_DENIED: { retryable: false, summary: 'Azure does not allow the account to do that' },
  AZURE_THROTTLED: { retryable: true, summary: 'Azure keeps asking for fewer requests' },
  AZURE_FAILED: { retryable: true, summary: 'A request to Azure failed' },
  AZURE_ACCESS_LIMIT: { retryable: true, summary: 'Too many snapshots of the disk are being read' },
  AZURE_VM_UNSUPPORTED: {
    retryable: false,
    summary: 'The VM has something that cannot be taken out of Azure as it is',
  },
  // sources
  SOURCE_NOT_FOUND: { retryable: false, summary: 'What is to be migrated does not exist' },
  SOURCE_RUNNING: {
    retryable: false,
    summary: 'The VM runs, and the spec does not say what to do then',
  },
  SOURCE_UNREADABLE: { retryable: false, summary: 'A source image cannot be read' },
  SOURCE_CHANGED: { retryable: false, summary: 'A source image changed during the migration' },
  IMAGE_TRUNCATED: { retryable: false, summary: 'A disk image ends before its data does' },
  IMAGE_CORRUPT: { retryable: false, summary: 'A disk image has a damaged header' },
  IMAGE_FORMAT_UNSUPPORTED: {
    retryable: false,
    summary: 'A disk image has a format that cannot be migrated',
  },
  IMAGE_REFERENCE_OUTSIDE: {
    retryable: false,
    summary: 'A disk image refers to a file outside its directory',
  },
  IMAGE_PARENT_MISSING: { retryable: false, summary: 'A parent of a snapshot chain is missing' },
  IMAGE_SIZE_ABSURD: { retryable: false, summary: 'A disk image claims an absurd virtual size' },
  IMAGE_ENCRYPTED: { retryable: false, summary: 'A disk image is encrypted by its format' },
  // archives
  ARCHIVE_HOSTILE: { retryable: false, summary: 'An archive has a member that is not safe to unpack' },
  ARCHIVE_LIMIT: { retryable: false, summary: 'An archive unpacks to more than is allowed' },
  ARCHIVE_DAMAGED: { retryable: false, summary: 'An archive is damaged or incomplete' },
  ARCHIVE_UNSUPPORTED: { retryable: false, summary: 'An archive is of a kind that cannot be read' },
  ARCHIVE_AMBIGUOUS: {
    retryable: false,
    summary: 'It is not clear which VM or which disks of an archive are meant',
  },
  ARCHIVE_INCOMPLETE: { retryable: false, summary: 'A file that belongs to an archive is not there' },
  ARCHIVE_CHECKSUM: { retryable: false, summary: 'An archive is not what its manifest says' },
  OVF_INVALID: { retryable: false, summary: 'An OVF descriptor cannot be read' },
  OVF_UNSUPPORTED: {
    retryable: false,
    summary: 'An OVF descriptor asks for something that is not supported',
  },
  // guest
  APPLIANCE_FAILED: { retryable: true, summary: 'The libguestfs appliance did not start or died' },
  GUESTFS_FAILED: { retryable: false, summary: 'libguestfs reported an error' },
  GUEST_NO_OS: { retryable: false, summary: 'No operating system was found on the disks' },
  GUEST_MULTIPLE_ROOTS: { retryable: false, summary: 'More than one operating system was found' },
  GUEST_UNSUPPORTED: { retryable: false, summary: 'The guest is of a kind that cannot be fixed' },
  GUEST_DISK_MISSING: { retryable: false, summary: 'A file system the guest needs is on none of its disks' },
  GUEST_HIBERNATED: { retryable: false, summary: 'The guest is hibernated' },
  GUEST_BITLOCKER: { retryable: false, summary: 'The disks are encrypted by BitLocker' },
  GUEST_READ_ONLY: { retryable: false, summary: 'A guest file system can only be mounted read-only' },
  CLEVIS_UNAVAILABLE: { retryable: false, summary: 'This host cannot unlock disks by Clevis' },
  GUEST_LOCKED: { retryable: false, summary: 'The root file system is encrypted and was not unlocked' },
  GUEST_FILESYSTEM_DAMAGED: { retryable: false, summary: 'A guest file system is damaged' },
  GUEST_NO_SPACE: { retryable: false, summary: 'The guest has too little free space for the fixes' },
  GUEST_KERNEL_UNSUPPORTED: { retryable: false, summary: 'No kernel of the guest can drive virtio disks' },
  GUEST_INITRAMFS_TOOL_MISSING: {
    retryable: false,
    summary: 'The guest needs another initramfs and has no program to make one',
  },
  GUEST_FIX_FAILED: { retryable: false, summary: 'A fix the guest needs to boot failed' },
  // convert
  CONVERT_FAILED: { retryable: true, summary: 'Conversion of a disk failed' },
  VERIFY_MISMATCH: { retryable: true, summary: 'The converted disk differs from its source' },
  // domain
  DOMAIN_XML_INVALID: { retryable: false, summary: 'The domain definition does not validate' },
  DOMAIN_DEFINE_FAILED: { retryable: false, summary: 'libvirt refused the domain' },
  DOMAIN_ACTIVE: { retryable: false, summary: 'The domain is running and must be shut off first' },
  BOOT_NOT_SEEN: { retryable: false, summary: 'The migrated VM gave no sign of life in time' },
  BOOT_ADDRESS_MISSING: { retryable: false, summary: 'The migrated VM boots without its address' },
  BOOT_PANIC: { retryable: false, summary: 'The migrated VM stopped while booting' },
  // control plane
  TEMPORAL_UNREACHABLE: { retryable: true, summary: 'The Temporal server does not answer' },
  TEMPORAL_BINARY_MISSING: { retryable: false, summary: 'No Temporal server program was found' },
  TEMPORAL_START_FAILED: { retryable: true, summary: 'The embedded Temporal server did not start' },
  TEMPORAL_ALREADY_RUNNING: {
    retryable: false,
    summary: 'An embedded Temporal server already runs on this state directory',
  },
  NAMESPACE_UNUSABLE: { retryable: false, summary: 'The Temporal namespace is not in use any more' },
  SETUP_DENIED: { retryable: false, summary: 'The Temporal server does not let the namespace be set up' },
  SEARCH_ATTRIBUTES_MISSING: {
    retryable: false,
    summary: 'The Temporal namespace lacks the search attributes of Longhaul',
  },
  MIGRATION_NOT_FOUND: { retryable: false, summary: 'No migration has that id' },
  MIGRATION_AMBIGUOUS: { retryable: false, summary: 'More than one migration is meant' },
  MIGRATION_ENDED: { retryable: false, summary: 'The migration has ended already' },
  MIGRATION_EXISTS: { retryable: false, summary: 'This VM is being migrated or was migrated already' },
  MIGRATION_NOT_PARKED: { retryable: false, summary: 'The migration is not waiting for a decision' },
  STEP_TIMEOUT: { retryable: true, summary: 'A step stopped answering' },
  MIGRATION_CANCELLED: { retryable: false, summary: 'The migration was cancelled' },
  MIGRATION_LOST: { retryable: false, summary: 'The migration was ended from outside' },
  BATCH_INVALID: { retryable: false, summary: 'The batch file is not valid' },
  BATCH_NOT_FOUND: { retryable: false, summary: 'No batch has that name' },
  BATCH_EXISTS: { retryable: false, summary: 'A batch of that name is under way' },
  SCHEDULE_INVALID: { retryable: false, summary: 'The schedule is not valid' },
  SCHEDULE_NOT_FOUND: { retryable: false, summary: 'No schedule has that name' },
  SCHEDULE_EXISTS: { retryable: false, summary: 'A schedule of that name exists' },
  BATCH_EDIT_REFUSED: { retryable: false, summary: 'The batch cannot be changed in that way' },
  MIGRATION_ABORTED: { retryable: false, summary: 'The migration was aborted' },
  WORKER_DRAINING: { retryable: true, summary: 'The worker was stopped in the middle of a step' },
  NO_WORKER: { retryable: true, summary: 'No worker answers on the queue' },
  INTERNAL: { retryable: false, summary: 'A defect in Longhaul' },
} as const satisfies Record<string, { retryable: boolean; summary: string }>;

export type ErrorCode = keyof typeof errorCodes;
