import type { MigrationReport } from '../../contracts/steps.ts';
import type { MatrixGuest } from '../guests/matrix/guest.ts';
import { mountsOf } from '../guests/matrix/names.ts';
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
  const address = `${guest.address}/24`;
  // A guest with a static address need not say it on the wire; what it says there must be its own.
  const heard = report.boot.addresses
    .map((each) => each.address)
    .filter((each) => /^\d+(\.\d+){3}$/.test(each));
  const seen = proof.addresses.map((each) => `${each.address} on ${each.card}`);
  return [
    ...missing,
    ...otherTypes,
    ...(proof.swaps.length === 0 ? ['it has no swap'] : []),
    ...(seen.includes(`${address} on ${card}`)
      ? []
      : [`its address is not ${address} on ${card} but ${seen.join(', ') || 'none'}`]),
    ...heard.filter((each) => each !== guest.address).map((each) => `the boot check heard it use ${each}`),
    ...proof.failedUnits.map((unit) => `its unit ${unit} failed`),
  ];
}
