import type { Guestfs } from '../../session/guestfs.ts';
import { leftoverFix, type Uninstaller } from './software.ts';

const config = '/var/lib/VBoxGuestAdditions/config';
const maxConfigBytes = 64 * 1024;

/** Packages of distributions, and Oracle's own installer with its folder in /opt. */
export const virtualboxAdditionsFix = leftoverFix(
  'virtualbox-additions',
  'Remove the additions of VirtualBox',
  [
    {
      name: 'VirtualBox Guest Additions',
      signs: [
        '/usr/sbin/VBoxService',
        '/usr/bin/VBox{Client,Control}',
        '/opt/VBoxGuestAdditions-*/uninstall.sh',
        '/etc/init.d/vboxadd',
        config,
      ],
      services: [
        'vboxadd',
        'vboxadd-service',
        'vboxadd-x11',
        'vboxservice',
        'vboxclient',
        'vboxguest',
        'virtualbox-guest-utils',
        'virtualbox-guest-x11',
      ],
      uninstaller: findUninstaller,
    },
  ],
);

async function findUninstaller(guest: Guestfs): Promise<Uninstaller | undefined> {
  const [usual] = await guest.glob('/opt/VBoxGuestAdditions-*/uninstall.sh');
  const path = (await installDir(guest)) ?? usual;
  return path !== undefined && (await guest.isFile(path)) ? { argv: ['/bin/sh', path] } : undefined;
}

/** `INSTALL_DIR='/opt/VBoxGuestAdditions-7.0.12'` */
async function installDir(guest: Guestfs): Promise<string | undefined> {
  if (!(await guest.isFile(config)) || (await guest.stat(config)).sizeBytes > maxConfigBytes)
    return undefined;
  const text = (await guest.readFile(config, maxConfigBytes)).toString('latin1');
  const dir = /^INSTALL_DIR=(['"]?)(\/[^'"\n]+)\1$/m.exec(text)?.[2];
  return dir === undefined ? undefined : `${dir}/uninstall.sh`;
}
