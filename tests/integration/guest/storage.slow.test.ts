import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fstabFix } from '../../../activities/guest/linux/fstab.ts';
import { initramfsFix } from '../../../activities/guest/linux/initramfs.ts';
import { planOffline } from '../../../activities/guest/offline-fixer.ts';
import { migrationSpec } from '../../../contracts/spec.ts';
import type { FixOutcome, GuestFacts, Mountpoint } from '../../../contracts/values.ts';
import { GuestBench } from '../../support/guest-bench.ts';
import { run } from '../../support/guest-trees.ts';
import { silentLog } from '../../support/io.ts';
import {
  binaryKey,
  containers,
  storageDisks,
  trickyPassphrase,
  type StorageDisk,
} from '../../support/storage-disks.ts';

const dir = mkdtempSync(join(tmpdir(), 'storage-'));
const raid = ['raidA', 'raidB', 'raidC', 'raidD'] as const;
const places = (mountpoints: readonly Mountpoint[]) =>
  mountpoints.map(({ path, device, fsType }) => [path, device, fsType]);

let paths: Record<StorageDisk, string>;
let bench: GuestBench<StorageDisk>;

beforeAll(async () => {
  paths = await storageDisks();
  bench = await GuestBench.start(dir, paths);
});
afterAll(async () => {
  await bench.session.close();
  rmSync(dir, { recursive: true, force: true });
});

describe('a guest on partitions', () => {
  it('has its /boot, /usr, /var and EFI partition mounted, by whatever names its fstab has', async () => {
    const { facts } = await bench.inspect({ disks: ['gpt'] });
    const disk = bench.device('gpt');
    expect(places(facts.mountpoints)).toEqual([
      ['/', `${disk}3`, 'xfs'],
      ['/boot', `${disk}2`, 'ext2'],
      ['/usr', `${disk}4`, 'ext3'],
      ['/var', `${disk}5`, 'ext4'],
      ['/boot/efi', `${disk}1`, 'vfat'],
    ]);
    // os-release lies on /usr.
    expect(facts).toMatchObject({
      hostname: 'gpt',
      firmware: 'uefi',
      distro: { id: 'debian' },
      warnings: [],
    });
    expect(facts.kernels).toHaveLength(1);
  });
});

describe('a guest whose power went while it wrote', () => {
  it('is seen as its ext4 journal leaves it', async () => {
    const stale = await run('debugfs', ['-R', 'cat /etc/hostname', paths.dirtyExt]);
    expect(stale).toBe('before-the-crash\n');
    const { facts } = await bench.inspect({ disks: ['dirtyExt'] });
    expect(facts).toMatchObject({ hostname: 'replayed-ext4', warnings: [] });
  });

  it('is seen as its XFS log leaves it', async () => {
    const { facts } = await bench.inspect({ disks: ['dirtyXfs'] });
    expect(facts).toMatchObject({ hostname: 'replayed-xfs', root: { fsType: 'xfs' }, warnings: [] });
  });

  it('passes the check of its file systems afterwards', async () => {
    for (const disk of ['dirtyExt', 'dirtyXfs'] as const) {
      const verdict = await bench.open({ disks: [disk] }, async ({ facts }, guest) =>
        guest.checkFileSystem('/', facts.root?.fsType ?? '', 300),
      );
      expect(verdict).toMatchObject({ verdict: 'sound' });
    }
  });
});

describe('a guest on btrfs with snapper', () => {
  it('is the snapshot that is the default subvolume, without a question', async () => {
    const { facts, mounted } = await bench.inspect({ disks: ['snapper'] });
    expect(facts).toMatchObject({ hostname: 'snapper', root: { fsType: 'btrfs' }, warnings: [] });
    expect(mounted?.root.subvolume).toBe('@/.snapshots/1/snapshot');
    expect(facts.mountpoints.map(({ path }) => path)).toEqual(['/', '/var', '/home']);
  });
});

