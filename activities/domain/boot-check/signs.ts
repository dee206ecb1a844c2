import type { BootProof } from '../../../contracts/values.ts';

/** What a console says about the guest behind it. */
export type Verdict =
  { kind: 'alive'; sign: BootProof['sign']; evidence: string } | { kind: 'dead'; evidence: string };

/** systemd(1) says so on the console when its default target is up; both wordings, old and new. */
const targetReached =
  /Reached target .*(Multi-User System|Graphical Interface|(multi-user|graphical)\.target)/;

/** Lines after which a guest does not come up by itself any more. */
const deadLines: readonly RegExp[] = [
  /Kernel panic - not syncing/,
  /VFS: Unable to mount root fs/,
  /Gave up waiting for (root|suspend\/resume) (file system )?device/,
  /ALERT! .* does not exist/,
  /You are in emergency mode/,
  // sulogin(8), since util-linux 2.40 in other words.
  /(Give root password for|Enter root password for system) maintenance/i,
  /Cannot open access to console, the root account is locked/,
  /dracut-initqueue.*: (timeout|starting timeout scripts).*emergency/i,
  /Entering emergency mode/,
  /Entering rescue mode/,
  /Minimal BASH-like line editing is supported/,
  /No bootable (device|option)/,
];

/** Prompts of places a guest should not be in. */
const deadPrompts: readonly RegExp[] = [
  /^\(initramfs\)$/,
  /^grub( rescue)?>$/,
  /^(dracut|switch_root):.*#$/,
  /^Shell>$/, // of UEFI, when it found nothing to boot
];

/** getty(8)'s prompt, or a busybox one. */
const loginPrompt = /(^|\s)login:$/;
/** The same with a late kernel message behind it. */
const interruptedPrompt = /(^|\s)login: +\[ *\d+\.\d+\]/;

/** Judges a whole line. */
export function judgeLine(line: string): Verdict | undefined {
  const evidence = line.trim().slice(0, 200);
  if (deadLines.some((pattern) => pattern.test(line))) return { kind: 'dead', evidence };
  if (interruptedPrompt.test(line)) return { kind: 'alive', sign: 'login-prompt', evidence };
  if (targetReached.test(line)) return { kind: 'alive', sign: 'systemd-target', evidence };
  return undefined;
}

/** Judges the last, unfinished line once nothing more has come for a while: the guest waits there. */
export function judgePrompt(line: string): Verdict | undefined {
  const evidence = line.trim().slice(-200);
  if (loginPrompt.test(evidence)) return { kind: 'alive', sign: 'login-prompt', evidence };
  if (deadPrompts.some((pattern) => pattern.test(evidence))) return { kind: 'dead', evidence };
  return judgeLine(line);
}
