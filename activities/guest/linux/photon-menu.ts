import type { Kernel } from '../../../contracts/values.ts';
import type { Guestfs } from '../session/guestfs.ts';
import type { PlannedChange } from './fix.ts';
import { readGuestText } from './guest-text.ts';

/** Photon OS: which of /boot/linux-*.cfg this link leads to is what its only menu entry starts. */
const link = '/boot/photon.cfg';
const settings = '/boot/linux-*.cfg';
const maxKernels = 32;

/** Leads Photon's link to another kernel's settings where it leads to a useless one's. */
export async function planPhoton(
  guest: Guestfs,
  { best, useless }: { best: Kernel; useless: readonly Kernel[] },
  what: string,
  warnings: string[],
): Promise<PlannedChange[]> {
  if (!(await guest.isSymlink(link))) return [];
  const started = kernelOf((await readGuestText(guest, link, warnings))?.text);
  if (!useless.some(({ path }) => path === started)) return [];
  for (const path of (await guest.glob(settings)).slice(0, maxKernels)) {
    if (kernelOf((await readGuestText(guest, path, warnings))?.text) !== best.path) continue;
    const target = path.slice('/boot/'.length);
    const before = `-> ${await guest.readlink(link)}`;
    const apply = async (session: Guestfs) => {
      await session.rmF(link);
      await session.symlink(target, link);
    };
    return [{ path: link, what, before, after: `-> ${target}`, apply }];
  }
  warnings.push(
    `${link} starts a kernel without virtio drivers, and ${best.version} has no settings beside it.`,
  );
  return [];
}

/** `photon_linux=vmlinuz-6.1.83-2.ph5`, a file in /boot. */
function kernelOf(text: string | undefined): string | undefined {
  const name = /^photon_linux=([\w.+-]+)\s*$/m.exec(text ?? '')?.[1];
  return name === undefined ? undefined : `/boot/${name}`;
}
