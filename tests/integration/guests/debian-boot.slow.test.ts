import { describe, expect, it } from 'vitest';
import { guestDisks, type GuestName } from '../../guests/guests.ts';
import { bootRetries, Machine, type Hardware } from '../../guests/machine.ts';

const minutes = (count: number) => count * 60_000;
const account = { name: 'root', password: 'longhaul' };

interface Case {
  guest: GuestName;
  hardware: Hardware;
  firmware: 'bios' | 'uefi';
  root: string;
  address: string;
}

const onTheirSource: Case[] = [
  {
    guest: 'debian-bios',
    hardware: 'vmware',
    firmware: 'bios',
    root: '/dev/sda1',
    address: '192.168.122.61/24',
  },
  {
    guest: 'debian-bios-novirtio',
    hardware: 'vmware',
    firmware: 'bios',
    root: '/dev/sda1',
    address: '192.168.122.62/24',
  },
  {
    guest: 'debian-uefi-lvm',
    hardware: 'vmware-nvme',
    firmware: 'uefi',
    root: '/dev/mapper/vg-root',
    address: '192.168.122.63/24',
  },
];

/** Signs in at the guest's screen and asks what it runs on. The answer on the serial port is the proof. */
function signIn(machine: Machine, timeoutMs: number): Promise<number | undefined> {
  const line = 'exec > /dev/ttyS0; findmnt -no source /; ip -br a; systemctl is-system-running; echo $? said';
  return machine.signInAndRun(account, line, /^\d+ said/m, timeoutMs);
}

describe('Debian guests', { retry: bootRetries }, () => {
  it.each(onTheirSource)('$guest boots on its source hypervisor and comes up whole', async (guest) => {
    const disks = await guestDisks(guest.guest, 'raw', console.log);
    const { hardware, firmware } = guest;
    await using machine = await Machine.start({ disks, hardware, firmware, memoryMiB: 768 });
    const seconds = await signIn(machine, minutes(5));
    const serial = await machine.serial();
    expect(seconds, serial).toBeDefined();
    console.log(`${guest.guest} let us sign in after ${seconds?.toFixed(1)} s`);
    expect(serial).toContain(guest.root);
    expect(serial).toMatch(new RegExp(`ens192 +UP +${guest.address}`));
    expect(serial).not.toContain('degraded');
  });

  it.each(['debian-bios', 'debian-bios-novirtio'] as const)(
    '%s ends in the shell of its initramfs on virtio disks when nobody fixed it',
    async (guest) => {
      const disks = await guestDisks(guest, 'raw', console.log);
      await using machine = await Machine.start({ disks, hardware: 'virtio', memoryMiB: 768 });
      // That shell asks for no name; it takes the lines of the sign-in for commands it does not know.
      const line = 'test -e /conf/initramfs.conf && echo stuck in the initramfs > /dev/ttyS0';
      const seconds = await machine.signInAndRun(account, line, /stuck in the initramfs/, minutes(5));
      expect(seconds, await machine.serial()).toBeDefined();
    },
  );
});
