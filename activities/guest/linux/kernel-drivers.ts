import { isGuestfsFailure } from '../guest-errors.ts';
import { parseModulesDep, type TableEntry } from '../initramfs/module-table.ts';
import type { Kernel } from '../../../contracts/values.ts';
import type { Guestfs } from '../session/guestfs.ts';

/** The table of a kernel with every module takes half a MiB. */
const maxTableBytes = 4 * 1024 * 1024;
const plainVersion = /^[A-Za-z0-9][A-Za-z0-9._+~-]{0,127}$/;

/** The drivers a root disk on virtio needs; the others may be wanted besides. */
const needed = [
  { module: 'virtio_pci', has: ({ virtio }: Kernel) => virtio.pci },
  { module: 'virtio_blk', has: ({ virtio }: Kernel) => virtio.blk },
] as const;

const tables = new WeakMap<Guestfs, Map<string, Promise<ReadonlyMap<string, TableEntry>>>>();

/** Whether the kernel finds a root disk on virtio as it is: drivers built in, or in its initramfs. */
export function findsRoot(kernel: Kernel): boolean {
  return needed.every(({ has }) => has(kernel));
}

/** Drivers a root disk on virtio needs that the kernel has nowhere: not built in, not as a module on the disk. */
export async function driversNowhere(guest: Guestfs, kernel: Kernel): Promise<string[]> {
  const lacking = needed.filter(({ has }) => !has(kernel)).map(({ module }) => module);
  if (lacking.length === 0) return [];
  const table = await moduleTable(guest, kernel.version);
  return lacking.filter((module) => !table.has(module));
}

/** modules.dep of a kernel, read once for a session: fixes change no modules. Empty when there is none. */
export function moduleTable(guest: Guestfs, version: string): Promise<ReadonlyMap<string, TableEntry>> {
  const known = tables.get(guest) ?? new Map<string, Promise<ReadonlyMap<string, TableEntry>>>();
  tables.set(guest, known);
  const reading = known.get(version) ?? readTable(guest, version);
  known.set(version, reading);
  reading.catch(() => known.delete(version));
  return reading;
}

async function readTable(guest: Guestfs, version: string): Promise<ReadonlyMap<string, TableEntry>> {
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