describe('a guest on mdraid', () => {
  it('is found on RAID 1, with RAID 5 and RAID 10 at their places', async () => {
    const { facts } = await bench.inspect({ disks: raid, arrays: true });
    expect(facts).toMatchObject({ hostname: 'raid', root: { fsType: 'ext4' } });
    expect(facts.mountpoints.map(({ path, fsType }) => [path, fsType])).toEqual([
      ['/', 'ext4'],
      ['/srv', 'ext4'],
      ['/home', 'ext4'],
    ]);
    for (const { device } of facts.mountpoints) expect(device).toMatch(/^\/dev\/md/);
    expect(new Set(facts.mountpoints.map(({ device }) => device)).size).toBe(3);
    // What lies on the fourth array is a container.
    expect(facts.warnings).toEqual([
      expect.stringMatching(`^LUKS container ${containers.array} on /dev/md\\S+: no key was given for it`),
    ]);
  });

  it('has a container on an array opened', async () => {
    const guest = { luksKeys: [{ device: containers.array, key: 'env:ARRAY' }] };
    const { facts } = await bench.inspect({
      disks: raid,
      arrays: true,
      guest,
      secrets: { 'env:ARRAY': 'array' },
    });
    expect(facts.warnings).toEqual([]);
  });
});

describe('a guest with LVM on LUKS2', () => {
  const guest = { luksKeys: [{ key: 'file:/etc/wrong' }, { device: '/dev/vda2', key: 'cred:disk' }] };
  const secrets = { 'cred:disk': trickyPassphrase };

  /** Opened once: its volume group holds the container open, and no key opens that a second time. */
  let seen: { facts: GuestFacts; held: Map<string, string>; planned: FixOutcome[] };
  beforeAll(async () => {
    seen = await bench.open(
      { disks: ['lvmOnLuks'], groups: ['vgc'], guest, secrets },
      async ({ facts }, session) => ({
        facts,
        held: await session.blkid('/dev/mapper/sda2_crypt'),
        planned: await planOffline({
          fixes: [fstabFix, initramfsFix],
          context: {
            guest: session,
            facts,
            vm: { name: 'vm', nics: [] },
            options: migrationSpec.shape.guest.parse({}),
            scratchDir: dir,
            signal: new AbortController().signal,
            log: silentLog,
            report: () => undefined,
          },
        }),
      }),
    );
  });

  it('opens with a passphrase of colons, quotes and line ends, for the device as any hypervisor names it', () => {
    expect(seen.facts).toMatchObject({ hostname: 'lvm-on-luks', warnings: [] });
    expect(places(seen.facts.mountpoints)).toEqual([
      ['/', '/dev/vgc/root', 'ext4'],
      ['/boot', `${bench.device('lvmOnLuks')}1`, 'ext4'],
    ]);
  });

  it('has its container under the name of its crypttab, as its tools look it up', () => {
    expect(seen.held.get('TYPE')).toBe('LVM2_member');
  });

  it('unlocks itself afterwards: crypttab by UUID under the same name, and an initramfs that has it so', () => {
    const changes = seen.planned.flatMap((outcome) => outcome.changes);
    expect(changes.find(({ path }) => path === '/etc/crypttab')?.after).toContain(
      `sda2_crypt UUID=${containers.lvm} none luks,discard`,
    );
    expect(changes.find(({ path }) => path.startsWith('/boot/initrd.img-'))?.what).toMatch(
      /^Its copies of \/etc\/crypttab are renewed/,
    );
  });
});

