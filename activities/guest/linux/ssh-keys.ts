import { LonghaulError } from '../../../contracts/errors.ts';
import { readPublicKeys } from '../../host/guest-files.ts';
import type { Guestfs } from '../session/guestfs.ts';
import type { Fix, FixContext, PlannedChange } from './fix.ts';
import { readGuestText } from './guest-text.ts';
import { accountIn, addKeys, type Account } from './ssh-keys-text.ts';

const maxKeysBytes = 1024 * 1024;

/** Public keys for logging in; asked for by the spec, so one that cannot be placed is not passed over. */
export const sshKeysFix: Fix = {
  id: 'ssh-keys',
  title: 'Let users log in with the keys of the spec',
  critical: true,
  applies: (facts) => facts.os === 'linux',
  async plan(context) {
    const warnings: string[] = [];
    const wanted = await keysByUser(context.options.sshKeys ?? []);
    if (wanted.size === 0) return { changes: [], warnings };
    const passwd = await readGuestText(context.guest, '/etc/passwd', warnings);
    const changes: PlannedChange[] = [];
    for (const [user, keys] of wanted) {
      const account = accountIn(passwd?.text ?? '', user);
      if (account === undefined) throw refused(user, 'the guest has no such user in /etc/passwd');
      const change = await planUser(context.guest, user, account, keys);
      if (change !== undefined) changes.push(change);
    }
    return { changes, warnings };
  },
};

async function keysByUser(
  entries: NonNullable<FixContext['options']['sshKeys']>,
): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for (const { user, key, keyFile } of entries) {
    const keys = keyFile === undefined ? [] : await readPublicKeys(keyFile);
    if (key !== undefined) keys.push(key);
    found.set(user, [...(found.get(user) ?? []), ...keys]);
  }
  return found;
}

/**
 * The user owns the home directory and can make links in it, so none is followed there: they could lead a
 * file of root's to them. sshd(8) wants the modes with StrictModes.
 */
async function planUser(
  guest: Guestfs,
  user: string,
  account: Account,
  keys: readonly string[],
): Promise<PlannedChange | undefined> {
  if (account.home === '/' || !(await guest.isDir(account.home)))
    throw refused(user, `its home ${account.home} is no directory of the guest`);
  const directory = `${await guest.realpath(account.home)}/.ssh`;
  const file = `${directory}/authorized_keys`;
  for (const path of [directory, file])
    if (await guest.isSymlink(path)) throw refused(user, `${path} is a symbolic link`);
  const hasDirectory = await guest.exists(directory);
  if (hasDirectory && !(await guest.isDir(directory))) throw refused(user, `${directory} is no directory`);
  const hasFile = hasDirectory && (await guest.exists(file));
  if (hasFile && !(await guest.isFile(file))) throw refused(user, `${file} is no regular file`);
  const before = hasFile ? (await guest.readFile(file, maxKeysBytes)).toString('utf8') : '';
  const after = addKeys(before, keys);
  if (after === before) return undefined;
  return {
    path: file,
    what: `${user} may log in with ${after.slice(before.length).trim().split('\n').length} more public keys.`,
    after: after.slice(before.length).trim(),
    apply: async (session) => {
      if (!hasDirectory) await session.mkdirP(directory);
      await restrict(session, account, 0o700, directory);
      await session.replaceFile(file, after);
      await restrict(session, account, 0o600, file);
    },
  };
}

async function restrict(guest: Guestfs, { uid, gid }: Account, mode: number, path: string): Promise<void> {
  await guest.chmod(mode, path);
  await guest.chown(uid, gid, path);
}

function refused(user: string, why: string): LonghaulError {
  return new LonghaulError('GUEST_FIX_FAILED', {
    found: `the keys of ${user} cannot be placed: ${why}`,
    remedy: 'Correct guest.sshKeys in the spec, or the account in the source VM, and retry.',
    details: { user },
  });
}
