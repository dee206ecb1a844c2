import { bootConfigFix } from './boot-config.ts';
import type { Fix } from './fix.ts';
import { fstabFix } from './fstab.ts';
import { firstBootFix } from './first-boot.ts';
import { guestAgentFix } from './guest-agent.ts';
import { hostnameFix } from './hostname.ts';
import { initramfsFix } from './initramfs.ts';
import { leftoverFixes } from './leftovers/index.ts';
import { networkFix } from './network.ts';
import { selinuxFix } from './selinux.ts';
import { serialConsoleFix } from './serial-console.ts';
import { sshKeysFix } from './ssh-keys.ts';

/**
 * The repairs of a Linux guest in running order: leftovers first, whose uninstallers put back configuration
 * files as they found them; the initramfs after all that it takes copies of, the labels
 * after all that is written.
 */
export const linuxFixes: readonly Fix[] = [
  ...leftoverFixes,
  fstabFix,
  bootConfigFix,
  networkFix,
  serialConsoleFix,
  hostnameFix,
  sshKeysFix,
  guestAgentFix,
  firstBootFix,
  initramfsFix,
  selinuxFix,
];
