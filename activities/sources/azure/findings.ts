import { blocker, info, warning } from '../../../contracts/findings.ts';
import type { AzureSourceSpec } from '../../../contracts/spec.ts';
import type { Finding } from '../../../contracts/values.ts';
import type { AzureDisk, AzureMachine } from '../../../contracts/azure-inventory.ts';

/** What stands in the way of a VM, or is good to know: of the machine, of its state, of each disk. */
export function findingsOfMachine(
  machine: AzureMachine,
  { whenRunning }: Pick<AzureSourceSpec, 'whenRunning'>,
): Finding[] {
  return [
    ...findingsOfState(machine, whenRunning),
    ...(whenRunning === 'snapshot' && !isOff(machine) ? findingsOfRestorePoint(machine) : []),
    ...findingsOfKind(machine),
    ...machine.disks.flatMap((disk) => findingsOfDisk(disk, machine.os)),
  ];
}

const isOff = ({ state }: AzureMachine) => state === 'stopped' || state === 'deallocated';

function findingsOfState(machine: AzureMachine, whenRunning: AzureSourceSpec['whenRunning']): Finding[] {
  if (isOff(machine)) return [];
  const { name, state } = machine;
  switch (whenRunning) {
    case 'refuse':
      return [
        blocker(
          'SOURCE_RUNNING',
          state === 'unknown' ? `Azure does not say whether ${name} is stopped` : `${name} is ${state}`,
          'Stop it, or set source.whenRunning to stop or snapshot.',
        ),
      ];
    case 'snapshot':
      return [
        warning(
          'crash-consistent',
          `${name} is ${state}: its disks are taken as of one moment, as after a power failure`,
          'What it writes after that stays behind. Databases recover by themselves when they are told to sync.',
        ),
      ];
    case 'stop':
      return [
        info(
          'will-be-stopped',
          `${name} is ${state} and will be stopped for the migration`,
          'source.restart says when it is started again.',
        ),
      ];
  }
}

/**
 * What Azure makes no crash-consistent restore points of;
 * https://learn.microsoft.com/azure/virtual-machines/concepts-restore-points.
 */
function findingsOfRestorePoint(machine: AzureMachine): Finding[] {
  const { name, size, premiumStorage, securityType, disks } = machine;
  const without = (what: string) =>
    unsupported(
      `Azure takes no crash-consistent restore point of ${what}`,
      'Set source.whenRunning to stop.',
    );
  const findings: Finding[] = disks.flatMap((disk) => {
    if (slowSnapshots.has(disk.sku ?? '')) return [without(`the disk ${disk.name} of kind ${disk.sku}`)];
    return disk.maxShares > 1 ? [without(`the disk ${disk.name}, which may be shared`)] : [];
  });
  if (premiumStorage === false)
    findings.push(without(`a VM of the size ${size}, which has no Premium storage`));
  if (securityType === 'ConfidentialVM') findings.push(without(`the confidential VM ${name}`));
  const dataDisks = disks.filter(({ lun }) => lun !== undefined);
  if (dataDisks.length > 1 && mayTearDisks(size))
    findings.push(
      warning(
        'disks-inconsistent',
        `Azure does not promise for the size ${size} that the ${disks.length} disks of ${name} are of one moment`,
        'Set source.whenRunning to stop where data spans disks (LVM, striped volumes, logs apart from their data).',
      ),
    );
  return findings;
}

/** Sizes from v6 on, of AMD from v7 on, such as Standard_D4s_v6 and Standard_D4as_v7. */
function mayTearDisks(size: string): boolean {
  const [, features = '', version] = /^[A-Za-z]+_[A-Z]+\d+(?:-\d+)?([a-z]*)_(?:.+_)?v(\d+)$/.exec(size) ?? [];
  return Number(version) >= (features.includes('a') ? 7 : 6);
}

function findingsOfKind({
  name,
  architecture,
  securityType,
  secureBoot,
  vtpm,
  cpus,
  memoryMiB,
  size,
  nics,
}: AzureMachine) {
  const findings: Finding[] = [];
  if (architecture !== undefined && architecture.toLowerCase() !== 'x64')
    findings.push(
      unsupported(`${name} has a processor of kind ${architecture}`, 'Only x86-64 guests can be migrated.'),
    );
  if (securityType !== 'ConfidentialVM' && (secureBoot || vtpm))
    findings.push(
      warning(
        'trusted-launch',
        `${name} has ${[...(secureBoot ? ['secure boot'] : []), ...(vtpm ? ['a virtual TPM'] : [])].join(' and ')}, which the new VM has not`,
        'See that nothing is sealed to the TPM, such as the key of an encrypted disk.',
      ),
    );
  if (cpus === undefined || memoryMiB === undefined)
    findings.push(
      warning(
        'size-unknown',
        `Azure does not say how many processors and how much memory the size ${size} has`,
        'Set target.cpus and target.memoryMiB, or give the account Microsoft.Compute/skus/read on the subscription.',
      ),
    );
  for (const nic of nics) {
    if (nic.mac === undefined)
      findings.push(
        warning(
          'mac-unknown',
          `the network card ${nic.name} has no MAC address yet; one is made up`,
          'Start the VM once if the guest must keep the one of Azure.',
        ),
      );
  }
  return findings;
}

