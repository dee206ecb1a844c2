import type { Explanation } from './judge.ts';

/**
 * Every difference between what virt-v2v-in-place and Longhaul leave in a guest, and why it is right. Of
 * several that fit, the first counts.
 */
export const explanations: readonly Explanation[] = [
  {
    by: 'virt-v2v',
    path: /\/.*\.augsave/,
    reason: "Backups of Augeas. Longhaul's report shows what a line was before.",
  },
  {
    by: 'virt-v2v',
    path: /\/boot\/initrd\.img-[^/]+\.pre-v2v/,
    reason: 'A backup of the initramfs, which virt-v2v makes anew for every guest.',
  },
  {
    by: 'virt-v2v',
    path: /\/boot\/initrd\.img-[^/]+/,
    reason: 'Made anew although virtio was in it. Longhaul looks inside and leaves a good one alone.',
  },
  {
    by: 'both',
    path: /\/boot\/initrd\.img-[^/]+/,
    reason:
      'Virtio was missing. virt-v2v has the guest make the initramfs anew; Longhaul puts the modules into the one that is there.',
  },
  {
    by: 'both',
    path: /\/etc\/initramfs-tools\/modules/,
    reason:
      'The drivers for every later initramfs. virt-v2v lists the network card and the balloon, too, which the root does not need.',
  },
  {
    by: 'virt-v2v',
    path: /\/etc\/initramfs-tools\/modules/,
    reason: 'Virtio in every later initramfs, too. With MODULES=most it is there without being listed.',
  },
  {
    by: 'both',
    path: /\/boot\/grub\/grub\.cfg/,
    reason:
      'virt-v2v has the guest make the file anew, in which root= still names a device. Longhaul edits the lines it must: root by UUID, serial console.',
  },
  {
    by: 'ours',
    path: /\/etc\/default\/grub/,
    reason:
      'The serial console, so that the next grub.cfg has it. virt-v2v found no way to change this file.',
  },
  {
    by: 'both',
    path: /\/etc\/fstab/,
    reason: 'virt-v2v names /dev/vda, good for virtio-blk in this order alone; Longhaul names UUIDs.',
  },
  {
    by: 'ours',
    path: /\/etc\/systemd\/network\/10-longhaul-ens192\.link/,
    reason: 'The card keeps its name and with it its address. After virt-v2v the guest has none.',
  },
  {
    by: 'ours',
    path: /\/etc\/systemd\/system\/getty\.target\.wants\/serial-getty@ttyS0\.service/,
    reason: "A login on the serial port, which is libvirt's console.",
  },
  {
    by: 'virt-v2v',
    path: /\/etc\/init\.d\/guestfs-firstboot|\/etc\/rc\d\.d\/S99guestfs-firstboot/,
    reason: 'First-boot scripts; virt-v2v adds them to install the guest agent from the network.',
  },
  {
    by: 'virt-v2v',
    path: /\/(etc|usr\/lib)\/systemd\/system\/(multi-user\.target\.wants\/)?guestfs-firstboot\.service/,
    reason: 'As above. Longhaul installs the agent offline, from a package that the spec names.',
  },
  {
    by: 'virt-v2v',
    path: /\/usr\/lib\/virt-sysprep(\/.*)?/,
    reason: 'As above.',
  },
  {
    by: 'virt-v2v',
    path: /\/boot\/efi\/EFI\/[^/]+\/grub\.cfg/,
    reason:
      'The stub on the ESP, which only leads to the file in /boot: virt-v2v has the whole menu written into it, and the one in /boot stays as it was.',
  },
  {
    by: 'ours',
    path: /\/boot\/grub\/grub\.cfg/,
    reason: 'The menu that the stub on the ESP leads to: root by UUID, serial console.',
  },
  {
    by: 'virt-v2v',
    path: /\/tmp\/lvm/,
    reason: 'Left behind by a program that it runs in the guest.',
  },
];
