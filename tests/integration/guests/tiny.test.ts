import { stat } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { guestFormats } from '../../guests/lib/formats.ts';
import { run } from '../../guests/lib/run.ts';
import { guestDisks } from '../../guests/guests.ts';
import { bootRetries, Machine } from '../../guests/machine.ts';

const minutes = (count: number) => count * 60_000;

describe('the tiny guest', { retry: bootRetries }, () => {
  it('boots to a login prompt on the hardware of its source hypervisor', async () => {
    const disks = await guestDisks('tiny', 'raw', console.log);
    await using machine = await Machine.start({ disks, hardware: 'vmware', memoryMiB: 256 });
    const seconds = await machine.says(/tiny login:/, minutes(2));
    expect(seconds, await machine.serial()).toBeDefined();
    console.log(`tiny booted in ${seconds?.toFixed(1)} s`);
  });

  it('does not find its root file system on virtio disks when nobody fixed it', async () => {
    const disks = await guestDisks('tiny', 'raw');
    await using machine = await Machine.start({ disks, hardware: 'virtio', memoryMiB: 256 });
    expect(
      await machine.says(/login:|ALERT! \S+ does not exist/, minutes(2)),
      'no word from the guest',
    ).toBeDefined();
    expect(await machine.serial()).toContain('ALERT! /dev/sda1 does not exist');
  });

  it('mounts its second disk when it has one', async () => {
    const disks = await guestDisks('tiny-data', 'raw', console.log);
    await using machine = await Machine.start({ disks, hardware: 'vmware', memoryMiB: 256 });
    expect(await machine.says(/tiny login:/, minutes(2)), await machine.serial()).toBeDefined();
    const account = { name: 'root', password: 'longhaul' };
    const line = 'cat /srv/hello.txt > /dev/ttyS0';
    const seen = await machine.signInAndRun(account, line, /This is the data disk/, minutes(2));
    expect(seen, await machine.serial()).toBeDefined();
  });

  it('holds the same bytes in every format', async () => {
    const [raw = ''] = await guestDisks('tiny', 'raw');
    for (const format of guestFormats) {
      const [disk = ''] = await guestDisks('tiny', format);
      const args = format === 'vhd-fixed' || format === 'vhd-dynamic' ? ['-F', 'vpc'] : [];
      const { stdout } = await run('qemu-img', ['compare', '-f', 'raw', ...args, raw, disk]);
      expect(stdout, format).toContain('Images are identical');
      expect((await stat(disk)).mode & 0o777, format).toBe(0o444);
    }
  });
});