/** Premium SSD v2 and Ultra disks; a snapshot of them is filled in the background after it was made. */
const slowSnapshots = new Set(['PremiumV2_LRS', 'UltraSSD_LRS']);

function findingsOfDisk(disk: AzureDisk, os: AzureMachine['os']): Finding[] {
  const { name, sku } = disk;
  const findings = [...findingsOfExport(disk), ...findingsOfEncryption(disk, os)];
  if (disk.maxShares > 1)
    findings.push(
      disk.sharedWith.length > 0
        ? unsupported(
            `the disk ${name} is shared with ${disk.sharedWith.length} other VM${disk.sharedWith.length === 1 ? '' : 's'}`,
            'Detach it from all but one, or from this one.',
          )
        : warning(
            'shared-disk',
            `the disk ${name} may be shared (maxShares ${disk.maxShares}); the new VM gets a copy of its own`,
            'Clusters need a shared disk on the target, which is not made.',
          ),
    );
  if (sku !== undefined && slowSnapshots.has(sku))
    findings.push(
      info(
        'background-snapshot',
        `the disk ${name} is of kind ${sku}: Azure fills its snapshot in the background, and the migration waits for it`,
        'Nothing to do; it takes longer.',
      ),
    );
  return findings;
}

function findingsOfExport({
  name,
  ephemeral,
  id,
  sectorBytes,
  exportFrom,
  exportNeedsLogin,
}: AzureDisk): Finding[] {
  if (ephemeral)
    return [
      unsupported(
        `the OS disk ${name} is ephemeral: it lies on the host of the VM only, and Azure makes no snapshot of it`,
        'Copy its data by means of the guest, or rebuild the VM on a managed disk.',
      ),
    ];
  if (id === undefined)
    return [
      unsupported(
        `the disk ${name} is unmanaged, a blob in a storage account`,
        'Convert it to a managed disk (az vm convert), or download the blob and migrate it with source kind image.',
      ),
    ];
  const findings: Finding[] = [];
  if (sectorBytes !== 512)
    findings.push(
      unsupported(
        `the disk ${name} has logical sectors of ${sectorBytes} bytes: Azure exports it as VHDX only`,
        'Copy its data to a disk with sectors of 512 bytes first.',
      ),
    );
  if (exportNeedsLogin)
    findings.push(
      unsupported(
        `the disk ${name} may be exported by who is logged in only (dataAccessAuthMode AzureActiveDirectory)`,
        'Allow it for the time of the migration: az disk update --data-access-auth-mode None.',
      ),
    );
  if (exportFrom !== 'anywhere')
    findings.push(
      unsupported(
        exportFrom === 'nowhere'
          ? `the disk ${name} may not be exported (networkAccessPolicy DenyAll)`
          : `the disk ${name} may be exported through private endpoints only`,
        'Allow it for the time of the migration: az disk update --network-access-policy AllowAll --public-network-access Enabled.',
      ),
    );
  return findings;
}

function findingsOfEncryption(disk: AzureDisk, os: AzureMachine['os']): Finding[] {
  const { name, lun, guestEncrypted, securityType = '' } = disk;
  // The disk itself says ConfidentialVM_..., the VM's profile DiskWithVMGuestState and the like.
  if (/DiskEncryptedWith|DiskWithVMGuestState/.test(securityType))
    return [
      unsupported(
        `the disk ${name} of a confidential VM is encrypted with a key that only the VM's virtual TPM gives out (${securityType})`,
        'Move the data into a VM of another kind first.',
      ),
    ];
  const findings: Finding[] = [];
  if (/VMGuestStateOnly|NonPersistedTPM/.test(securityType))
    findings.push(
      warning(
        'confidential-vm',
        `the VM is confidential (${securityType}): its disk can be read, the state of its virtual TPM stays behind`,
        'See that nothing is sealed to the TPM. The new VM is not confidential.',
      ),
    );
  if (guestEncrypted) findings.push(diskEncryption(name, lun === undefined, os));
  return findings;
}

/**
 * Azure Disk Encryption is BitLocker or LUKS inside the guest, with the key in a vault and, while the VM runs in
 * Azure, on a small volume that is not among its disks. On Linux the header of the OS disk lies in a file in /boot.
 * https://learn.microsoft.com/azure/virtual-machines/disk-encryption-overview
 */
function diskEncryption(name: string, isOs: boolean, os: AzureMachine['os']): Finding {
  if (isOs || os !== 'linux')
    return unsupported(
      `the ${isOs ? 'OS ' : ''}disk ${name} is encrypted by Azure Disk Encryption: without Azure the guest does not get its key`,
      os === 'linux'
        ? 'Move the system to an OS disk without it first; Azure cannot take it away from a Linux OS disk. Encryption at host does not stand in the way.'
        : 'Take it away first (az vm encryption disable). Encryption at host does not stand in the way.',
    );
  return warning(
    'disk-encryption',
    `the data disk ${name} is encrypted by Azure Disk Encryption and stays so; the new VM does not get its key by itself`,
    'Take it away first (az vm encryption disable --volume-type data), or keep the secret from the key vault and set up its mount in the guest.',
  );
}

function unsupported(found: string, remedy: string): Finding {
  return blocker('AZURE_VM_UNSUPPORTED', found, remedy);
}
