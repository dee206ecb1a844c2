import { LonghaulError } from '../../contracts/errors.ts';
import type { GuestFacts } from '../../contracts/values.ts';
import { isGuestfsFailure } from './guest-errors.ts';
import { BlockDevices } from './inspector/block-devices.ts';
import { findBootloader, findFirmware, findInitramfsTool } from './inspector/boot.ts';
import { elfArchitecture, elfHeaderBytes } from './inspector/elf.ts';
import { findKernels } from './inspector/kernels.ts';
import { distroOf } from './inspector/os-release.ts';
import { chooseRoot, findRoots } from './inspector/root-choice.ts';
import { guestLocked, type UnlockResult } from './luks-handler.ts';
import { mountGuest, type MountedGuest } from './mount-manager.ts';
import type { Guestfs } from './session/guestfs.ts';

export interface InspectOptions {
  guest: Guestfs;
  launchSeconds: number;
  /** What `unlockContainers` opened and did not. */
  unlocked: UnlockResult;
  /** The spec's guest.root. */
  root?: string;
  /** An existing private directory on the host. */
  scratchDir: string;
  signal: AbortSignal;
  report: (doing: string) => void;
}

export interface Inspection {
  facts: GuestFacts;
  /** The guest's tree, mounted read-only; absent when the disks hold no operating system. */
  mounted?: MountedGuest;
}

const maxTextBytes = 64 * 1024;

/**
 * Looks at the disks and says what is on them; changes nothing. Before: containers that can be opened are
 * open, nothing is mounted. After: the guest is mounted read-only at its places, if there is one.
 *
 * @throws LonghaulError GUEST_MULTIPLE_ROOTS, GUEST_LOCKED, GUEST_NO_OS, GUEST_UNSUPPORTED,
 *   GUEST_FILESYSTEM_DAMAGED, GUEST_DISK_MISSING, and the session's own
 */
export async function inspectGuest(options: InspectOptions): Promise<Inspection> {
  const { guest, unlocked, report } = options;
  const started = performance.now();
  report('looking for file systems');
  const devices = await BlockDevices.of(guest, unlocked.volumes);
  const search = await findRoots(guest, devices);
  const root = await chooseRoot(search, devices, options.root);
  if (root === undefined) {
    if (unlocked.locked.length > 0) throw guestLocked(unlocked.locked);
    const [damaged] = search.damaged;
    if (damaged !== undefined) throw damaged;
    const facts = await dataFacts(guest, devices);
    return { facts: withTimings(facts, options.launchSeconds, started) };
  }
  refuseHibernated(devices);
  report(`mounting the guest's file systems`);
  let mounted = await mountGuest(guest, devices, root);
  const warnings = [
    ...unlocked.locked.map(({ uuid, device }) => `LUKS container ${uuid} on ${device} stayed locked.`),
    ...search.damaged.map(({ found }) => `${found}.`),
    ...mounted.warnings,
  ];
  report('reading the operating system');
  const system = await readSystem(options, mounted, warnings);
  const { firmware, remount } = await findFirmware(guest, devices, mounted.mountpoints);
  if (remount) mounted = await mountGuest(guest, devices, root);
  const facts: Omit<GuestFacts, 'timings'> = { os: 'linux', ...system, firmware, warnings };
  return { facts: withTimings(facts, options.launchSeconds, started), mounted };
}

async function readSystem(
  { guest, scratchDir, signal, report }: InspectOptions,
  { mountpoints }: MountedGuest,
  warnings: string[],
): Promise<Omit<GuestFacts, 'os' | 'firmware' | 'warnings' | 'timings'>> {
  const [root] = mountpoints;
  const distro = distroOf({
    ...text('osRelease', await readText(guest, ['/etc/os-release', '/usr/lib/os-release'])),
    ...text('redhatRelease', await readText(guest, ['/etc/redhat-release'])),
    ...text('debianVersion', await readText(guest, ['/etc/debian_version'])),
  });
  const arch = await findArchitecture(guest);
  const hostname = hostnameIn(await readText(guest, ['/etc/hostname', '/etc/HOSTNAME']));
  return {
    ...(distro === undefined ? {} : { distro }),
    ...text('arch', arch),
    ...text('hostname', hostname),
    ...(root === undefined
      ? {}
      : { root: { device: root.device, fsType: root.fsType, ...text('uuid', root.uuid) } }),
    bootloader: await findBootloader(guest),
    mountpoints,
    kernels: await findKernels({ guest, scratchDir, signal, warnings, report }),
    initramfsTool: await findInitramfsTool(guest),
  };
}

/** Disks without a system are passed on as they are; a VM whose boot disk is empty is a mistake. */
async function dataFacts(guest: Guestfs, devices: BlockDevices): Promise<Omit<GuestFacts, 'timings'>> {
  const [boot] = devices.disks;
  const known = devices.volumes.filter(({ type }) => type !== 'unknown');
  const blank = boot !== undefined && known.length === 0 && (await devices.table(boot)).blank;
  if (blank) {
    throw new LonghaulError('GUEST_NO_OS', {
      found: `the first disk (${await guest.blockdevGetSize64(boot)} bytes) is blank and no other disk holds a file system`,
      remedy:
        'Check that source.disks names the right images, the boot disk first; guest.fix=false migrates blank disks.',
    });
  }
  const holds = known.map(({ device, type }) => `${device} (${type})`).join(', ');
  return {
    os: 'none',
    firmware: 'bios',
    mountpoints: [],
    kernels: [],
    warnings: [
      `No operating system was found; the disks are handed over unchanged. They hold ${holds === '' ? 'no known file system' : holds}.`,
    ],
  };
}

/** A hibernated system would wake up on other hardware, with file systems changed behind its back. */
function refuseHibernated(devices: BlockDevices): void {
  const [device] = devices.ofType('swsuspend');
  if (device === undefined) return;
  throw new LonghaulError('GUEST_UNSUPPORTED', {
    found: `the guest is hibernated: ${device} holds its memory`,
    remedy: 'Start the source VM, shut it down normally, and migrate again.',
  });
}

async function findArchitecture(guest: Guestfs): Promise<string | undefined> {
  for (const path of ['/bin/sh', '/usr/bin/sh', '/bin/bash', '/sbin/init', '/usr/lib/systemd/systemd']) {
    if (!(await guest.isFile(path))) continue;
    const arch = elfArchitecture(await guest.readPart(path, elfHeaderBytes, 0));
    if (arch !== undefined) return arch;
  }
  return undefined;
}

async function readText(guest: Guestfs, paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    try {
      if (await guest.isFile(path)) return (await guest.readFile(path, maxTextBytes)).toString();
    } catch (error) {
      if (!isGuestfsFailure(error)) throw error;
    }
  }
  return undefined;
}

function hostnameIn(content: string | undefined): string | undefined {
  const line = content
    ?.split('\n')
    .find((each) => !/^\s*(#|$)/.test(each))
    ?.trim();
  return line !== undefined && /^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$/.test(line) ? line : undefined;
}

function text<K extends string>(key: K, value: string | undefined): Partial<Record<K, string>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, string>);
}

function withTimings(facts: Omit<GuestFacts, 'timings'>, launchSeconds: number, started: number): GuestFacts {
  const rounded = (seconds: number) => Math.round(seconds * 1000) / 1000;
  const inspectSeconds = rounded((performance.now() - started) / 1000);
  return { ...facts, timings: { launchSeconds: rounded(launchSeconds), inspectSeconds } };
}
