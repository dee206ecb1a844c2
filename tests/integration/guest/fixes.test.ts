import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findKernels } from '../../../activities/guest/inspector/kernels.ts';
import { linuxFixes } from '../../../activities/guest/linux/index.ts';
import { initramfsFix } from '../../../activities/guest/linux/initramfs.ts';
import { runFixes } from '../../../activities/guest/linux/run-fixes.ts';
import type { FixContext } from '../../../activities/guest/linux/fix.ts';
import type { GuestSession } from '../../../activities/guest/session/guest-session.ts';
import { openSession } from '../../../activities/guest/session/open-session.ts';
import { migrationSpec } from '../../../contracts/spec.ts';
import type { FixOutcome } from '../../../contracts/values.ts';
import { quietIo } from '../../support/guest-trees.ts';
import {
  alpine,
  debian,
  rebuild,
  rhel8,
  swapUuid,
  ubuntu,
  writeTreesDisk,
  xenSles,
  type SystemTree,
} from './fixes-trees.ts';

const dir = mkdtempSync(join(tmpdir(), 'fixes-'));
const disk = join(dir, 'disk.raw');
const [firstMac, secondMac] = ['52:54:00:00:00:01', '52:54:00:00:00:02'];
let guest: GuestSession;

beforeAll(async () => {
  await writeTreesDisk(disk, [debian, rhel8, ubuntu, xenSles, alpine, rebuild]);
  guest = await openSession({
    disks: [{ path: disk, format: 'raw' }],
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

/** Mounts one of the systems, writable; the session keeps the changes from the disk's file. */
async function open(tree: SystemTree): Promise<Omit<FixContext, 'earlier'>> {
  const io = quietIo();
  const device = `/dev/sda${tree.partition}`;
  await guest.umountAll();
  await guest.mount(device, '/', 'rw');
  const root = { device, fsType: 'ext4', uuid: tree.uuid };
  const spec = migrationSpec.parse({ name: 'vm', source: { kind: 'image', disks: ['/vm.raw'] } });
  return {
    guest,
    facts: {
      os: 'linux',
      root,
      firmware: 'bios',
      mountpoints: [{ path: '/', ...root }],
      kernels: await findKernels({ guest, scratchDir: dir, warnings: [], ...io }),
      initramfsTool: 'initramfs-tools',
      warnings: [],
      timings: { launchSeconds: 0, inspectSeconds: 0 },
    },
    vm: { name: 'vm', nics: [firstMac, secondMac].map((mac) => ({ mac, network: 'default' })) },
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
  const said = (outcomes: FixOutcome[]) =>
    outcomes.map(({ fix: id, changes, warnings }) => ({
      id,
      changes: changes.map(({ path, what }) => `${path}: ${what}`),
      warnings,
    }));
  expect(said(done)).toEqual(said(planned));
  expect(paths(await runFixes(linuxFixes, context, 'plan'))).toEqual([]);
  return done;
}

describe('fixing a guest', () => {
  it('from VMware: Debian with device names, addresses by ifupdown and two cards', async () => {
    const done = await fix(await open(debian));

    expect(await read('/etc/fstab')).toBe(
      `# <file system> <mount point> <type>\nUUID=${debian.uuid}       /     ext4  errors=remount-ro 0 1\nUUID=${swapUuid}\tnone\tswap\tsw\t0\t0\n/dev/sdc1 /gone ext4 nofail 0 2\n/dev/sr0 /media/cdrom0 udf,iso9660 user,noauto 0 0\n`,
    );
    expect(await read('/boot/grub/grub.cfg')).toBe(
      `menuentry 'Debian' {\n\tset root='hd0,msdos1'\n\tlinux\t/boot/vmlinuz-6.1.0-18-amd64 root=UUID=${debian.uuid} ro quiet resume=UUID=${swapUuid} console=ttyS0,115200 console=tty0\n}\n`,
    );
    expect(await read('/etc/initramfs-tools/conf.d/resume')).toBe(`RESUME=UUID=${swapUuid}\n`);
    expect(await read('/etc/default/grub')).toContain(
      'GRUB_CMDLINE_LINUX="console=ttyS0,115200 console=tty0"',
    );
    expect(await read('/etc/systemd/network/10-longhaul-ens192.link')).toContain(`MACAddress=${firstMac}`);
    expect(await read('/etc/systemd/network/10-longhaul-ens224.link')).toContain(`MACAddress=${secondMac}`);
    expect(await guest.readlink('/etc/systemd/system/getty.target.wants/serial-getty@ttyS0.service')).toBe(
      '/usr/lib/systemd/system/serial-getty@.service',
    );
    expect(warningsOf(done)).toEqual([expect.stringContaining('/dev/sdc1 would be disk 3')]);
  });

  it('from an NVMe cloud disk: RHEL 8 with its kernel arguments in grubenv, and SELinux', async () => {
    await fix(await open(rhel8));

    const grubenv = await read('/boot/grub2/grubenv');
    expect(grubenv).toHaveLength(1024);
    expect(grubenv).toContain(
      `kernelopts=root=UUID=${rhel8.uuid} ro crashkernel=auto rhgb quiet console=ttyS0,115200 console=tty0\n`,
    );
    expect(await read('/etc/fstab')).toContain(`UUID=${swapUuid} swap swap`);
    // systemd 239 does not obey a .link file for a card that the initramfs has named already.
    expect(await read('/etc/udev/rules.d/70-longhaul-net.rules')).toContain(
      `ATTR{address}=="${firstMac}", ATTR{type}=="1", NAME="ens192"`,
    );
    expect(await guest.exists('/.autorelabel')).toBe(true);
  });

  it('that is in order already, but for the MAC of its card: Ubuntu with cloud-init', async () => {
    const done = await fix(await open(ubuntu));

    expect(paths(done)).toEqual([
      '/etc/netplan/50-cloud-init.yaml',
      '/etc/systemd/network/10-longhaul-ens160.link',
    ]);
    expect(await read('/etc/netplan/50-cloud-init.yaml')).toContain(`macaddress: "${firstMac}"`);
    expect(warningsOf(done)).toEqual([
      '/etc/netplan/99-broken.yaml could not be understood and was left alone.',
    ]);
  });

  it('from Xen: SLES with xvd disks, the hvc console and a remembered card', async () => {
    await fix(await open(xenSles));

    expect(await read('/boot/grub2/grub.cfg')).toBe(
      `linux /boot/vmlinuz-5.14.21-150500.55-default root=UUID=${xenSles.uuid} resume=UUID=${swapUuid} console=ttyS0,115200 console=tty0\n`,
    );
    expect(await read('/etc/fstab')).toBe(
      `UUID=${xenSles.uuid} / ext4 acl,user_xattr 1 1\nUUID=${swapUuid} swap swap defaults 0 0\n`,
    );
    expect(await read('/etc/udev/rules.d/70-persistent-net.rules')).toBe('');
    expect(await read('/etc/systemd/network/10-longhaul-eth0.link')).toContain(firstMac);
    expect(await guest.ls('/etc/systemd/system/getty.target.wants')).toEqual(['serial-getty@ttyS0.service']);
  });

  it('without systemd: Alpine with extlinux and an inittab', async () => {
    await fix(await open(alpine));

    expect(await read('/etc/fstab')).toContain(`UUID=${alpine.uuid}\t/\text4`);
    expect(await read('/boot/extlinux/extlinux.conf')).toContain('console=ttyS0,115200 console=tty0\n');
    expect(await guest.readlink('/boot/extlinux.conf')).toBe('extlinux/extlinux.conf');
    expect(await read('/etc/inittab')).toMatch(/^ttyS0::respawn:\/sbin\/getty -L ttyS0 115200 vt100$/m);
  });

  it('leaves the serial console alone when the spec says so', async () => {
    const context = await open(ubuntu);
    const options = { ...context.options, serialConsole: false };
    await guest.rmF('/etc/systemd/system/getty.target.wants/serial-getty@ttyS0.service');
    expect(paths(await runFixes(linuxFixes, { ...context, options }, 'plan'))).toEqual([]);
  });
});

describe('an initramfs without virtio', () => {
  /** The system with its kernels whose version ends so. */
  async function withKernels(...endings: string[]): Promise<Omit<FixContext, 'earlier'>> {
    const context = await open(rebuild);
    const kernels = context.facts.kernels.filter(({ version }) =>
      endings.some((end) => version.endsWith(end)),
    );
    expect(kernels).toHaveLength(endings.length);
    return { ...context, facts: { ...context.facts, kernels } };
  }
  const image = (version: string) => guest.readFile(`/boot/initrd.img-${version}`);

  it('is rebuilt by the guest for the kernels that can have it; others are told', async () => {
    const context = await withKernels('-good', '-bare');
    const done = await runFixes([initramfsFix], context, 'apply');

    expect(await image('6.1.0-1-good')).toEqual(rebuild.files['boot/made-good']);
    expect(await image('6.1.0-4-bare')).toEqual(rebuild.files['boot/initrd.img-6.1.0-4-bare']);
    expect(warningsOf(done)).toEqual([expect.stringContaining('6.1.0-4-bare would not find its root disk')]);
    expect(await read('/etc/initramfs-tools/modules')).toBe(
      '# List of modules\nvirtio_pci\nvirtio_blk\nvirtio_scsi\n',
    );
    // Inspected again, the kernel has what it needs.
    expect(paths(await runFixes([initramfsFix], await withKernels('-good', '-bare'), 'plan'))).toEqual([]);
  });

  it.each([
    ['6.1.0-2-empty', /made for 6.1.0-2-empty lacks virtio_pci, virtio_blk/],
    ['6.1.0-3-crash', /no space left/],
  ])('stays in place when what the guest makes of %s is no good', async (version, found) => {
    const context = await withKernels(version.slice(-6));
    await expect(runFixes([initramfsFix], context, 'apply')).rejects.toMatchObject({
      code: 'GUEST_FIX_FAILED',
      found: expect.stringMatching(found) as string,
    });
    expect(await image(version)).toEqual(rebuild.files[`boot/initrd.img-${version}`]);
    expect(await guest.glob('/boot/*.longhaul')).toEqual([]);
  });

  it('ends the migration before anything is changed when no kernel could be helped', async () => {
    await expect(runFixes(linuxFixes, await withKernels('-bare'), 'apply')).rejects.toMatchObject({
      code: 'GUEST_KERNEL_UNSUPPORTED',
      found: expect.stringContaining('6.1.0-4-bare') as string,
    });
  });

  it('ends it likewise when the guest has no program to make one with', async () => {
    const context = await withKernels('-empty');
    const facts = { ...context.facts, initramfsTool: 'none' as const };
    await expect(runFixes(linuxFixes, { ...context, facts }, 'apply')).rejects.toMatchObject({
      code: 'GUEST_INITRAMFS_TOOL_MISSING',
    });
  });
});
