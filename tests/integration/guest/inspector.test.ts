import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inspectGuest, type Inspection } from '../../../activities/guest/inspector.ts';
import { unlockContainers } from '../../../activities/guest/luks-handler.ts';
import type { GuestSession } from '../../../activities/guest/session/guest-session.ts';
import { openSession } from '../../../activities/guest/session/open-session.ts';
import { migrationSpec, type MigrationSpecInput } from '../../../contracts/spec.ts';
import {
  applianceDisks,
  biosDisk,
  blankDisk,
  damagedDisk,
  dataDisk,
  luksPassphrase,
  uefiDisk,
} from '../../support/guest-disks.ts';
import { kernelVersion, quietIo } from '../../support/guest-trees.ts';

const dir = mkdtempSync(join(tmpdir(), 'inspector-'));
const order = [
  'bios',
  'other',
  'uefi',
  'data',
  'blank',
  'damaged',
  'lvm',
  'luks',
  'btrfs',
  'windows',
] as const;
type DiskName = (typeof order)[number];
const device = (name: DiskName) => `/dev/sd${'abcdefghij'[order.indexOf(name)] ?? ''}`;

/** One appliance holds the disks of all tests; each test looks at its own. */
let session: GuestSession;

beforeAll(async () => {
  const paths = {
    bios: await biosDisk(dir, 'bios', {
      hostname: 'bios',
      fstab: [
        '/dev/sda1 / ext4 defaults 0 1',
        '/dev/sdb /srv ext4 defaults 0 2',
        '/dev/sdz1 /mnt/gone ext4 defaults 0 2',
        '/dev/sda2 none swap sw 0 0',
      ],
      files: { 'srv/.keep': '' },
    }),
    other: await biosDisk(dir, 'other', {
      hostname: 'other',
      fstab: ['UUID=00000000-0000-0000-0000-0000000000aa /boot ext4 defaults 0 2'],
    }),
    uefi: await uefiDisk(dir),
    data: await dataDisk(dir),
    blank: await blankDisk(dir),
    damaged: await damagedDisk(dir),
    ...(await applianceDisks(dir)),
  };
  session = await openSession({
    disks: order.map((name) => ({ path: paths[name], format: 'raw' })),
    accelerator: 'tcg',
    readOnly: true,
    io: quietIo(),
    tmpDir: dir,
  });
});

afterAll(async () => {
  await session.close();
  rmSync(dir, { recursive: true, force: true });
});

interface Given {
  disks: DiskName[];
  guest?: MigrationSpecInput['guest'];
  secrets?: Record<string, string>;
}

/** Names of the calls made while looking at guests. */
const calls: string[] = [];
const counted = (guest: GuestSession): GuestSession =>
  new Proxy(guest, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      // The session's own parts of a question are not counted again.
      const isOwn = name === 'call' || name === 'regularFileSize';
      if (typeof value === 'function' && !isOwn) calls.push(String(name));
      return value;
    },
  });

/** Unlocks and inspects as for a VM that has only the given disks, in that order. */
async function inspect({ disks, guest = {}, secrets = {} }: Given): Promise<Inspection> {
  const options = migrationSpec.shape.guest.parse(guest);
  const devices = disks.map(device);
  await session.umountAll();
  const view = counted(
    Object.assign(Object.create(session) as GuestSession, {
      listDevices: () => Promise.resolve(devices),
      listPartitions: async () =>
        (await session.listPartitions()).filter((name) => devices.some((disk) => name.startsWith(disk))),
    }),
  );
  const resolve = (reference: string) => Promise.resolve(Buffer.from(secrets[reference] ?? 'wrong'));
  const unlocked = await unlockContainers(view, options.luksKeys, resolve);
  try {
    return await inspectGuest({
      guest: view,
      launchSeconds: 1,
      unlocked,
      ...(options.root === undefined ? {} : { root: options.root }),
      scratchDir: dir,
      signal: new AbortController().signal,
      report: () => undefined,
    });
  } finally {
    await session.umountAll();
    for (const { mapped } of unlocked.opened) await session.cryptsetupClose(mapped);
  }
}

