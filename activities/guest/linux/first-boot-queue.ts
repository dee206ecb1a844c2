import type { Guestfs } from '../session/guestfs.ts';
import type { PlannedChange } from './fix.ts';
import { firstBootDir, initPieces, runner, type InitPiece, type InitSystem } from './first-boot-text.ts';
import { findAny } from './leftovers/find.ts';

/** What the guest starts its services with; undefined when it is none that is known. */
export async function findInit(guest: Guestfs): Promise<InitSystem | undefined> {
  const found = await findAny(guest, [
    '{/usr,}/lib/systemd/systemd',
    '/sbin/openrc-run',
    '/etc/rc[2].d',
    '/etc/init.d',
  ]);
  if (found.some((path) => path.endsWith('/systemd'))) return 'systemd';
  if (found.includes('/sbin/openrc-run')) return 'openrc';
  return found.includes('/etc/rc2.d/') && found.includes('/etc/init.d/') ? 'sysv' : undefined;
}

/** The runner and what starts it, as far as they are not there yet. */
export async function planRunner(guest: Guestfs, init: InitSystem): Promise<PlannedChange[]> {
  const what = 'The guest runs the scripts of its first boot, then forgets them.';
  const pieces = [{ path: `${firstBootDir}/run`, text: runner }, ...initPieces(init)];
  const changes: PlannedChange[] = [];
  for (const piece of pieces) {
    if (await isThere(guest, piece)) continue;
    changes.push({ path: piece.path, what, apply: (session) => place(session, piece) });
  }
  return changes;
}

/** A script, run as what its first line says. */
export async function planScript(
  guest: Guestfs,
  name: string,
  content: Buffer,
): Promise<PlannedChange | undefined> {
  const path = `${firstBootDir}/scripts/${name}`;
  if ((await guest.isFile(path)) && (await guest.readFile(path)).equals(content)) return undefined;
  return {
    path,
    what: 'The guest runs this script at its first boot.',
    apply: async (session) => {
      await placeFile(session, path, content);
      await session.chmod(0o700, path);
    },
  };
}

async function isThere(guest: Guestfs, { path, text, link }: InitPiece): Promise<boolean> {
  if (link !== undefined) return (await guest.isSymlink(path)) && (await guest.readlink(path)) === link;
  return (await guest.isFile(path)) && (await guest.readFile(path)).toString() === text;
}

async function place(guest: Guestfs, { path, text = '', link }: InitPiece): Promise<void> {
  if (link !== undefined) {
    await guest.mkdirP(path.slice(0, path.lastIndexOf('/')));
    await guest.rmF(path);
    return guest.symlink(link, path);
  }
  await placeFile(guest, path, text);
  if (text.startsWith('#!')) await guest.chmod(0o755, path);
}

async function placeFile(guest: Guestfs, path: string, content: string | Buffer): Promise<void> {
  await guest.mkdirP(path.slice(0, path.lastIndexOf('/')));
  await guest.replaceFile(path, content);
}
