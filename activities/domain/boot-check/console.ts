import { open } from 'node:fs/promises';
import { hasErrno } from '../../../contracts/errors.ts';
import type { BootProof } from '../../../contracts/values.ts';

const keptBytes = 64 * 1024;

export type ConsoleSign =
  { kind: 'alive'; sign: BootProof['sign']; evidence: string } | { kind: 'dead'; evidence: string };

/** What a guest writes when it is up. Getty's prompt ends its line; systemd's words stand in one. */
const aliveSigns: { sign: BootProof['sign']; pattern: RegExp }[] = [
  { sign: 'login-prompt', pattern: /^.*\blogin: *$/m },
  {
    sign: 'systemd-target',
    pattern:
      /^.*Reached target .*(?:Multi-User System|Graphical Interface|(?:multi-user|graphical)\.target).*$/im,
  },
];

/** What it writes when it will not come up any more. */
const deadSigns: RegExp[] = [
  /^.*Kernel panic - not syncing.*$/m,
  /^.*VFS: Unable to mount root.*$/m,
  /^.*(?:Gave up waiting for root|ALERT! .* does not exist).*$/m,
  /^ *\(initramfs\) *$/m,
  /^.*You are in emergency mode.*$/m,
  /^.*(?:dracut-initqueue.*timeout|Entering emergency mode).*$/m,
  /^ *(?:grub rescue|grub)> *$/m,
  /^.*(?:No bootable device|Boot failed: not a bootable disk|Minimal BASH-like line editing).*$/m,
];

/** What the console's text says about the guest; undefined while it says nothing either way. */
export function readSigns(text: string): ConsoleSign | undefined {
  const plain = plainText(text);
  for (const { sign, pattern } of aliveSigns) {
    const evidence = pattern.exec(plain)?.[0].trim();
    if (evidence !== undefined) return { kind: 'alive', sign, evidence };
  }
  for (const pattern of deadSigns) {
    const evidence = pattern.exec(plain)?.[0].trim();
    if (evidence !== undefined) return { kind: 'dead', evidence };
  }
  return undefined;
}

/** The last lines of a console, for people. */
export function lastLines(text: string, count: number): string[] {
  return plainText(text)
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
    .slice(-count);
}

/** Removes terminal control (ECMA-48 sequences, other control characters) and unifies line ends. */
function plainText(text: string): string {
  return (
    text
      // eslint-disable-next-line no-control-regex -- control characters are what is looked for
      .replace(/\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])/g, '')
      .replace(/\r+\n|\n\r+|\r/g, '\n')
      // eslint-disable-next-line no-control-regex -- as above
      .replace(/[\x00-\x08\x0b-\x1f\x7f]/g, '')
  );
}

/** The end of the console's log file; empty while there is none. */
export async function readConsole(path: string): Promise<string> {
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const length = Math.min(size, keptBytes);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
      return buffer.toString('latin1', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return '';
    throw error;
  }
}