describe('inspecting a Linux guest', () => {
  it('tells its system, kernels, firmware and file systems', async () => {
    const { facts } = await inspect({ disks: ['bios', 'data'] });
    expect(facts).toMatchObject({
      os: 'linux',
      distro: { id: 'debian', versionId: '12', prettyName: 'Debian GNU/Linux 12 (bookworm)' },
      arch: 'x86_64',
      hostname: 'bios',
      root: { device: '/dev/sda1', fsType: 'ext4' },
      firmware: 'bios',
      bootloader: 'grub2',
      initramfsTool: 'initramfs-tools',
      kernels: [
        {
          version: kernelVersion,
          path: `/boot/vmlinuz-${kernelVersion}`,
          initramfs: `/boot/initrd.img-${kernelVersion}`,
          bootable: true,
          virtio: { blk: true, scsi: true, net: true, pci: true },
        },
      ],
    });
    expect(facts.mountpoints.map(({ path, device: from, fsType }) => [path, from, fsType])).toEqual([
      ['/', '/dev/sda1', 'ext4'],
      ['/srv', device('data'), 'ext4'],
    ]);
    expect(facts.mountpoints[0]?.uuid).toMatch(/^[0-9a-f-]{36}$/);
    expect(facts.warnings).toEqual([
      '/mnt/gone of /etc/fstab (/dev/sdz1) lies on no disk of this VM; it was not mounted.',
    ]);
  });

  // On a busy machine the start of the appliance says how much slower everything is.
  it('takes at most 5 seconds, or half of the start, for a single disk', async () => {
    const { facts } = await inspect({ disks: ['bios'] });
    expect(facts.timings.inspectSeconds).toBeLessThan(Math.max(5, session.launchSeconds / 2));
  });

  it('asks the appliance at most 30 questions for a single disk', async () => {
    const before = calls.length;
    await inspect({ disks: ['bios'] });
    expect(calls.slice(before).length, calls.slice(before).join('\n')).toBeLessThanOrEqual(30);
  });

  it('knows UEFI by the loader on the EFI system partition, and a kernel without virtio', async () => {
    const { facts } = await inspect({ disks: ['uefi'] });
    expect(facts).toMatchObject({ firmware: 'uefi', root: { device: `${device('uefi')}2` } });
    expect(facts.mountpoints.map(({ path }) => path)).toEqual(['/', '/boot/efi']);
    expect(facts.kernels[0]?.virtio).toEqual({ blk: false, scsi: false, net: false, pci: true });
  });

  it('finds a root on LVM, under the names its fstab uses', async () => {
    const { facts } = await inspect({ disks: ['lvm'] });
    expect(facts).toMatchObject({ hostname: 'lvm', root: { device: '/dev/vg-a/root' } });
    expect(facts.mountpoints.map(({ path, device: from }) => [path, from])).toEqual([
      ['/', '/dev/vg-a/root'],
      ['/var', '/dev/vg-a/var'],
    ]);
  });

  it('finds the root subvolume of btrfs and leaves snapshots alone', async () => {
    const { facts } = await inspect({ disks: ['btrfs'] });
    expect(facts).toMatchObject({ hostname: 'btrfs', root: { device: device('btrfs'), fsType: 'btrfs' } });
  });

  it('names both systems when there are two, and takes the one that the spec names', async () => {
    // `other` misses its /boot, so that looking further than the choice of the root would fail.
    await expect(inspect({ disks: ['bios', 'other'] })).rejects.toMatchObject({
      code: 'GUEST_MULTIPLE_ROOTS',
      found:
        'operating systems were found on /dev/sda1 (Debian GNU/Linux 12 (bookworm)) and /dev/sdb1 (Debian GNU/Linux 12 (bookworm))',
    });
    const { facts } = await inspect({ disks: ['bios', 'other'], guest: { root: '/dev/sda1' } });
    expect(facts.hostname).toBe('bios');
    await expect(inspect({ disks: ['bios', 'data'], guest: { root: '/dev/sdb' } })).rejects.toMatchObject({
      code: 'GUEST_NO_OS',
    });
  });

  it('refuses a guest whose /boot is on a disk that was not given', async () => {
    await expect(inspect({ disks: ['other'] })).rejects.toMatchObject({
      code: 'GUEST_DISK_MISSING',
      found: expect.stringContaining('/boot') as string,
    });
  });
});

