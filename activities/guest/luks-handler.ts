import { LonghaulError, messageOf } from '../../contracts/errors.ts';
import type { LuksKey } from '../../contracts/spec.ts';
import type { ResolveSecret } from '../host/secrets.ts';
import { isGuestfsFailure } from './guest-errors.ts';
import { BlockDevices } from './inspector/block-devices.ts';
import { listOpened, readLayout, type DiskLayout } from './inspector/volumes.ts';
import type { Guestfs } from './session/guestfs.ts';

/** A container no key opened. */
export interface LockedContainer {
  device: string;
  uuid: string;
  /** What was tried, as the spec writes it; never a secret. */
  tried: string[];
  /** Why, when it was not simply the wrong key. */
  reasons: string[];
  /** Clevis was asked for and this host's libguestfs cannot do it. */
  lacksClevis?: boolean;
}

export interface OpenedContainer {
  device: string;
  uuid: string;
  /** Under /dev/mapper; the mount manager gives it the guest's own name. */
  mapped: string;
}

export interface UnlockResult {
  opened: OpenedContainer[];
  locked: LockedContainer[];
  /** Everything the disks hold, opened containers and what lies on them included. */
  layout: DiskLayout;
}

interface Unlocking {
  guest: Guestfs;
  keys: readonly LuksKey[];
  resolveSecret: ResolveSecret;
  result: UnlockResult;
}

/** Far more than any VM has, and an end to containers within containers. */
const maxContainers = 256;

/**
 * Opens the LUKS containers of the disks as /dev/mapper/luks-UUID, trying the spec's keys in their order on
 * each container they are meant for. Volumes on opened containers are activated. What stays locked is told,
 * not thrown: it may be a data disk. Before: nothing is mounted. After: so it is still.
 *
 * @throws LonghaulError SECRET_UNRESOLVED
 */
export async function unlockContainers(
  guest: Guestfs,
  keys: readonly LuksKey[],
  resolveSecret: ResolveSecret,
): Promise<UnlockResult> {
  const result: UnlockResult = { opened: [], locked: [], layout: await readLayout(guest) };
  const unlocking = { guest, keys, resolveSecret, result };
  // The list grows while it is walked: a container may lie on a volume that another one held.
  for (const { device, type, uuid = '' } of result.layout.volumes) {
    if (type === 'crypto_LUKS') await unlock(unlocking, { device, uuid });
    if (result.opened.length > maxContainers) break;
  }
  return result;
}

/** @throws LonghaulError GUEST_LOCKED or CLEVIS_UNAVAILABLE: these containers are needed and stayed closed. */
export function guestLocked(locked: readonly LockedContainer[], neededFor = ''): LonghaulError {
  const found = locked.map(describeLocked).join('. ');
  const details = { containers: locked.map(({ device, uuid, tried }) => ({ device, uuid, tried })) };
  const what = neededFor === '' ? found : `${neededFor}. ${found}`;
  if (locked.some(({ lacksClevis }) => lacksClevis === true)) {
    return new LonghaulError('CLEVIS_UNAVAILABLE', {
      found: what,
      remedy:
        'Give a passphrase or key file of the container in guest.luksKeys, or migrate on a host whose libguestfs has the feature clevisluks (1.50 and later, where its distribution builds it in).',
      details,
    });
  }
  return new LonghaulError('GUEST_LOCKED', {
    found: what,
    remedy:
      'Add the right passphrase to guest.luksKeys as a reference (env:, file: or cred:), for this UUID or for `all`; guest.passthrough=true migrates the disks as they are.',
    details,
  });
}

/** Container, device, and the references that were tried; for errors and warnings. */
export function describeLocked({ device, uuid, tried, reasons }: LockedContainer): string {
  const keys = tried.length === 0 ? 'no key was given for it' : `tried ${tried.join(', ')}`;
  return `LUKS container ${uuid} on ${device}: ${[keys, ...reasons].join('; ')}`;
}

async function unlock(unlocking: Unlocking, container: { device: string; uuid: string }): Promise<void> {
  const { guest, keys, result } = unlocking;
  const { device, uuid } = container;
  const name = `luks-${uuid.toLowerCase()}`;
  const mapped = `/dev/mapper/${name}`;
  const locked: LockedContainer = { device, uuid, tried: [], reasons: [] };
  // A copy of a disk beside the original: two devices with one UUID.
  if (result.opened.some((other) => other.mapped === mapped)) {
    locked.reasons.push('another container with the same UUID is open already');
    result.locked.push(locked);
    return;
  }
  const devices = new BlockDevices(guest, result.layout);
  for (const key of keys) {
    if (!(await isMeant(devices, key.device, container))) continue;
    if (await opens(unlocking, key, container, name, locked)) {
      result.opened.push({ device, uuid, mapped });
      result.layout.volumes.push(...(await listOpened(guest, mapped, result.layout.volumes)));
      return;
    }
  }
  result.locked.push(locked);
}

/** `all`, a UUID, or any name that leads to the device: /dev/vda2 is the second partition of the first disk. */
async function isMeant(
  devices: BlockDevices,
  meant: string,
  { device, uuid }: { device: string; uuid: string },
): Promise<boolean> {
  if (meant === 'all' || meant === device || meant.toLowerCase() === uuid.toLowerCase()) return true;
  return (await devices.resolve(meant)) === device;
}

async function opens(
  { guest, resolveSecret }: Unlocking,
  { key, keyFile, clevis }: LuksKey,
  { device }: { device: string },
  name: string,
  locked: LockedContainer,
): Promise<boolean> {
  const reference = key ?? keyFile;
  if (reference === undefined || clevis === true) return opensByClevis(guest, device, name, locked);
  locked.tried.push(reference);
  const secret = await resolveSecret(reference, keyFile === undefined ? 'line' : 'bytes');
  try {
    await guest.cryptsetupOpen(device, secret, name);
    return true;
  } catch (error) {
    if (!isGuestfsFailure(error)) throw error;
    const reason = reasonOf(error);
    if (reason !== undefined) locked.reasons.push(`${reference}: ${reason}`);
    return false;
  } finally {
    secret.fill(0);
  }
}

async function opensByClevis(
  guest: Guestfs,
  device: string,
  name: string,
  locked: LockedContainer,
): Promise<boolean> {
  locked.tried.push('clevis');
  if (!(await guest.featureAvailable('clevisluks'))) {
    locked.lacksClevis = true;
    locked.reasons.push("clevis: this host's libguestfs has no support for it");
    return false;
  }
  try {
    await guest.clevisUnlock(device, name);
    return true;
  } catch (error) {
    if (!isGuestfsFailure(error)) throw error;
    locked.reasons.push(`clevis: ${messageOf(error)}`);
    return false;
  }
}

/** Undefined for a wrong key; cryptsetup's words for anything else. */
function reasonOf(error: LonghaulError): string | undefined {
  if (/no key available with this passphrase/i.test(error.found)) return undefined;
  if (/not enough available memory/i.test(error.found)) {
    return 'the appliance has too little memory for the key derivation of this container';
  }
  return messageOf(error);
}
