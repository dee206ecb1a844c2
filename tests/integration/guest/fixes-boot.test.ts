import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findKernels } from '../../../activities/guest/inspector/kernels.ts';
import { surveyImage } from '../../../activities/guest/initramfs/image.ts';
import { readModuleIndex } from '../../../activities/guest/initramfs/module-index.ts';
import type { FixContext } from '../../../activities/guest/linux/fix.ts';
import { linuxFixes } from '../../../activities/guest/linux/index.ts';
import { runFixes } from '../../../activities/guest/linux/run-fixes.ts';
import type { GuestSession } from '../../../activities/guest/session/guest-session.ts';
import { openSession } from '../../../activities/guest/session/open-session.ts';
import { migrationSpec } from '../../../contracts/spec.ts';
import type { FixOutcome, GuestFacts } from '../../../contracts/values.ts';
import { quietIo } from '../../support/guest-trees.ts';
import {
  centos5,
  debianXen,
  editable,
  editableEsp,
  rhelBls,
  systemdBoot,
  systemdBootEsp,
  systemdBootVersion,
  ubuntuEsp,
  writeEspDisk,
} from './boot-trees.ts';
import { swapUuid, writeTreesDisk, type SystemTree } from './fixes-trees.ts';

const dir = mkdtempSync(join(tmpdir(), 'fixes-boot-'));
let guest: GuestSession;

beforeAll(async () => {
  const disks = [join(dir, 'disk.raw'), join(dir, 'esp.raw')] as const;
  await writeTreesDisk(disks[0], [debianXen, rhelBls, centos5, systemdBoot, editable]);
  await writeEspDisk(disks[1], [
    systemdBootEsp,
    ubuntuEsp,
    { ...ubuntuEsp, 'EFI/BOOT/BOOTX64.EFI': 'MZ old' },
    editableEsp,
  ]);
  guest = await openSession({
    disks: disks.map((path) => ({ path, format: 'raw' })),
    accelerator: 'tcg',
    readOnly: true,
    io: quietIo(),
    tmpDir: dir,
  });
});
afterAll(async () => {
  await guest.close();
  rmSync(dir, { recursive: true, force: true });
});

/** Mounts a system, writable, with its EFI system partition when it has one; see fixes.test.ts. */
async function open(
  tree: SystemTree,
  facts: Partial<GuestFacts> = {},
  esp?: { device: string; path: string },
): Promise<Omit<FixContext, 'earlier'>> {
  const io = quietIo();
  const device = `/dev/sda${tree.partition}`;
  await guest.umountAll();
  await guest.mount(device, '/', 'rw');
  if (esp !== undefined) {
    await guest.mkdirP(esp.path);
    await guest.mount(esp.device, esp.path, 'rw');
  }
  const root = { device, fsType: 'ext4', uuid: tree.uuid };
  const spec = migrationSpec.parse({
    name: 'vm',
    source: { kind: 'image', disks: ['/vm.raw'] },
    guest: { serialConsole: false },
  });
  return {
    guest,
    facts: {
      os: 'linux',
      root,
      arch: 'x86_64',
      firmware: esp === undefined ? 'bios' : 'uefi',
      mountpoints: [{ path: '/', ...root }, ...(esp === undefined ? [] : [{ ...esp, fsType: 'vfat' }])],
      kernels: await findKernels({ guest, scratchDir: dir, warnings: [], ...io }),
      initramfsTool: 'initramfs-tools',
      warnings: [],
      timings: { launchSeconds: 0, inspectSeconds: 0 },
      ...facts,
    },
    vm: { name: 'vm', nics: [{ mac: '52:54:00:00:00:01', network: 'default' }] },
    options: spec.guest,
    scratchDir: dir,
    ...io,
  };
}

const read = async (path: string) => (await guest.readFile(path)).toString();
const paths = (outcomes: FixOutcome[]) => outcomes.flatMap(({ changes }) => changes.map(({ path }) => path));
const warningsOf = (outcomes: FixOutcome[]) => outcomes.flatMap(({ warnings }) => warnings);

/** Plans, applies, and plans again: what was planned was done, and nothing is left to do. */
async function fix(context: Omit<FixContext, 'earlier'>): Promise<FixOutcome[]> {
  const planned = await runFixes(linuxFixes, context, 'plan');
  const done = await runFixes(linuxFixes, context, 'apply');
  expect(paths(done)).toEqual(paths(planned));
  const kernels = await findKernels({ guest, scratchDir: dir, warnings: [], ...quietIo() });
  const again = { ...context, facts: { ...context.facts, kernels } };
  expect(paths(await runFixes(linuxFixes, again, 'plan'))).toEqual([]);
  return done;
}

