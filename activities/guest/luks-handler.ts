import { LonghaulError, messageOf } from '../../contracts/errors.ts';
import type { MigrationSpec, SecretRef } from '../../contracts/spec.ts';
import { isGuestfsFailure } from './guest-errors.ts';
import { listOpened, listVolumes, type Volume } from './inspector/volumes.ts';
import type { Guestfs } from './session/guestfs.ts';

/** Gives the bytes a reference stands for; throws SECRET_UNRESOLVED. */
export type ResolveSecret = (reference: SecretRef) => Promise<Uint8Array>;

/** A container no key opened. */
export interface LockedContainer {
  device: string;
  uuid: string;
  /** What was tried, as the spec writes it; never a secret. */
  tried: string[];
  /** Why, when it was not simply the wrong key. */
  reasons: string[];
}

export interface UnlockResult {
  opened: { device: string; uuid: string; mapped: string }[];
  locked: LockedContainer[];
  /** Everything the disks hold, opened containers and what lies on them included. */
  volumes: Volume[];
}

/** Far more than any VM has, and an end to containers within containers. */
const maxContainers = 256;

/**
 * Opens the LUKS containers of the disks as /dev/mapper/luks-UUID, trying the spec's keys in their order on
 * each container they are meant for. Volumes on opened containers are activated. What stays locked is told,
 * not thrown: it may be a data disk.
 *
 * @throws LonghaulError SECRET_UNRESOLVED
 */
export async function unlockContainers(
  guest: Guestfs,
  keys: MigrationSpec['guest']['luksKeys'],
  resolveSecret: ResolveSecret,
): Promise<UnlockResult> {
  const result: UnlockResult = { opened: [], locked: [], volumes: await listVolumes(guest) };
  // The list grows while it is walked: a container may lie on a volume that another one held.
  for (const { device, type, uuid = '' } of result.volumes) {
    if (type === 'crypto_LUKS') await unlock(guest, { device, uuid }, keys, resolveSecret, result);
    if (result.opened.length > maxContainers) break;
  }
  return result;
}

/** @throws LonghaulError GUEST_LOCKED: no operating system was found, and these containers stayed closed. */
export function guestLocked(locked: readonly LockedContainer[]): LonghaulError {
  const each = locked.map(({ device, uuid, tried, reasons }) => {
    const keys = tried.length === 0 ? 'no key was given for it' : `tried ${tried.join(', ')}`;
    return `LUKS container ${uuid} on ${device}: ${[keys, ...reasons].join('; ')}`;
  });
  return new LonghaulError('GUEST_LOCKED', {
    found: each.join('. '),
    remedy:
      'Add the right passphrase to guest.luksKeys as a reference (env:, file: or cred:), for this UUID or for `all`; guest.fix=false migrates the disks as they are.',
    details: { containers: locked.map(({ device, uuid, tried }) => ({ device, uuid, tried })) },
  });
}

async function unlock(
  guest: Guestfs,
  { device, uuid }: { device: string; uuid: string },
  keys: MigrationSpec['guest']['luksKeys'],
  resolveSecret: ResolveSecret,
  result: UnlockResult,
): Promise<void> {
  const name = `luks-${uuid.toLowerCase()}`;
  const locked: LockedContainer = { device, uuid, tried: [], reasons: [] };
  for (const { device: meant, key } of keys) {
    if (meant !== 'all' && meant !== device && meant.toLowerCase() !== uuid.toLowerCase()) continue;
    locked.tried.push(key);
    const secret = await resolveSecret(key);
    try {
      await guest.cryptsetupOpen(device, secret, name);
      const mapped = `/dev/mapper/${name}`;
      result.opened.push({ device, uuid, mapped });
      result.volumes.push(...(await listOpened(guest, mapped, result.volumes)));
      return;
    } catch (error) {
      if (!isGuestfsFailure(error)) throw error;
      const reason = reasonOf(error);
      if (reason !== undefined) locked.reasons.push(`${key}: ${reason}`);
    } finally {
      secret.fill(0);
    }
  }
  result.locked.push(locked);
}

/** Undefined for a wrong key; cryptsetup's words for anything else. */
function reasonOf(error: LonghaulError): string | undefined {
  if (/no key available with this passphrase/i.test(error.found)) return undefined;
  if (/not enough available memory/i.test(error.found)) {
    return 'the appliance has too little memory for the key derivation of this container';
  }
  return messageOf(error);
}
