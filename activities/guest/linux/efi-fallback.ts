import { LonghaulError } from '../../../contracts/errors.ts';
import type { GuestFacts } from '../../../contracts/values.ts';
import type { Guestfs } from '../session/guestfs.ts';
import { readDeviceMap } from './device-map.ts';
import { planFallback, programInCsv, type EspCopy, type EspFolder } from './efi-loaders.ts';
import type { Fix, PlannedChange } from './fix.ts';

const maxFolders = 32;
const maxFiles = 200;
const maxCsvBytes = 64 * 1024;
/** The FAT itself may need clusters for the new directory. */
const spareBytes = 128 * 1024;
/** Folders of a guest that may serve as a mount point for a partition it does not mount itself. */
const idleFolders = ['/boot/efi', '/efi', '/mnt', '/media'];

/**
 * Boot entries live in the firmware's memory, which does not move along: a new VM starts \EFI\BOOT\BOOT*.EFI
 * or nothing. Guests that have none get one, made of the loader they have.
 */
export const efiFallbackFix: Fix = {
  id: 'efi-fallback',
  title: 'A boot loader that firmware without boot entries finds',
  critical: true,
  applies: (facts) => facts.os === 'linux' && facts.firmware === 'uefi',
  async plan({ guest, facts }) {
    const esp = await findEsp(guest, facts);
    if (esp === undefined)
      return { changes: [], warnings: ['No EFI system partition was found to look for a fallback loader.'] };
    return withEsp(guest, esp, 'ro', async (efi) => {
      const { folders, named } = await readFolders(guest, efi);
      const about = {
        ...(facts.arch === undefined ? {} : { arch: facts.arch }),
        ...(facts.distro === undefined ? {} : { distroId: facts.distro.id }),
      };
      const { copies, vendor, warnings } = planFallback(folders, about, named);
      await requireSpace(guest, efi, copies);
      const changes = copies.map((copy) => planCopy(esp, efi, copy, vendor ?? ''));
      return { changes, warnings };
    });
  },
};

/** An EFI system partition: at a place of the guest's, or a device that the guest does not mount. */
interface Esp {
  device: string;
  mountpoint: string;
  mounted: boolean;
}

async function findEsp(guest: Guestfs, facts: GuestFacts): Promise<Esp | undefined> {
  for (const { path, device, fsType } of facts.mountpoints) {
    if (fsType === 'vfat' && (await efiFolder(guest, path)) !== undefined)
      return { device, mountpoint: path, mounted: true };
  }
  const { volumes } = await readDeviceMap(guest, facts);
  const known = new Set(facts.mountpoints.map(({ device }) => device));
  for (const { device, fsType, partition } of volumes) {
    if (fsType !== 'vfat' || partition === undefined || known.has(device)) continue;
    for (const mountpoint of idleFolders) {
      if (facts.mountpoints.some(({ path }) => path === mountpoint) || !(await guest.isDir(mountpoint)))
        continue;
      const esp = { device, mountpoint, mounted: false };
      if (await withEsp(guest, esp, 'ro', (efi) => Promise.resolve(efi !== ''))) return esp;
      break;
    }
  }
  return undefined;
}

/** Runs `work` with the path of the partition's EFI folder, empty when there is none. */
async function withEsp<T>(
  guest: Guestfs,
  { device, mountpoint, mounted }: Esp,
  mode: 'ro' | 'rw',
  work: (efi: string) => Promise<T>,
): Promise<T> {
  if (!mounted) await guest.mount(device, mountpoint, mode);
  try {
    return await work((await efiFolder(guest, mountpoint)) ?? '');
  } finally {
    if (!mounted) await guest.umount(mountpoint);
  }
}

async function efiFolder(guest: Guestfs, mountpoint: string): Promise<string | undefined> {
  const name = (await guest.ls(mountpoint)).find((child) => child.toLowerCase() === 'efi');
  return name === undefined ? undefined : `${mountpoint === '/' ? '' : mountpoint}/${name}`;
}

async function readFolders(
  guest: Guestfs,
  efi: string,
): Promise<{ folders: EspFolder[]; named: Map<string, string> }> {
  const folders: EspFolder[] = [];
  const named = new Map<string, string>();
  for (const name of (await guest.ls(efi)).slice(0, maxFolders)) {
    const folder = `${efi}/${name}`;
    if (!(await guest.isDir(folder))) continue;
    const files = [];
    for (const file of (await guest.ls(folder)).slice(0, maxFiles)) {
      if (!/\.(efi|csv|cfg)$/i.test(file) || !(await guest.isFile(`${folder}/${file}`))) continue;
      files.push({ name: file, sizeBytes: (await guest.stat(`${folder}/${file}`)).sizeBytes });
      if (!/^boot\w*\.csv$/i.test(file)) continue;
      const program = programInCsv(await guest.readPart(`${folder}/${file}`, maxCsvBytes, 0));
      if (program !== undefined) named.set(name, program);
    }
    folders.push({ name, files });
  }
  return { folders, named };
}

async function requireSpace(guest: Guestfs, efi: string, copies: readonly EspCopy[]): Promise<void> {
  if (copies.length === 0) return;
  const { blockSize, blocksFree } = await guest.statvfs(efi);
  const freeBytes = blockSize * blocksFree;
  const neededBytes =
    spareBytes + copies.reduce((sum, { sizeBytes }) => sum + Math.ceil(sizeBytes / blockSize) * blockSize, 0);
  if (freeBytes >= neededBytes) return;
  throw new LonghaulError('GUEST_NO_SPACE', {
    found: `the EFI system partition has ${freeBytes} bytes free; a fallback loader needs ${neededBytes}`,
    remedy: 'Remove old kernels or loaders from the EFI system partition in the source VM, and retry.',
    details: { directory: efi, freeBytes, neededBytes },
  });
}

function planCopy(esp: Esp, efi: string, { from, to }: EspCopy, vendor: string): PlannedChange {
  return {
    path: `${efi}/${to}`,
    what: `A copy of EFI/${from}, so that firmware without boot entries starts the loader of ${vendor}.`,
    apply: (guest) =>
      withEsp(guest, esp, 'rw', async (folder) => {
        const target = `${folder}/${to}`;
        await guest.mkdirP(target.slice(0, target.lastIndexOf('/')));
        await guest.rmF(`${target}.new`);
        await guest.copyFile(`${folder}/${from}`, `${target}.new`);
        await guest.mv(`${target}.new`, target);
      }),
  };
}