describe('a guest whose default kernel has no virtio', () => {
  it('starts another by GRUB 2, now and after the next update-grub', async () => {
    const done = await fix(await open(debianXen));

    expect(await read('/boot/grub/grub.cfg')).toMatch(/^set default="gnulinux-3\.2\.0-4-amd64"$/m);
    expect(await read('/etc/default/grub')).toBe('GRUB_DEFAULT="gnulinux-3.2.0-4-amd64"\nGRUB_TIMEOUT=5\n');
    expect(warningsOf(done)).toContain(
      'These kernels cannot drive virtio disks and are of no use any more: 3.2.0-5-xen.',
    );
    expect(await read('/boot/grub/device.map')).toBe('(hd0)\t/dev/vda\n');
    expect(await read('/etc/modprobe.d/local.conf')).toBe(
      '# Needed on KVM: blacklist virtio_net\nalias eth0 virtio_net\n',
    );
    expect(await read('/etc/modules')).toBe('loop\n# xen-blkfront\n');
  });

  it('starts another by the BLS entry that grubenv remembers, and not the debug kernel', async () => {
    await fix(await open(rhelBls, { initramfsTool: 'dracut' }));

    const grubenv = await read('/boot/grub2/grubenv');
    expect(grubenv).toHaveLength(1024);
    expect(grubenv).toContain('\nsaved_entry=abc-4.18.0-553.el8.x86_64\n');
  });

  it('starts another by GRUB legacy, with the modules of CentOS 5 and without its Xen console', async () => {
    const context = await open(centos5, { initramfsTool: 'none' });
    await fix({ ...context, options: { ...context.options, serialConsole: true } });

    expect(await read('/boot/grub/menu.lst')).toMatch(/^default=1$/m);
    expect(await guest.readlink('/boot/grub/grub.conf')).toBe('menu.lst');
    expect(await read('/etc/modprobe.conf')).toBe(
      'alias eth0 virtio_net\nalias scsi_hostadapter virtio_blk\n#alias scsi_hostadapter1 mptspi\n',
    );
    expect(await read('/boot/grub/device.map')).toBe('# made by anaconda\n(hd0)     /dev/vda\n');
    expect(await read('/etc/sysconfig/grub')).toBe('boot=/dev/vda\nforcelba=0\n');
    expect(await read('/etc/inittab')).toContain('co:2345:respawn:/sbin/agetty ttyS0 9600 vt100-nav\n');
    expect(await read('/etc/securetty')).toBe('console\nttyS0\ntty1\n');
  });

  it('is refused when Xen kernels are all it has, before anything is changed', async () => {
    const context = await open(centos5, { initramfsTool: 'none' });
    const kernels = context.facts.kernels.filter(({ version }) => version.endsWith('xen'));
    const facts = { ...context.facts, kernels };
    await expect(runFixes(linuxFixes, { ...context, facts }, 'apply')).rejects.toMatchObject({
      code: 'GUEST_KERNEL_UNSUPPORTED',
      found: 'all kernels of the guest are made for Xen alone: 2.6.18-398.el5xen',
    });
  });
});

describe('a UEFI guest without its boot entry', () => {
  it('of systemd-boot, with kernels in folders of the machine, gets it as the fallback loader', async () => {
    const context = await open(
      systemdBoot,
      { bootloader: 'systemd-boot' },
      { device: '/dev/sdb1', path: '/boot' },
    );
    expect(context.facts.kernels).toMatchObject([
      {
        version: systemdBootVersion,
        path: `/boot/0123/${systemdBootVersion}/linux`,
        initramfs: `/boot/0123/${systemdBootVersion}/initrd`,
        bootable: true,
        virtio: { pci: true, blk: true },
      },
    ]);
    await fix(context);

    expect(await read('/boot/EFI/BOOT/BOOTX64.EFI')).toBe('MZ systemd-boot');
    expect(await read('/boot/loader/entries/0123-6.8.5.conf')).toContain(
      `options root=UUID=${systemdBoot.uuid} rw`,
    );
    expect(await read('/etc/kernel/cmdline')).toBe(`root=UUID=${systemdBoot.uuid} rw\n`);
  });

  it('of Ubuntu with shim gets all that shim needs beside it', async () => {
    const esp = { device: '/dev/sdb2', path: '/boot/efi' };
    await fix(await open(debianXen, { distro: { id: 'ubuntu', versionId: '24.04', prettyName: '' } }, esp));

    expect((await guest.ls('/boot/efi/EFI/BOOT')).sort()).toEqual([
      'BOOTX64.EFI',
      'grub.cfg',
      'grubx64.efi',
      'mmx64.efi',
    ]);
    expect(await read('/boot/efi/EFI/BOOT/BOOTX64.EFI')).toBe('MZ shim');
    expect(await read('/boot/efi/EFI/BOOT/grub.cfg')).toBe(ubuntuEsp['EFI/ubuntu/grub.cfg']);
  });

  it('keeps a fallback loader that it has', async () => {
    const outcomes = await fix(await open(debianXen, {}, { device: '/dev/sdb3', path: '/boot/efi' }));
    expect(outcomes.find(({ fix: id }) => id === 'efi-fallback')?.changes).toEqual([]);
    expect(await read('/boot/efi/EFI/BOOT/BOOTX64.EFI')).toBe('MZ old');
  });

  it('gets one on a partition that it does not mount itself', async () => {
    await guest.umountAll();
    await guest.mount('/dev/sdb1', '/', 'rw');
    await guest.rmF('/EFI/BOOT/BOOTX64.EFI');
    await fix(await open(debianXen, { firmware: 'uefi' }));
    expect(await guest.ls('/boot/efi')).toEqual([]);
    await guest.umountAll();
    await guest.mount('/dev/sdb1', '/', 'ro');
    expect(await read('/EFI/BOOT/BOOTX64.EFI')).toBe('MZ systemd-boot');
  });

  it('is refused with numbers when the partition has no room for one', async () => {
    const esp = { device: '/dev/sdb2', path: '/boot/efi' };
    const context = await open(debianXen, {}, esp);
    for (const name of await guest.ls('/boot/efi/EFI/BOOT')) await guest.rmF(`/boot/efi/EFI/BOOT/${name}`);
    const { blockSize, blocksFree } = await guest.statvfs('/boot/efi');
    await guest.replaceFile('/boot/efi/full', Buffer.alloc(blockSize * blocksFree - 64 * 1024));
    await expect(runFixes(linuxFixes, context, 'apply')).rejects.toMatchObject({
      code: 'GUEST_NO_SPACE',
      found: expect.stringMatching(/EFI system partition has \d+ bytes free/) as string,
    });
  });
});

