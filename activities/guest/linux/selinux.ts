import { isGuestfsFailure } from '../guest-errors.ts';
import type { GuestFacts } from '../../../contracts/values.ts';
import type { Guestfs } from '../session/guestfs.ts';
import type { Fix, PlannedChange } from './fix.ts';
import { planOwnFile, readGuestText } from './guest-text.ts';
import { reasonOf, run } from './leftovers/packages.ts';
import { labelsIn, selinuxConfig, withParents } from './selinux-text.ts';

const lookup = '/usr/sbin/matchpathcon';
const relabelFile = '/.autorelabel';
const relabelWhat = 'SELinux labels all files anew at the first boot, which then restarts once.';
const maxFilesOfDirectory = 200;
const maxChangedFiles = 1000;
/** File systems that packages write to, when they are mounted on their own. */
const writtenByPrograms = /^\/($|(usr|usr\/local|etc|var|var\/lib|var\/log|opt|boot)$)/;
/** Between the clock of the host and that of the appliance, which made the files. */
const clockSlackMs = 60_000;

/**
 * Files written from outside carry no label: an enforcing guest would refuse to use them, and a permissive one
 * would the day it is made enforcing. Those that were replaced kept theirs; the others get what the guest's
 * own policy says. Where that cannot be asked, or a change names no file, the guest labels everything at its
 * first boot.
 */
export const selinuxFix: Fix = {
  id: 'selinux',
  title: 'Have SELinux labels on the changed files',
  critical: false,
  applies: (facts) => facts.os === 'linux',
  async plan({ guest, facts, earlier }) {
    const warnings: string[] = [];
    const paths = earlier.map(({ path }) => path).filter((path) => keepsLabels(path, facts));
    if (paths.length === 0) return { changes: [], warnings };
    const policy = await readPolicy(guest, warnings);
    if (policy === undefined) return { changes: [], warnings };
    const ranAt = earlier.flatMap(({ ranProgramsAt }) => ranProgramsAt ?? []);
    const since = ranAt.length === 0 ? undefined : Math.min(...ranAt);
    if (policy.askable && paths.every((path) => path.startsWith('/')))
      return { changes: [planLabels(paths, policy, since, facts)], warnings };
    const change = await planOwnFile(guest, relabelFile, '', relabelWhat);
    return { changes: change === undefined ? [] : [change], warnings };
  },
};

/** FAT has no place for labels; the kernel gives all files of it the same one. */
const isFat = (fsType: string): boolean => /^(vfat|msdos|fat|exfat)$/.test(fsType);

function keepsLabels(path: string, { mountpoints }: GuestFacts): boolean {
  return !mountpoints.some(
    (mount) => isFat(mount.fsType) && (path === mount.path || path.startsWith(`${mount.path}/`)),
  );
}

interface Policy {
  /** Its table of labels by path. */
  contexts: string;
  /** Table and program are there to ask for the label of a path. */
  askable: boolean;
}

/** The policy in force; undefined where SELinux is off. */
async function readPolicy(guest: Guestfs, warnings: string[]): Promise<Policy | undefined> {
  const config = await readGuestText(guest, '/etc/selinux/config', warnings);
  const { mode, policy } = selinuxConfig(config?.text ?? '');
  if (mode === 'disabled') return undefined;
  const contexts = `/etc/selinux/${policy}/contexts/files/file_contexts`;
  return { contexts, askable: (await guest.isFile(contexts)) && (await guest.isFile(lookup)) };
}

function planLabels(
  paths: readonly string[],
  { contexts }: Policy,
  since: number | undefined,
  facts: GuestFacts,
): PlannedChange {
  const change: PlannedChange = {
    path: contexts,
    what: 'Files that were made get their labels by this policy.',
    async apply(guest) {
      const made = since === undefined ? [] : await changedSince(guest, since, facts);
      const failure =
        made === undefined
          ? 'it cannot be told which files changed'
          : await labelBare(guest, [...paths, ...made]);
      if (failure === undefined) return;
      await guest.replaceFile(relabelFile, '');
      change.path = relabelFile;
      change.what = `${relabelWhat} Labels could not be set from outside: ${failure}.`;
    },
  };
  return change;
}

/**
 * Files that programs of the guest wrote, besides those that a change names: caches of the linker, configuration
 * that an uninstaller puts back. Undefined when they cannot be told, or are too many to ask for one by one.
 */
async function changedSince(guest: Guestfs, since: number, facts: GuestFacts): Promise<string[] | undefined> {
  const places = facts.mountpoints
    .filter(({ path, fsType }) => writtenByPrograms.test(path) && !isFat(fsType))
    .map(({ path }) => path);
  const start = new Date(since - clockSlackMs).toISOString().replace('T', ' ').slice(0, 19);
  try {
    const found = await run(guest, [
      ...['find', ...places, '-xdev', '!', '-type', 'd'],
      ...['-newerct', `${start} UTC`, '-print'],
    ]);
    const files = found.split('\n').filter((path) => path.startsWith('/') && keepsLabels(path, facts));
    return files.length > maxChangedFiles ? undefined : files;
  } catch (error) {
    if (!isGuestfsFailure(error)) throw error;
    return undefined;
  }
}

/** Labels files that a program of the guest made, and no change names: at once, or at the first boot. */
export async function labelMade(guest: Guestfs, paths: readonly string[]): Promise<void> {
  const policy = await readPolicy(guest, []);
  if (policy === undefined) return;
  const failure = policy.askable ? await labelBare(guest, paths) : 'nobody to ask';
  if (failure !== undefined) await guest.replaceFile(relabelFile, '');
}

/** Gives labels to those of the paths that have none. @returns why that could not be done */
async function labelBare(guest: Guestfs, paths: readonly string[]): Promise<string | undefined> {
  const bare = await unlabelled(guest, paths);
  return bare.length === 0 ? undefined : label(guest, bare);
}

/** The changed files and new directories above them that have no label; of a changed directory, its files. */
async function unlabelled(guest: Guestfs, paths: readonly string[]): Promise<string[]> {
  const inside: string[] = [];
  for (const path of paths) {
    if ((await guest.isSymlink(path)) || !(await guest.isDir(path))) continue;
    const names = (await guest.ls(path)).slice(0, maxFilesOfDirectory);
    inside.push(...names.map((name) => `${path}/${name}`));
  }
  const bare: string[] = [];
  for (const path of withParents([...paths, ...inside])) {
    const there = (await guest.exists(path)) || (await guest.isSymlink(path));
    if (there && (await guest.selinuxLabel(path)) === undefined) bare.push(path);
  }
  return bare;
}

/** matchpathcon(8) reads the policy's file contexts, and needs no kernel with SELinux as restorecon(8) does. */
async function label(guest: Guestfs, paths: readonly string[]): Promise<string | undefined> {
  try {
    const labels = labelsIn(await run(guest, [lookup, ...paths]));
    if (labels.size === 0) return 'the policy has no label for any of them';
    for (const [path, value] of labels) await guest.setSelinuxLabel(value, path);
    return undefined;
  } catch (error) {
    if (!isGuestfsFailure(error)) throw error;
    return reasonOf(error);
  }
}
