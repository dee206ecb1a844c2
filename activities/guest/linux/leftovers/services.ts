import type { Guestfs } from '../../session/guestfs.ts';
import type { PlannedChange } from '../fix.ts';
import { findAny } from './find.ts';

const unitDirs = ['/usr/lib/systemd/system', '/lib/systemd/system', '/etc/systemd/system'];
const masks = '/etc/systemd/system';

export interface ServicePlan {
  changes: PlannedChange[];
  /** Services were found, and each is masked: Longhaul was here, or the administrator. */
  masked: boolean;
}

/**
 * Plans to switch services off, whichever init starts them: systemd units are masked, links of System V
 * run levels turned into K links, upstart jobs made manual. Nothing is removed, so each can be undone.
 *
 * @param names services without ending
 */
export async function planDisabling(guest: Guestfs, names: readonly string[]): Promise<ServicePlan> {
  const any = `{${names.join(',')},}`;
  const found = await findAny(guest, [
    `{${unitDirs.join(',')}}/${any}.service`,
    `${masks}/*.{wants,requires}/${any}.service`,
    `/etc/init/${any}.conf`,
    `/etc/{rc[0-6].d,init.d/rc[0-6].d}/S[0-9][0-9]${any}`,
  ]);
  const units = new Set(found.filter((path) => /\/systemd\/system\/[^/]+$/.test(path)).map(baseName));
  const changes: PlannedChange[] = [];
  let masked = units.size > 0;
  for (const unit of [...units].sort()) {
    const change = await planMask(guest, unit);
    if (change !== undefined) changes.push(change);
    masked &&= change === undefined && (await isMasked(guest, unit));
  }
  for (const path of found) {
    if (/\.(wants|requires)\//.test(path) && (await needsUnlinking(guest, baseName(path)))) {
      changes.push(removal(path, `The service ${baseName(path)} is not started any more.`));
    } else if (path.startsWith('/etc/init/')) {
      const override = path.replace(/\.conf$/, '.override');
      if (!(await guest.isFile(override))) changes.push(manual(override));
    } else if (/\/rc[0-6]\.d\//.test(path)) changes.push(await planKill(guest, path));
  }
  return { changes, masked };
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

async function isMasked(guest: Guestfs, unit: string): Promise<boolean> {
  const link = `${masks}/${unit}`;
  return (await guest.isSymlink(link)) && (await guest.readlink(link)) === '/dev/null';
}

/** systemctl(1) mask. A unit file that lies where the mask would go is left; its wants links go instead. */
async function planMask(guest: Guestfs, unit: string): Promise<PlannedChange | undefined> {
  const link = `${masks}/${unit}`;
  if (await isMasked(guest, unit)) return undefined;
  const isLink = await guest.isSymlink(link);
  if (!isLink && (await guest.exists(link))) return undefined;
  return {
    path: link,
    what: `The service ${unit} is masked.`,
    after: '-> /dev/null',
    apply: async (session) => {
      if (isLink) await session.rmF(link);
      await session.mkdirP(masks);
      await session.symlink('/dev/null', link);
    },
  };
}

/** Wants links of units that lie in /etc themselves and so cannot be masked. */
async function needsUnlinking(guest: Guestfs, unit: string): Promise<boolean> {
  const path = `${masks}/${unit}`;
  return !(await guest.isSymlink(path)) && (await guest.exists(path));
}

/** S20name becomes K80name, as chkconfig(8) and update-rc.d(8) do. */
async function planKill(guest: Guestfs, path: string): Promise<PlannedChange> {
  const [, dir = '', order = '0', name = ''] = /^(.*)\/S(\d\d)(.*)$/.exec(path) ?? [];
  const kill = `${dir}/K${String((100 - Number(order)) % 100).padStart(2, '0')}${name}`;
  if (await guest.exists(kill)) return removal(path, `The service ${name} is not started any more.`);
  return {
    path,
    what: `The service ${name} is not started any more.`,
    after: `renamed ${baseName(kill)}`,
    apply: (session) => session.mv(path, kill),
  };
}

function removal(path: string, what: string): PlannedChange {
  return { path, what, apply: (session) => session.rmF(path) };
}

/** init(5) of upstart: an override file with the one word `manual`. */
function manual(path: string): PlannedChange {
  const what = `The job ${baseName(path).replace(/\.override$/, '')} is started by hand only.`;
  return { path, what, after: 'manual', apply: (session) => session.replaceFile(path, 'manual\n') };
}
