import { describe, expect, it } from 'vitest';
import type { MigrationReport } from '../../../contracts/steps.ts';
import { readProof } from '../../guests/matrix/proof.ts';
import { matrixGuests } from '../../matrix/guests.ts';
import { problemsOf } from '../../matrix/judge.ts';

const mirrored = matrixGuests.find(
  ({ storage, fs, boot }) => storage === 'md1' && fs === 'btrfs' && boot === 'bios',
);
const encrypted = matrixGuests.find(({ storage, fs }) => storage === 'luks1' && fs === 'ext4');
if (mirrored === undefined || encrypted === undefined) throw new Error('no such guest in the matrix');
const guest = mirrored;

/** As the guest printed it, kernel messages and carriage returns included. */
const said = (address = `${guest.address}/24`) =>
  [
    'SeaBIOS (version 1.16.2)',
    'matrix-proof mount /      /dev/md0[/@rootfs] btrfs',
    'matrix-proof mount /srv   /dev/vdb2          ext4',
    'matrix-proof swap /dev/vda2 partition',
    `matrix-proof address ens192           UP             ${address} `,
    'matrix-proof cmdline BOOT_IMAGE=/vmlinuz root=UUID=1 ro quiet',
    'matrix-proof end',
    `${guest.name} login: `,
  ].join('\r\n');

const report = (sign: string, addresses: string[] = []) =>
  ({
    boot: { sign, addresses: addresses.map((address) => ({ mac: '52:54:00:12:34:56', address })) },
  }) as unknown as MigrationReport;

describe('the judgement of a migrated guest of the matrix', () => {
  it('passes one that logs in with its address and all it mounts', () => {
    const proof = readProof(said());
    expect(proof?.addresses).toEqual([{ card: 'ens192', address: `${guest.address}/24` }]);
    expect(proof?.commandLine).toBe('BOOT_IMAGE=/vmlinuz root=UUID=1 ro quiet');
    expect(problemsOf(guest, report('login-prompt', [guest.address, 'fe80::1']), proof)).toEqual([]);
  });

  it('fails one on another address, also when only the wire tells', () => {
    const other = '192.168.122.9';
    const moved = problemsOf(guest, report('login-prompt'), readProof(said(`${other}/24`)));
    expect(moved).toEqual([`its address is not ${guest.address}/24 on ens192 but ${other}/24 on ens192`]);
    expect(problemsOf(guest, report('login-prompt', [other]), readProof(said()))).toEqual([
      `the boot check heard it use ${other}`,
    ]);
  });

  it('fails one that lacks a mount or its swap, or has a failed unit', () => {
    const lines = said().split('\r\n');
    const without = (what: string) =>
      lines.filter((line) => !line.startsWith(`matrix-proof ${what}`)).join('\r\n');
    const problems = (text: string) => problemsOf(guest, report('login-prompt'), readProof(text));
    expect(problems(without('mount /srv'))).toEqual(['/srv is not mounted']);
    expect(problems(without('swap'))).toEqual(['it has no swap']);
    expect(problems(`matrix-proof failed networking.service loaded failed failed x\r\n${said()}`)).toEqual([
      'its unit networking.service failed',
    ]);
  });

  it('fails one whose root is not where it was, on its opened container for example', () => {
    const plain = readProof(said().replace('/dev/md0[', '/dev/vda1['));
    expect(problemsOf(guest, report('login-prompt'), plain)).toEqual([
      'its root lies on /dev/vda1[/@rootfs]',
    ]);
    const proof = (source: string) => ({
      mounts: [
        { path: '/', source, type: 'ext4' },
        { path: '/boot/efi', source: '/dev/vda1', type: 'vfat' },
        { path: '/srv', source: '/dev/vda4', type: 'ext4' },
      ],
      swaps: ['/dev/vda3'],
      addresses: [{ card: 'ens192', address: `${encrypted.address}/24` }],
      failedUnits: [],
      commandLine: '',
    });
    const problems = (source: string) => problemsOf(encrypted, report('login-prompt'), proof(source));
    expect(problems('/dev/mapper/sda2_crypt')).toEqual([]);
    expect(problems('/dev/vda2')).toEqual(['its root lies on /dev/vda2']);
  });

  it('fails one that says nothing, or only reaches a target', () => {
    expect(
      problemsOf(guest, report('login-prompt'), readProof(said().replace('matrix-proof end', ''))),
    ).toHaveLength(1);
    expect(problemsOf(guest, report('systemd-target'), readProof(said()))).toHaveLength(1);
  });
});
