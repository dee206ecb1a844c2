import { describe, expect, it } from 'vitest';
import { elfArchitecture } from '../../../../activities/guest/inspector/elf.ts';
import { localEntries } from '../../../../activities/guest/inspector/fstab.ts';
import { distroOf, parseOsRelease } from '../../../../activities/guest/inspector/os-release.ts';

describe('os-release', () => {
  it('is read with the quoting of os-release(5)', () => {
    const found = parseOsRelease(
      `# comment\nID=ol\nNAME='Oracle Linux'\nPRETTY_NAME="A \\"B\\" \\$C"\nbad line\n`,
    );
    expect([...found]).toEqual([
      ['ID', 'ol'],
      ['NAME', 'Oracle Linux'],
      ['PRETTY_NAME', 'A "B" $C'],
    ]);
  });

  it('cannot bring control characters into a report', () => {
    expect(distroOf({ osRelease: 'ID=x\nVERSION_ID=1\nPRETTY_NAME="\u001b[31mred\u0007"' })?.prettyName).toBe(
      '[31mred',
    );
  });

  it('is made up for from older release files', () => {
    expect(distroOf({ redhatRelease: 'CentOS release 6.10 (Final)\n' })).toEqual({
      id: 'centos',
      versionId: '6.10',
      prettyName: 'CentOS release 6.10 (Final)',
    });
    expect(distroOf({ debianVersion: '7.11\n' })).toMatchObject({ id: 'debian', versionId: '7.11' });
    expect(distroOf({})).toBeUndefined();
  });
});

describe('fstab', () => {
  it('gives what is mounted at boot from disks, parents first', () => {
    const entries = localEntries(
      [
        '# static',
        'UUID=1 /boot/efi vfat umask=0077 0 1',
        '/dev/sda2 / ext4 errors=remount-ro 0 1',
        'LABEL=data /srv/my\\040data/ xfs nofail 0 0',
        '/dev/sda3 none swap sw 0 0',
        'tmpfs /tmp tmpfs defaults 0 0',
        'nas:/x /mnt/nas nfs defaults 0 0',
        '/srv /mnt/bind none bind 0 0',
        '/dev/sdb1 /backup ext4 noauto 0 0',
        '/dev/sr0 /cdrom iso9660 ro 0 0',
        'broken',
      ].join('\n'),
    );
    expect(entries.map(({ device, path }) => [device, path])).toEqual([
      ['/dev/sda2', '/'],
      ['UUID=1', '/boot/efi'],
      ['LABEL=data', '/srv/my data'],
    ]);
  });
});

describe('the ELF header', () => {
  const header = (data: number, low: number, high: number) =>
    Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, data, 1, ...Array<number>(11).fill(0), low, high]);

  it('tells the processor, in either byte order', () => {
    expect(elfArchitecture(header(1, 0x3e, 0))).toBe('x86_64');
    expect(elfArchitecture(header(1, 0x15, 0))).toBe('ppc64le');
    expect(elfArchitecture(header(2, 0, 0x16))).toBe('s390x');
  });

  it('is not seen in a script or a short file', () => {
    expect(elfArchitecture(Buffer.from('#!/bin/sh\nexec something'))).toBeUndefined();
    expect(elfArchitecture(Buffer.from([0x7f, 0x45]))).toBeUndefined();
  });
});
