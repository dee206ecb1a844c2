import type { DiskBus } from '../../contracts/spec.ts';
import type { GuestFacts } from '../../contracts/values.ts';
import { BlockDevices } from './inspector/block-devices.ts';
import { findBootloader, findFirmware, findInitramfsTool } from './inspector/boot.ts';
import { elfArchitecture, elfHeaderBytes } from './inspector/elf.ts';
import { refuseFull } from './inspector/free-space.ts';
import { readText } from './inspector/guest-text-files.ts';
import { findKernels } from './inspector/kernels.ts';
import { distroAt } from './inspector/linux-system.ts';
import {
  refuseHibernated,
  refuseHibernatedFile,
  refuseReadOnly,
  undrivenRefused,
  whyNoSystem,
} from './inspector/refusals.ts';
import { chooseRoot, withoutSnapshots } from './inspector/root-choice.ts';
import { findRoots, type RootSearch } from './inspector/root-search.ts';
import { describeLocked, guestLocked, type UnlockResult } from './luks-handler.ts';
import { isEssential, mountGuest, type MountedGuest } from './mount-manager.ts';
import type { Guestfs } from './session/guestfs.ts';

export interface InspectOptions {
  guest: Guestfs;
  launchSeconds: number;
  /** What `unlockContainers` opened and did not. */
  unlocked: UnlockResult;
  /** The spec's guest.root, guest.passthrough and guest.lockedDisks. */
  root?: string;
  passthrough?: boolean;
  lockedDisks?: 'warn' | 'fail';
  /** What the disks will be on; virtio when left out. */
  diskBus?: DiskBus;
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

/**
 * Looks at the disks and says what is on them; changes nothing. Before: containers that can be opened are
 * open, nothing is mounted. After: the guest is mounted read-only at its places, if there is one.
 *
 * @throws LonghaulError GUEST_MULTIPLE_ROOTS, GUEST_LOCKED, GUEST_NO_OS, GUEST_UNSUPPORTED, GUEST_BITLOCKER,
 *   GUEST_HIBERNATED, GUEST_READ_ONLY, GUEST_NO_SPACE, GUEST_FILESYSTEM_DAMAGED, GUEST_DISK_MISSING, and the
 *   session's own
 */
export async function inspectGuest(options: InspectOptions): Promise<Inspection> {
  const { guest, unlocked, report } = options;
  const started = performance.now();
  const finished = (facts: Omit<GuestFacts, 'timings'>) => withTimings(facts, options.launchSeconds, started);
  report('looking for file systems');
  const devices = new BlockDevices(guest, unlocked.layout);
  if (options.passthrough) return { facts: finished(await unchangedFacts(guest, devices, passedThrough)) };
  if (options.lockedDisks === 'fail' && unlocked.locked.length > 0) throw guestLocked(unlocked.locked);
  const search = await findRoots(guest, devices);
  const snapshots = options.root === undefined ? await leaveOutSnapshots(guest, devices, search) : [];
  const root = await chooseRoot(search, devices, options.root);
  if (root === undefined) {
    if (unlocked.locked.length > 0) throw guestLocked(unlocked.locked);
    const [damaged] = search.damaged;
    const refusal = damaged ?? (await whyNoSystem(guest, devices));
    if (refusal !== undefined) throw refusal;
    if (search.undriven.length > 0) throw undrivenRefused(search.undriven);
    return { facts: finished(await unchangedFacts(guest, devices, 'No operating system was found')) };
  }
  refuseHibernated(devices);
  report(`mounting the guest's file systems`);
  const isMounted = search.mounted === root;
  let mounted = await mountGuest({ guest, devices, root, unlocked, mounted: isMounted });
  refuseReadOnly(
    devices,
    mounted.mountpoints.filter(({ path }) => isEssential(path)),
  );
  await refuseHibernatedFile(guest, mounted.fstab);
  const warnings = [...besideTheSystem(unlocked, search, devices), ...snapshots, ...mounted.warnings];
  report('reading the operating system');
  const system = await readSystem(options, mounted, warnings);
  await refuseFull(guest, system, options.diskBus);
  const { firmware, remount } = await findFirmware(guest, devices, mounted.mountpoints);
  if (remount) mounted = await mountGuest({ guest, devices, root: mounted.root, unlocked, mounted: false });
  return { facts: finished({ os: 'linux', ...system, firmware, warnings }), mounted };
}

/** Asked only about several roots on logical volumes: it is a question of a quarter of a second. */
async function leaveOutSnapshots(
  guest: Guestfs,
  devices: BlockDevices,
  search: RootSearch,
): Promise<string[]> {
  const onVolumes = search.roots.filter(({ device }) => /^\/dev\/[^/]+\/[^/]+$/.test(device));
  if (onVolumes.length < 2) return [];
  const uuidOf = (device: string) => devices.volume(device)?.uuid;
  const { roots, warnings } = withoutSnapshots(search.roots, uuidOf, await guest.lvOrigins());
  search.roots = roots;
  return warnings;
}

/** Disks that a system can do without: said, not refused. */
function besideTheSystem(unlocked: UnlockResult, search: RootSearch, devices: BlockDevices): string[] {
  return [
    ...unlocked.locked.map((locked) => `${describeLocked(locked)}; it stayed locked.`),
    ...search.damaged.map(({ found }) => `${found}.`),
    ...search.undriven.map(
      ({ device, type, why }) => `${device} holds ${type}, and ${why}; it was not looked into.`,
    ),
    ...devices.ofType('unreadable').map((device) => `${device} cannot be read; it is copied as it is.`),
    ...devices
      .ofType('BitLocker')
      .map((device) => `${device} is encrypted by BitLocker; it is copied as it is.`),
    ...search.windows
      .filter(({ hibernated }) => hibernated)
      .map(
        ({ device }) => `Windows on ${device} is hibernated; wake it up and shut it down in the source VM.`,
      ),
  ];
}

async function readSystem(
  { guest, scratchDir, signal, report }: InspectOptions,
  { mountpoints, root: chosen }: MountedGuest,
  warnings: string[],
): Promise<Omit<GuestFacts, 'os' | 'firmware' | 'warnings' | 'timings'>> {
  const [root] = mountpoints;
  // On a separate /usr it could not be read before.
  const distro = chosen.distro ?? (await distroAt(guest, ''));
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

const passedThrough = 'The spec says guest.passthrough';

/** Disks without a system, or with one that is not to be touched, are passed on as they are. */
async function unchangedFacts(
  guest: Guestfs,
  devices: BlockDevices,
  why: string,
): Promise<Omit<GuestFacts, 'timings'>> {
  const known = devices.volumes.filter(({ type }) => type !== 'unknown' && type !== 'unreadable');
  const holds = known.map(({ device, type }) => `${device} (${type})`).join(', ');
  const { firmware } = await findFirmware(guest, devices, []);
  return {
    os: 'none',
    firmware,
    mountpoints: [],
    kernels: [],
    warnings: [
      `${why}; the disks are handed over unchanged. They hold ${holds === '' ? 'no known file system' : holds}.`,
      ...devices.ofType('unreadable').map((device) => `${device} cannot be read; it is copied as it is.`),
    ],
  };
}

async function findArchitecture(guest: Guestfs): Promise<string | undefined> {
  for (const path of ['/bin/sh', '/usr/bin/sh', '/bin/bash', '/sbin/init', '/usr/lib/systemd/systemd']) {
    if (!(await guest.isFile(path))) continue;
    const arch = elfArchitecture(await guest.readPart(path, elfHeaderBytes, 0));
    if (arch !== undefined) return arch;
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
