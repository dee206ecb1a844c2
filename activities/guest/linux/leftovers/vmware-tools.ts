import type { Guestfs } from '../../session/guestfs.ts';
import { leftoverFix } from './software.ts';

const uninstaller = '/usr/bin/vmware-uninstall-tools.pl';
const locations = '/etc/vmware-tools/locations';

/** open-vm-tools, VMware's own packages, and the tarball of old. */
export const vmwareToolsFix = leftoverFix('vmware-tools', 'Remove the tools of VMware', [
  {
    name: 'VMware Tools',
    signs: [
      '/usr/{bin,sbin}/vmtoolsd',
      '/usr/sbin/vmware-guestd',
      '/usr/bin/vmware-{user-suid-wrapper,config-tools.pl,uninstall-tools.pl}',
      '/usr/lib/vmware-tools/sbin*/vmtoolsd',
      '/usr/lib{,64,/*}/open-vm-tools/plugins/{common,vmsvc,vmusr}/*.so',
      '/etc/init.d/vmware-tools',
      locations,
    ],
    services: [
      'open-vm-tools',
      'vmtoolsd',
      'vgauth',
      'vgauthd',
      'vmware-tools',
      'vmware-tools-services',
      'vmware-tools-thinprint',
      'vmware-tools-vgauth',
    ],
    async uninstaller(guest, { root }) {
      if (!(await guest.isFile(uninstaller))) return undefined;
      // On SUSE it looks for the root device, which is not mounted by that name here.
      const environment = root === undefined ? [] : [`rootdev=${root.device}`];
      return { argv: [uninstaller], environment, prepare: forgetRamdisks };
    },
  },
]);

/** Its database says how each initramfs was made with its modules; without, it leaves them to the initramfs fix. */
async function forgetRamdisks(guest: Guestfs): Promise<void> {
  if (!(await guest.isFile(locations))) return;
  const text = (await guest.readFile(locations)).toString('latin1');
  const answers = ['CMD', 'KERNELS', 'ONECALL'].map((name) => `remove_answer RESTORE_RAMDISK_${name}\n`);
  const end = text === '' || text.endsWith('\n') ? '' : '\n';
  await guest.replaceFile(locations, Buffer.from(text + end + answers.join(''), 'latin1'));
}
