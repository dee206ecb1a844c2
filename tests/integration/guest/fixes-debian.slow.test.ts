import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { inspectGuest } from '../../../activities/guest/inspector.ts';
import { linuxFixes } from '../../../activities/guest/linux/index.ts';
import { unlockContainers } from '../../../activities/guest/luks-handler.ts';
import { fixOffline, planOffline } from '../../../activities/guest/offline-fixer.ts';
import { openSession } from '../../../activities/guest/session/open-session.ts';
import { migrationSpec } from '../../../contracts/spec.ts';
import type { FixOutcome } from '../../../contracts/values.ts';
import { guestDisks, type GuestName } from '../../guests/guests.ts';
import { Machine } from '../../guests/machine.ts';
import { quietIo, run } from '../../support/guest-trees.ts';

const minutes = (count: number) => count * 60_000;
const scratch: string[] = [];
afterAll(() => Promise.all(scratch.map((dir) => rm(dir, { recursive: true, force: true }))));

/** The address of QEMU's card when none is given. */
const mac = '52:54:00:12:34:56';

/** Fixes a copy of the guest's disk; then plans again, on the same appliance. */
async function fixed(name: GuestName) {
  const dir = await mkdtemp(join(tmpdir(), 'fixes-'));
  scratch.push(dir);
  const [source = ''] = await guestDisks(name, 'raw', console.log);
  const disk = join(dir, 'disk.raw');
  await run('cp', ['--sparse=always', '--reflink=auto', source, disk]);
  const io = quietIo();
  const guest = await openSession({
    disks: [{ path: disk, format: 'raw' }],
    accelerator: 'tcg',
    readOnly: false,
    io,
    tmpDir: dir,
  });
  try {
    const unlocked = await unlockContainers(guest, [], () => Promise.resolve(Buffer.alloc(0)));
    const inspect = () => inspectGuest({ guest, launchSeconds: 0, unlocked, scratchDir: dir, ...io });
    const { facts, mounted } = await inspect();
    if (mounted === undefined) throw new Error('nothing was mounted');
    const spec = migrationSpec.parse({ name, source: { kind: 'image', disks: [disk] } });
    const vm = { name, nics: [{ mac, network: 'default' }] };
    const context = { guest, facts, vm, options: spec.guest, scratchDir: dir, ...io };
    const outcomes = await fixOffline({ fixes: linuxFixes, mounted, context });

    const again = await inspect();
    const left = await planOffline({ fixes: linuxFixes, context: { ...context, facts: again.facts } });
    return { disk, outcomes, left };
  } finally {
    await guest.close();
  }
}

const paths = (outcomes: FixOutcome[]) => outcomes.flatMap(({ changes }) => changes.map(({ path }) => path));

describe('a real Debian guest from VMware', () => {
  it.each([
    { guest: 'debian-bios', rebuilt: false, address: '192.168.122.61/24', root: '/dev/vda1' },
    { guest: 'debian-bios-novirtio', rebuilt: true, address: '192.168.122.62/24', root: '/dev/vda1' },
    // Its firmware had a boot entry, which the new one has not: it starts by the fallback loader or not at all.
    {
      guest: 'debian-uefi-lvm-nofallback',
      firmware: 'uefi',
      rebuilt: false,
      address: '192.168.122.63/24',
      root: '/dev/mapper/vg-root',
    },
  ] as const)(
    '$guest comes up on virtio with its address on ens192',
    async ({ guest, rebuilt, address, root, ...more }) => {
      const firmware = 'firmware' in more ? more.firmware : 'bios';
      const { disk, outcomes, left } = await fixed(guest);
      for (const { fix, seconds } of outcomes) console.log(`${guest}: ${fix} took ${seconds} s`);
      expect(paths(outcomes).some((path) => path.startsWith('/boot/initrd.img-'))).toBe(rebuilt);
      expect(paths(outcomes).some((path) => path.endsWith('/EFI/BOOT/BOOTX64.EFI'))).toBe(
        firmware === 'uefi',
      );
      expect(paths(left)).toEqual([]);

      await using machine = await Machine.start({
        disks: [disk],
        hardware: 'virtio',
        firmware,
        memoryMiB: 768,
      });
      const line =
        'exec > /dev/ttyS0; findmnt -no source /; ip -br a; systemctl is-system-running; echo $? said';
      const account = { name: 'root', password: 'longhaul' };
      const seconds = await machine.signInAndRun(account, line, /^\d+ said/m, minutes(8));
      const serial = await machine.serial();
      expect(seconds, serial).toBeDefined();
      expect(serial).toMatch(/ttyS0[\s\S]*login:/);
      expect(serial).toContain(root);
      expect(serial).toMatch(new RegExp(`ens192 +UP +${address}`));
      expect(serial).not.toContain('degraded');
    },
    minutes(30),
  );
});
