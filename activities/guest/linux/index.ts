import { bootConfigFix } from './boot-config.ts';
import type { Fix } from './fix.ts';
import { fstabFix } from './fstab.ts';
import { initramfsFix } from './initramfs.ts';
import { networkFix } from './network.ts';
import { selinuxFix } from './selinux.ts';
import { serialConsoleFix } from './serial-console.ts';
import { staticAddressesFix } from './static-addresses.ts';

/**
 * The repairs of a Linux guest in running order: the initramfs after all that it takes copies of, the labels
 * after all that is written.
 */
export const linuxFixes: readonly Fix[] = [
  fstabFix,
  bootConfigFix,
  networkFix,
  staticAddressesFix,
  serialConsoleFix,
  initramfsFix,
  selinuxFix,
];
