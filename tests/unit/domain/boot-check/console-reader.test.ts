import { describe, expect, it } from 'vitest';
import { ConsoleReader } from '../../../../activities/domain/boot-check/console-reader.ts';

/** Feeds a text, in pieces of so many bytes, and lets it settle. */
function read(text: string, piece = 1000): ConsoleReader {
  const reader = new ConsoleReader();
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += piece) reader.feed(bytes.subarray(at, at + piece));
  reader.settle();
  return reader;
}

const alive: [string, string, string][] = [
  ['a getty prompt', 'Debian GNU/Linux 12 web01 ttyS0\r\n\r\nweb01 login: ', 'login-prompt'],
  ['a coloured prompt after a cleared screen', '\x1b[H\x1b[J\x1b[1;32mweb01\x1b[0m login: ', 'login-prompt'],
  ['a prompt with a window title before it', '\x1b]0;web01\x07web01 login: ', 'login-prompt'],
  [
    'a prompt that a kernel message ran into',
    'web01 login: [   31.5] virtio_net: link up\r\n',
    'login-prompt',
  ],
  [
    'systemd 252',
    '[\x1b[0;32m  OK  \x1b[0m] Reached target \x1b[0;1;39mmulti-user.target\x1b[0m - Multi-User System.\r\n',
    'systemd-target',
  ],
  ['systemd 219', '[  OK  ] Reached target Multi-User System.\r\n', 'systemd-target'],
  ['a desktop', '[  OK  ] Reached target Graphical Interface.\r\n', 'systemd-target'],
];

const dead: [string, string][] = [
  ['a panic', '[    1.7] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r\n'],
  ['a panic on its last, unfinished line', '[    1.7] Kernel panic - not syncing: Attempted to kill init!'],
  ["Debian's initramfs shell", 'ALERT!  UUID=ab does not exist.  Dropping to a shell!\r\n\r\n(initramfs) '],
  ['its prompt alone', '\r\n(initramfs) '],
  ["dracut's emergency shell", 'Entering emergency mode. Exit the shell to continue.\r\n'],
  ['the shell for a failed boot', 'Give root password for maintenance\r\n(or press Control-D to continue): '],
  [
    'that shell in Debian 13',
    'Enter root password for system maintenance\r\n(or press Control-D to continue): ',
  ],
  ['systemd in emergency mode', 'You are in emergency mode. After logging in, type ...\r\n'],
  ['grub rescue', 'error: no such partition.\r\nEntering rescue mode...\r\ngrub rescue> '],
  ["grub's command line", '\x1b[1;1Hgrub> '],
  ["UEFI's shell", '\x1b[2J\x1b[1mShell> \x1b[0m'],
  ['UEFI without anything to boot', 'BdsDxe: No bootable option or device was found.\r\n'],
];

const nothing: [string, string][] = [
  [
    'an ordinary boot',
    '[    0.0] Linux version 6.1\r\n[  OK  ] Reached target basic.target - Basic System.\r\n',
  ],
  ['the targets of an initramfs', '[  OK  ] Reached target initrd.target - Initrd Default Target.\r\n'],
  ['a sentence with the word in it', 'Last login: Mon Nov 23 on ttyS0\r\nno login: disabled for all\r\n'],
  ['a panic parameter', '[    0.0] Command line: root=/dev/vda1 panic=-1 oops=panic\r\n'],
];

describe('reading a console', () => {
  it.each(alive)('takes %s for a sign of life, however it is cut into pieces', (_, text, sign) => {
    for (const piece of [1, 3, 1000])
      expect(read(text, piece).verdict).toMatchObject({ kind: 'alive', sign });
  });

  it.each(dead)('takes %s for the end', (_, text) => {
    for (const piece of [1, 3, 1000]) expect(read(text, piece).verdict).toMatchObject({ kind: 'dead' });
  });

  it.each(nothing)('takes %s for neither', (_, text) => {
    expect(read(text).verdict).toBeUndefined();
  });

  it('does not judge an unfinished line before it settled', () => {
    const reader = new ConsoleReader();
    reader.feed(Buffer.from('last login:'));
    expect(reader.verdict).toBeUndefined();
    reader.feed(Buffer.from(' never\r\n'));
    reader.settle();
    expect(reader.verdict).toBeUndefined();
  });

  it('shows the last lines without control characters', () => {
    const reader = read('one\r\n\x1b[31mtwo\x1b[0m\x07\r\n\r\nthree');
    expect(reader.tail(2)).toEqual(['two', 'three']);
  });

  it('stays small under a guest that writes without an end', () => {
    const reader = new ConsoleReader();
    for (let round = 0; round < 200; round++) reader.feed(Buffer.alloc(64 * 1024, 'x'));
    reader.settle();
    expect(reader.tail(1)[0]?.length).toBeLessThanOrEqual(4096);
    expect(read('line\n'.repeat(100_000)).tail(1_000_000).length).toBeLessThanOrEqual(200);
  });
});
