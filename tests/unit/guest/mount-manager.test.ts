import { describe, expect, it } from 'vitest';
import { LonghaulError } from '../../../contracts/errors.ts';
import { BlockDevices } from '../../../activities/guest/inspector/block-devices.ts';
import type { PartitionTable } from '../../../activities/image/partition-table.ts';
import { makeWritable, mountGuest, type MountedGuest } from '../../../activities/guest/mount-manager.ts';
import type { Guestfs } from '../../../activities/guest/session/guestfs.ts';

const failure = (found: string) => new LonghaulError('GUESTFS_FAILED', { found, remedy: '' });

function mountedAt(...mounts: [path: string, fsType: string][]): MountedGuest {
  const mountpoints = mounts.map(([path, fsType]) => ({ path, device: `/dev${path}`, fsType }));
  return { root: { device: '/dev/', fsType: 'ext4' }, mountpoints, fstab: '', warnings: ['said before'] };
}

describe('making a guest writable', () => {
  /** Mounts whose remount or whose first write fails. */
  function guestOf(remount: Record<string, string>, write: Record<string, string> = {}) {
    const left: string[] = [];
    const fails = (text: string | undefined) =>
      text === undefined ? Promise.resolve() : Promise.reject(failure(text));
    const guest = {
      remount: (path: string) => fails(remount[path]),
      mkdirP: (path: string) => {
        left.push(path);
        return fails(write[path.replace(/\/[^/]*$/, '') || '/']);
      },
      rmRf: (path: string) => {
        left.splice(left.indexOf(path), 1);
        return Promise.resolve();
      },
    };
    return { guest: guest as unknown as Guestfs, left };
  }
  const protectedSays = 'mount: /sysroot/x: cannot remount /dev/sdb1 read-write, is write-protected.';

  it('leaves what the guest boots without read-only, and says so', async () => {
    const mounted = mountedAt(['/', 'ext4'], ['/opt/app', 'squashfs'], ['/mnt/win', 'ntfs'], ['/srv', 'xfs']);
    const { guest } = guestOf({
      '/opt/app': protectedSays,
      '/mnt/win': 'ntfs-3g: Remounting is not supported',
    });
    const { mountpoints, warnings } = await makeWritable(guest, mounted);
    expect(mountpoints.map(({ path }) => path)).toEqual(['/', '/srv']);
    expect(warnings).toEqual([
      `/opt/app on /dev/opt/app (squashfs) stays read-only and is left as it is: ${protectedSays}.`,
      '/mnt/win on /dev/mnt/win (ntfs) stays read-only and is left as it is: ntfs-3g: Remounting is not supported.',
    ]);
  });

  it.each(['/', '/usr', '/boot', '/boot/efi', '/efi'])('refuses the guest when it is %s', async (path) => {
    const mounted = mountedAt(['/', 'ext4'], [path, 'ext4']);
    await expect(makeWritable(guestOf({ [path]: protectedSays }).guest, mounted)).rejects.toMatchObject({
      code: 'GUEST_READ_ONLY',
    });
  });

  it('refuses a read-only subvolume before a fix writes to it', async () => {
    const mounted = mountedAt(['/', 'btrfs'], ['/home', 'btrfs']);
    const readOnly = 'mkdir_p: /.longhaul-x: Read-only file system';
    await expect(makeWritable(guestOf({}, { '/': readOnly }).guest, mounted)).rejects.toMatchObject({
      code: 'GUEST_READ_ONLY',
    });
    const other = await makeWritable(guestOf({}, { '/home': readOnly }).guest, mounted);
    expect(other.mountpoints.map(({ path }) => path)).toEqual(['/']);
    const sound = guestOf({});
    expect((await makeWritable(sound.guest, mounted)).mountpoints).toHaveLength(2);
    expect(sound.left).toEqual([]);
  });
});

describe('partitions that systemd mounts without fstab', () => {
  const types = {
    esp: 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B',
    loader: 'BC13C2FF-59E6-4262-A352-B275FD6F7172',
    data: '0FC63DAF-8483-4772-8E79-3D69D8477DE4',
  };

  /** What is mounted where, with /dev/sda3 as the root and these partitions before it. */
  async function mountsOf(
    partitions: [keyof typeof types, keyof typeof types],
    directories: Record<string, string[]>,
    { fstab = '', kind = 'gpt' }: { fstab?: string; kind?: PartitionTable['kind'] } = {},
  ): Promise<string[]> {
    const all = [...partitions, 'data' as const];
    const table: PartitionTable = {
      kind,
      hasBootCode: false,
      blank: false,
      hasMore: false,
      active: false,
      partitions: all.map((name, at) => ({ number: at + 1, type: types[name], partUuid: `${at}` })),
    };
    const volumes = all.map((name, at) => ({
      device: `/dev/sda${at + 1}`,
      type: name === 'esp' ? 'vfat' : 'ext4',
      uuid: `${at + 1}`,
    }));
    const guest = {
      umountAll: () => Promise.resolve(),
      mount: () => Promise.resolve(),
      readFile: () => Promise.resolve(Buffer.from(fstab)),
      isSymlink: () => Promise.resolve(false),
      isDir: (path: string) => Promise.resolve(path in directories),
      ls: (path: string) => Promise.resolve(directories[path] ?? []),
      realpath: (path: string) => Promise.resolve(path),
    } as unknown as Guestfs;
    const { mountpoints } = await mountGuest({
      guest,
      devices: new BlockDevices(guest, { disks: ['/dev/sda'], tables: [table], volumes }),
      root: { device: '/dev/sda3', fsType: 'ext4' },
      unlocked: { opened: [], locked: [] },
      mounted: true,
    });
    return mountpoints.slice(1).map(({ path, device }) => `${path} ${device}`);
  }

  it('stand at /boot, or at /efi where that is', async () => {
    expect(await mountsOf(['esp', 'data'], { '/boot': [] })).toEqual(['/boot /dev/sda1']);
    expect(await mountsOf(['esp', 'data'], { '/boot': [], '/efi': [] })).toEqual(['/efi /dev/sda1']);
    expect(await mountsOf(['esp', 'loader'], { '/boot': [], '/efi': [] })).toEqual([
      '/boot /dev/sda2',
      '/efi /dev/sda1',
    ]);
    expect(await mountsOf(['esp', 'loader'], { '/boot': [] })).toEqual(['/boot /dev/sda2']);
  });

  it('are left alone where files lie, where fstab speaks, and without GPT', async () => {
    expect(await mountsOf(['esp', 'data'], { '/boot': ['vmlinuz'] })).toEqual([]);
    const fstab = 'UUID=1 /boot/efi vfat defaults 0 0\n/dev/sr0 /boot iso9660 noauto 0 0\n';
    expect(await mountsOf(['esp', 'data'], { '/boot': [], '/boot/efi': [] }, { fstab })).toEqual([
      '/boot/efi /dev/sda1',
    ]);
    expect(await mountsOf(['data', 'loader'], { '/boot': [] }, { fstab })).toEqual([]);
    expect(await mountsOf(['esp', 'data'], { '/boot': [] }, { kind: 'mbr' })).toEqual([]);
  });
});
