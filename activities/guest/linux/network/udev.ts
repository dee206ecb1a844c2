import type { Guestfs } from '../../session/guestfs.ts';
import { anyOf } from '../guest-text.ts';

const linkFilesSince = 241;
const libraries = ['lib', 'usr/lib', 'lib64', 'usr/lib64'].map(
  (folder) => `/${folder}/{,*/}systemd/libsystemd-shared-*.so`,
);
/** The daemon of systemd, of eudev, of old systems. Rules alone are no sign: packages bring them everywhere. */
const daemons = '/{usr/,}{lib/{systemd/systemd-,udev/}udevd,{s,}bin/udevd}';
const switchedOff = '/etc/udev/rules.d/80-net-setup-link.rules';

/**
 * How the guest's udev is told a name. From systemd 241 on a .link file is obeyed even when the initramfs
 * has already given the card another name; before that only a rule's NAME= is, and the same holds where the
 * rule that reads .link files was switched off to have names like eth0.
 */
export async function udevKind(guest: Guestfs): Promise<'links' | 'rules' | 'none'> {
  const paths = await guest.glob(anyOf([...libraries, daemons, switchedOff]));
  const signs = paths.filter((path) => path !== switchedOff);
  if (signs.length === 0) return 'none';
  const versions = signs.map((path) => Number(/-shared-(\d{3})/.exec(path)?.[1] ?? 0));
  const obeysLinks = signs.length === paths.length && versions.some((version) => version >= linkFilesSince);
  return obeysLinks ? 'links' : 'rules';
}
