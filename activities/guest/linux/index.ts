import { bootConfigFix } from './boot-config.ts';
import { displayFix } from './display.ts';
import { efiFallbackFix } from './efi-fallback.ts';
import { firstBootFix } from './first-boot.ts';
import type { Fix } from './fix.ts';
import { fstabFix } from './fstab.ts';
import { grubDisksFix } from './grub-disks.ts';
import { guestAgentFix } from './guest-agent.ts';
import { hostnameFix } from './hostname.ts';
import { initramfsFix } from './initramfs.ts';
import { initrdlessFix } from './initrdless.ts';
import { kernelChoiceFix } from './kernel-choice.ts';
import { leftoverFixes } from './leftovers/index.ts';
import { lvmFix } from './lvm.ts';
import { modprobeFix } from './modprobe.ts';
import { networkFix } from './network.ts';
import { selinuxFix } from './selinux.ts';
import { serialConsoleFix } from './serial-console.ts';
import { sshKeysFix } from './ssh-keys.ts';
import { staticAddressesFix } from './static-addresses.ts';

/**
 * The repairs of a Linux guest in running order: first what may refuse the guest; then leftovers, whose
 * uninstallers put back configuration files as they found them; the initramfs after all that it takes copies
 * of, the labels after all that is written.
 */
export const linuxFixes: readonly Fix[] = [
  kernelChoiceFix,
  ...leftoverFixes,
  efiFallbackFix,
  fstabFix,
  bootConfigFix,
  initrdlessFix,
  grubDisksFix,
  lvmFix,
  networkFix,
  staticAddressesFix,
  modprobeFix,
  displayFix,
  serialConsoleFix,
  hostnameFix,
  sshKeysFix,
  guestAgentFix,
  firstBootFix,
  initramfsFix,
  selinuxFix,
];
