import { isGuestfsFailure } from '../guest-errors.ts';
import { parseModulesDep, type TableEntry } from '../initramfs/module-table.ts';
import type { DiskBus } from '../../../contracts/spec.ts';
import type { Kernel } from '../../../contracts/values.ts';
import type { Guestfs } from '../session/guestfs.ts';

/** The table of a kernel with every module takes half a MiB. */
const maxTableBytes = 4 * 1024 * 1024;
const plainVersion = /^[A-Za-z0-9][A-Za-z0-9._+~-]{0,127}$/;

const drivers = {
  pci: { module: 'virtio_pci', has: ({ virtio }: Kernel) => virtio.pci },
  blk: { module: 'virtio_blk', has: ({ virtio }: Kernel) => virtio.blk },
  scsi: { module: 'virtio_scsi', has: ({ virtio }: Kernel) => virtio.scsi },
} as const;
/** The drivers of ours that a root disk needs on each bus; the driver of SATA is in every kernel. */
const needed = {
  virtio: [drivers.pci, drivers.blk],
  scsi: [drivers.pci, drivers.scsi],
  sata: [],
} as const satisfies Record<DiskBus, unknown>;

/** Whether the kernel finds its root disk on the bus as it is: drivers built in, or in its initramfs. */
export function findsRoot(kernel: Kernel, bus: DiskBus = 'virtio'): boolean {
  return needed[bus].every(({ has }) => has(kernel));
}

/** Drivers its root disk needs that the kernel has nowhere: not built in, not as a module on the disk. */
export async function driversNowhere(
  guest: Guestfs,
  kernel: Kernel,
  bus: DiskBus = 'virtio',
): Promise<string[]> {
  const lacking = needed[bus].filter(({ has }) => !has(kernel)).map(({ module }) => module);
  if (lacking.length === 0) return [];
  const table = await moduleTable(guest, kernel.version);
  return lacking.filter((module) => !table.has(module));
}

/** modules.dep of a kernel; empty when there is none. */
export async function moduleTable(guest: Guestfs, version: string): Promise<ReadonlyMap<string, TableEntry>> {
  if (!isPlainVersion(version)) return new Map();
  try {
    const path = `/lib/modules/${version}/modules.dep`;
    return parseModulesDep((await guest.readFile(path, maxTableBytes)).toString('latin1'));
  } catch (error) {
    if (!isGuestfsFailure(error)) throw error;
    return new Map();
  }
}

/** A version becomes part of paths and an argument of programs. */
export function isPlainVersion(version: string): boolean {
  return plainVersion.test(version);
}