describe('inspecting disks without Linux', () => {
  it('passes data disks through with a warning', async () => {
    const { facts, mounted } = await inspect({ disks: ['data', 'blank'] });
    expect(facts).toMatchObject({ os: 'none', mountpoints: [], kernels: [] });
    expect(facts.warnings).toEqual([
      `No operating system was found; the disks are handed over unchanged. They hold ${device('data')} (ext4).`,
    ]);
    expect(mounted).toBeUndefined();
  });

  it('refuses a VM whose only disk is blank', async () => {
    await expect(inspect({ disks: ['blank'] })).rejects.toMatchObject({
      code: 'GUEST_NO_OS',
      found: expect.stringContaining('16777216 bytes') as string,
    });
  });

  it('refuses Windows, alone or beside Linux', async () => {
    await expect(inspect({ disks: ['windows'] })).rejects.toMatchObject({
      code: 'GUEST_UNSUPPORTED',
      remedy: expect.stringContaining('guest.fix=false') as string,
    });
    await expect(inspect({ disks: ['bios', 'windows'] })).rejects.toMatchObject({
      code: 'GUEST_MULTIPLE_ROOTS',
    });
  });
});

describe('inspecting a damaged file system', () => {
  it('fails when the system could be on it', async () => {
    await expect(inspect({ disks: ['damaged'] })).rejects.toMatchObject({
      code: 'GUEST_FILESYSTEM_DAMAGED',
      details: { device: device('damaged'), type: 'ext4' },
    });
  });

  it('is a warning on a disk beside the system', async () => {
    const { facts } = await inspect({ disks: ['bios', 'damaged'] });
    expect(facts.os).toBe('linux');
    expect(facts.warnings).toContainEqual(expect.stringContaining(device('damaged')));
  });
});

describe('encrypted guests', () => {
  const reference = 'env:DISK_KEY';
  const keys = { luksKeys: [{ key: 'file:/etc/first' }, { key: reference }] };

  it('are opened with the first key that fits', async () => {
    const { facts } = await inspect({
      disks: ['luks'],
      guest: keys,
      secrets: { [reference]: luksPassphrase },
    });
    expect(facts).toMatchObject({ os: 'linux', hostname: 'luks' });
    expect(facts.root?.device).toMatch(/^\/dev\/mapper\/luks-[0-9a-f-]{36}$/);
  });

  it('are named with the references that were tried, and no secret, when no key fits', async () => {
    const failure = await inspect({ disks: ['luks'], guest: keys, secrets: { [reference]: 'not it' } }).catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({
      code: 'GUEST_LOCKED',
      found: expect.stringMatching(
        /^LUKS container [0-9a-f-]{36} on \/dev\/sd[a-z]: tried file:\/etc\/first, env:DISK_KEY$/,
      ) as string,
    });
    expect(JSON.stringify(failure)).not.toContain('not it');
  });

  it('say when no key was given for them', async () => {
    const other = { luksKeys: [{ device: '00000000-0000-0000-0000-000000000000', key: reference }] };
    await expect(inspect({ disks: ['luks'], guest: other })).rejects.toMatchObject({
      code: 'GUEST_LOCKED',
      found: expect.stringContaining('no key was given for it') as string,
    });
  });

  it('do not stop a migration when they are data disks', async () => {
    const { facts } = await inspect({ disks: ['bios', 'luks'] });
    expect(facts).toMatchObject({ os: 'linux', hostname: 'bios' });
    expect(facts.warnings).toContainEqual(expect.stringMatching(/^LUKS container .* stayed locked\.$/));
  });
});
