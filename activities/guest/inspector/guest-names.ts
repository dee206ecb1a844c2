import { isGuestfsFailure } from '../guest-errors.ts';
import type { OpenedContainer } from '../luks-handler.ts';
import type { Guestfs } from '../session/guestfs.ts';
import type { BlockDevices } from './block-devices.ts';

/** The guest's tables that give devices names of their own. */
export interface NameTables {
  /** crypttab(5) */
  crypttab: string;
  /** mdadm.conf(5); empty where fstab names no array */
  mdadmConf: string;
}

export interface Renaming {
  container: OpenedContainer;
  /** Under /dev/mapper, as the guest has it. */
  name: string;
}

const mapperName = /^[A-Za-z0-9][A-Za-z0-9_.+-]{0,126}$/;
const maxEntries = 64;

/** Makes the names that the guest has for its arrays known: /dev/md0 here may be /dev/md127. */
export async function addArrayNames(devices: BlockDevices, { mdadmConf }: NameTables): Promise<void> {
  for (const line of mdadmConf.split('\n').slice(0, 1024)) {
    const [, name, uuid] = /^\s*ARRAY\s+(\/dev\/\S+)\s.*\bUUID=([0-9a-fA-F:]{35})/i.exec(line) ?? [];
    if (name === undefined || uuid === undefined) continue;
    const device = await devices.arrayByUuid(uuid.toLowerCase());
    if (device !== undefined) devices.addAlias(name, device);
  }
}

/** Opened containers that the guest's crypttab calls by another name than we did. */
export async function containersToRename(
  devices: BlockDevices,
  { crypttab }: NameTables,
  opened: readonly OpenedContainer[],
): Promise<Renaming[]> {
  const renamings: Renaming[] = [];
  const entries = crypttab.split('\n').filter((line) => /^\s*[^\s#]/.test(line));
  for (const line of entries.slice(0, maxEntries)) {
    const [name = '', source = ''] = line.trim().split(/\s+/);
    const device = await devices.resolve(source);
    const container = opened.find((each) => each.device === device);
    if (container === undefined || container.mapped === `/dev/mapper/${name}`) continue;
    renamings.push({ container, name });
  }
  return renamings;
}

/**
 * Gives containers their guest's names: tools that make an initramfs look up the root device in crypttab by
 * its name, and leave it out when that differs. Where it cannot be done, the name is known as an alias.
 *
 * @returns warnings. Before and after: nothing is mounted.
 */
export async function renameContainers(
  guest: Guestfs,
  devices: BlockDevices,
  renamings: readonly Renaming[],
): Promise<string[]> {
  const warnings: string[] = [];
  for (const { container, name } of renamings) {
    const wanted = `/dev/mapper/${name}`;
    try {
      if (!mapperName.test(name) || devices.volume(wanted) !== undefined) {
        devices.addAlias(wanted, container.mapped);
        continue;
      }
      await guest.renameMapped(container.mapped.replace('/dev/mapper/', ''), name);
      devices.rename(container.mapped, wanted);
      container.mapped = wanted;
    } catch (error) {
      if (!isGuestfsFailure(error)) throw error;
      devices.addAlias(wanted, container.mapped);
      warnings.push(`The container ${container.uuid} could not be named ${name}: ${error.found}.`);
    }
  }
  return warnings;
}
