import type { MigrationReport } from '../../contracts/steps.ts';
import { isEncrypted, type MatrixGuest } from '../guests/matrix/guest.ts';
import { containerName, mountsOf, volumeGroup } from '../guests/matrix/names.ts';
import type { Proof } from '../guests/matrix/proof.ts';

/** The name a card keeps. */
const card = 'ens192';

/**
 * What is wrong with a migrated guest, each one sentence; empty when it came up with its own address and all
 * that it mounts.
 */
export function problemsOf(guest: MatrixGuest, report: MigrationReport, proof: Proof | undefined): string[] {
  if (report.boot?.sign !== 'login-prompt')
    return [`the boot check saw ${report.boot?.sign ?? 'nothing'} and no login prompt`];
  if (proof === undefined) return ['the guest did not say what it has mounted'];
  const wanted = mountsOf(guest);
  const missing = wanted
    .filter(({ path }) => path !== 'none' && !proof.mounts.some((mount) => mount.path === path))
    .map(({ path }) => `${path} is not mounted`);
  const otherTypes = wanted
    .filter(({ path, type }) => proof.mounts.some((mount) => mount.path === path && mount.type !== type))
    .map(({ path, type }) => `${path} is no ${type}`);
  const rootSource = proof.mounts.find(({ path }) => path === '/')?.source ?? '';
  const address = `${guest.address}/24`;
  // A guest with a static address need not say it on the wire; what it says there must be its own.
  const heard = report.boot.addresses
    .map((each) => each.address)
    .filter((each) => /^\d+(\.\d+){3}$/.test(each));
  const seen = proof.addresses.map((each) => `${each.address} on ${each.card}`);
  return [
    ...missing,
    ...otherTypes,
    // The boot check has no keyboard: a container that is open was opened by the key file in the initramfs.
    ...(rootDevices(guest).test(rootSource) ? [] : [`its root lies on ${rootSource || 'nothing'}`]),
    ...(proof.swaps.length === 0 ? ['it has no swap'] : []),
    ...(seen.includes(`${address} on ${card}`)
      ? []
      : [`its address is not ${address} on ${card} but ${seen.join(', ') || 'none'}`]),
    ...heard.filter((each) => each !== guest.address).map((each) => `the boot check heard it use ${each}`),
    ...proof.failedUnits.map((unit) => `its unit ${unit} failed`),
  ];
}

/** What the root file system lies on where the guest runs on virtio disks; btrfs adds its subvolume. */
function rootDevices(guest: MatrixGuest): RegExp {
  const device = isEncrypted(guest)
    ? `mapper/${containerName(guest)}`
    : { plain: 'vd[a-z]\\d', lvm: `mapper/${volumeGroup}-root`, md1: 'md\\d+' }[
        guest.storage as 'plain' | 'lvm' | 'md1'
      ];
  return new RegExp(`^/dev/${device}(\\[.*\\])?$`);
}