describe('an initramfs without virtio', () => {
  const image = '/boot/initrd.img-6.1.0-9-amd64';
  const folder = 'usr/lib/modules/6.1.0-9-amd64';

  it('gets it without a program of the guest being run, and what it copied is renewed', async () => {
    const before = await guest.readFile('/etc/hostname').catch(() => undefined);
    expect(before).toBeUndefined();
    await fix(await open(editable));

    const copy = join(dir, 'edited');
    await guest.download(image, copy);
    const all = () => true;
    const { names, files } = await surveyImage(copy, all, new AbortController().signal);
    const drivers = [
      'virtio/virtio.ko',
      'virtio/virtio_ring.ko',
      'virtio/virtio_pci.ko',
      'block/virtio_blk.ko',
    ];
    // The network is wanted before the root disk, as the driver of VMware's card was there.
    for (const name of [...drivers, 'net/virtio_net.ko'])
      expect(names).toContain(`${folder}/kernel/drivers/${name}`);
    const aliases = readModuleIndex(files.get(`${folder}/modules.alias.bin`) ?? Buffer.alloc(0));
    expect(aliases.map(({ value }) => value).sort()).toEqual(['virtio_blk', 'virtio_pci', 'vmxnet3']);
    expect(files.get('conf/conf.d/resume')?.toString()).toBe(`RESUME=UUID=${swapUuid}\n`);
    expect(await read('/etc/initramfs-tools/modules')).toBe('# List of modules\nvirtio_pci\nvirtio_blk\n');
    expect((await guest.ls('/boot')).sort()).toEqual(['initrd.img-6.1.0-9-amd64', 'vmlinuz-6.1.0-9-amd64']);
    expect((await guest.stat(image)).mode & 0o7777).toBe(0o644);
  });

  it('gets it in the copy that systemd-boot starts, too', async () => {
    const old = editable.files[image.slice(1)] ?? '';
    const esp = { device: '/dev/sdb4', path: '/boot/efi' };
    const facts = { bootloader: 'systemd-boot', firmware: 'uefi' } as const;
    const context = await open(editable, facts, esp);
    await guest.replaceFile(image, old);
    const kernels = await findKernels({ guest, scratchDir: dir, warnings: [], ...quietIo() });
    const copied = '/boot/efi/0123/6.1.0-9-amd64';
    expect(kernels.map(({ path, initramfs }) => [path, initramfs])).toEqual([
      ['/boot/vmlinuz-6.1.0-9-amd64', image],
      [`${copied}/linux`, `${copied}/initrd.img`],
    ]);
    await fix({ ...context, facts: { ...context.facts, kernels } });
    for (const [index, path] of [image, `${copied}/initrd.img`].entries()) {
      const local = join(dir, `copy-${index}`);
      await guest.download(path, local);
      const { names } = await surveyImage(local, () => false, new AbortController().signal);
      expect(names).toContain(`${folder}/kernel/drivers/block/virtio_blk.ko`);
    }
  });

  it.each([
    ['dracut', '/etc/dracut.conf.d/longhaul-virtio.conf', 'add_drivers+=" virtio_pci virtio_blk "\n'],
    ['mkinitcpio', '/etc/mkinitcpio.conf', 'MODULES=(ext4 virtio_pci virtio_blk)\nHOOKS=(base udev)\n'],
  ] as const)('has %s keep it at the next kernel update', async (initramfsTool, path, content) => {
    const old = editable.files[image.slice(1)] ?? '';
    const context = await open(editable);
    await guest.replaceFile(image, old);
    const kernels = await findKernels({ guest, scratchDir: dir, warnings: [], ...quietIo() });
    await fix({ ...context, facts: { ...context.facts, kernels, initramfsTool } });
    expect(await read(path)).toContain(content);
  });
});