describe('a guest with LUKS1 on LVM, and a container within a container', () => {
  const keyed = (...luksKeys: object[]) => ({
    disks: ['luksOnLvm'] as const,
    groups: ['vg-b'],
    guest: { luksKeys: luksKeys as never },
    secrets: { 'env:ROOT': 'first', 'env:OUTER': 'outer', 'file:/etc/inner': binaryKey },
  });
  const root = { device: '/dev/vg-b/root', key: 'env:ROOT' };
  const outer = { device: containers.outer, key: 'env:OUTER' };

  it('opens all of it, the inner one with a key file that holds NUL bytes and ends in a line end', async () => {
    const inner = { device: containers.inner, keyFile: 'file:/etc/inner' };
    const { facts } = await bench.inspect(keyed(root, outer, inner));
    expect(facts.hostname).toBe('luks-on-lvm');
    expect(places(facts.mountpoints)).toEqual([
      ['/', '/dev/mapper/root_crypt', 'ext4'],
      ['/srv', '/dev/mapper/inner_crypt', 'ext4'],
    ]);
    expect(facts.warnings).toEqual([]);
  });

  it('goes on when only a data container stays locked, and says which and what was tried', async () => {
    const { facts } = await bench.inspect(keyed(root, { device: containers.outer, key: 'env:NOT_IT' }));
    expect(facts.warnings).toEqual([
      `LUKS container ${containers.outer} on /dev/vg-b/data: tried env:NOT_IT; it stayed locked.`,
      expect.stringContaining('/srv of /etc/fstab (/dev/mapper/inner_crypt) lies on no disk of this VM'),
    ]);
  });

  it('ends there when the spec says that locked disks are a failure', async () => {
    const given = keyed(root);
    await expect(
      bench.inspect({ ...given, guest: { ...given.guest, lockedDisks: 'fail' } }),
    ).rejects.toMatchObject({
      code: 'GUEST_LOCKED',
      found: expect.stringContaining(containers.outer) as string,
    });
  });

  it('names every container and reference when the root stays locked', async () => {
    const wrong = [{ key: 'env:A' }, { device: containers.root.toUpperCase(), keyFile: 'file:/etc/b' }];
    await expect(bench.inspect(keyed(...wrong))).rejects.toMatchObject({
      code: 'GUEST_LOCKED',
      found: `LUKS container ${containers.outer} on /dev/vg-b/data: tried env:A. LUKS container ${containers.root} on /dev/vg-b/root: tried env:A, file:/etc/b`,
      details: {
        containers: [
          { uuid: containers.outer, tried: ['env:A'] },
          { uuid: containers.root, tried: ['env:A', 'file:/etc/b'] },
        ],
      },
    });
  });

  it('says that this host has no Clevis when the spec asks for it', async () => {
    await expect(bench.inspect(keyed({ clevis: true }))).rejects.toMatchObject({
      code: 'CLEVIS_UNAVAILABLE',
      found: expect.stringContaining(`${containers.root} on /dev/vg-b/root: tried clevis`) as string,
    });
  });

  it('takes the next key when Clevis is not to be had', async () => {
    const { facts } = await bench.inspect(keyed({ clevis: true }, root));
    expect(facts.hostname).toBe('luks-on-lvm');
  });
});

describe('a hibernated guest', () => {
  const refusal = (found: string) => ({ code: 'GUEST_HIBERNATED', found, retryable: false });

  it('is refused when its memory lies in a logical volume', async () => {
    await expect(bench.inspect({ disks: ['asleep'], groups: ['vg-s'] })).rejects.toMatchObject(
      refusal('the guest is hibernated: /dev/vg-s/swap holds its memory'),
    );
  });

  it('is refused when its memory lies in a container that a key opens', async () => {
    const given = { disks: ['asleepInLuks'] as const, secrets: { 'env:SWAP': 'swap' } };
    await expect(
      bench.inspect({ ...given, guest: { luksKeys: [{ key: 'env:SWAP' }] } }),
    ).rejects.toMatchObject(
      refusal(`the guest is hibernated: /dev/mapper/luks-${containers.swap} holds its memory`),
    );
  });

  it('is refused when it is Windows', async () => {
    const disk = bench.device('asleepWindows');
    await expect(bench.inspect({ disks: ['asleepWindows'] })).rejects.toMatchObject(
      refusal(`Windows on ${disk}1 is hibernated: its hiberfil.sys holds a sleeping system`),
    );
  });

  it('is named when it is Windows beside the system that the spec names', async () => {
    const { facts } = await bench.inspect({
      disks: ['dirtyExt', 'asleepWindows'],
      guest: { root: '/dev/sda' },
    });
    expect(facts.hostname).toBe('replayed-ext4');
    expect(facts.warnings).toEqual([
      `Windows on ${bench.device('asleepWindows')}1 is hibernated; wake it up and shut it down in the source VM.`,
    ]);
  });

  it('is handed over unchanged when the spec says passthrough', async () => {
    const { facts } = await bench.inspect({ disks: ['asleep'], guest: { passthrough: true } });
    expect(facts.os).toBe('none');
  });
});
