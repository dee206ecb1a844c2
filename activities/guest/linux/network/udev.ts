import type { Guestfs } from '../../session/guestfs.ts';
import { anyOf } from '../guest-text.ts';

const linkFilesSince = 241;
const libraries = ['lib', 'usr/lib', 'lib64', 'usr/lib64'].map(
  (folder) => `/${folder}/{,*/}systemd/libsystemd-shared-*.so`,
);
const udevs = [
  '/{usr/,}lib/{systemd/systemd-udevd,udev/rules.d}',
  '/{usr/,}sbin/udevd',
  '/etc/udev/rules.d/80-net-setup-link.rules',
];

/**
 * How the guest's udev is told a name. From systemd 241 on a .link file is obeyed even when the initramfs
 * has already given the card another name; before that only a rule's NAME= is, and the same holds where the
 * rule that reads .link files was switched off to have names like eth0.
 */
export async function udevKind(guest: Guestfs): Promise<'links' | 'rules' | 'none'> {
  const paths = await guest.glob(anyOf([...libraries, ...udevs]));
  const switchedOff = paths.some((path) => path.endsWith('/80-net-setup-link.rules'));
  const versions = paths.map((path) => Number(/-shared-(\d{3})/.exec(path)?.[1] ?? 0));
  if (!switchedOff && versions.some((version) => version >= linkFilesSince)) return 'links';
  return paths.length > 0 ? 'rules' : 'none';
}
