import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { changedLines, flawOf } from '../../../../activities/guest/linux/guest-text.ts';
import {
  addInitramfsModules,
  addMkinitcpioModules,
} from '../../../../activities/guest/linux/initramfs-tools-text.ts';
import { editInittab, editSecuretty } from '../../../../activities/guest/linux/serial-console-text.ts';

describe('/etc/inittab', () => {
  const sysv =
    'id:2:initdefault:\n1:2345:respawn:/sbin/getty 38400 tty1\n#T0:23:respawn:/sbin/getty -L ttyS0 9600 vt100\n';
  it('gets a login on the serial port, in the words of its own init', () => {
    expect(editInittab(sysv, '/sbin/agetty')).toBe(
      `${sysv}S0:2345:respawn:/sbin/agetty -L ttyS0 115200 vt100\n`,
    );
    const busybox = '::sysinit:/sbin/openrc sysinit\ntty1::respawn:/sbin/getty 38400 tty1\n';
    expect(editInittab(busybox, '/sbin/getty')).toBe(
      `${busybox}ttyS0::respawn:/sbin/getty -L ttyS0 115200 vt100\n`,
    );
  });

  it("has Xen's console become the serial port", () => {
    expect(
      editInittab(
        'id:3:initdefault:\nco:2345:respawn:/sbin/agetty hvc0 9600 vt100\n#x:hvc0\n',
        '/sbin/getty',
      ),
    ).toBe('id:3:initdefault:\nco:2345:respawn:/sbin/agetty ttyS0 9600 vt100\n#x:hvc0\n');
  });

  it('changes once only, whatever it holds', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string(), fc.constantFrom('\n', 'hvc0', '#', ':initdefault:', 'ttyS0'))),
        (parts) => {
          const once = editInittab(parts.join(''), '/sbin/getty');
          expect(editInittab(once, '/sbin/getty')).toBe(once);
        },
      ),
    );
  });
});

describe('/etc/securetty', () => {
  it("allows root on the serial port where it allowed him on Xen's console", () => {
    expect(editSecuretty('console\nxvc0\ntty1\n')).toBe('console\nttyS0\ntty1\n');
    expect(editSecuretty('ttyS0\nhvc0\n')).toBe('ttyS0\nhvc0\n');
    expect(editSecuretty('tty1\n')).toBe('tty1\n');
  });
});

describe('the modules of an initramfs', () => {
  it('are added to those of initramfs-tools, once', () => {
    const text = '# List of modules\nvirtio-blk\n';
    const once = addInitramfsModules(text, ['virtio_pci', 'virtio_blk']);
    expect(once).toBe('# List of modules\nvirtio-blk\nvirtio_pci\n');
    expect(addInitramfsModules(once, ['virtio_pci', 'virtio_blk'])).toBe(once);
  });

  it('are added to the array of mkinitcpio', () => {
    expect(addMkinitcpioModules('MODULES=()\nHOOKS=(base)\n', ['virtio_blk'])).toBe(
      'MODULES=(virtio_blk)\nHOOKS=(base)\n',
    );
    expect(addMkinitcpioModules('MODULES="ext4"\n', ['virtio_blk'])).toBe('MODULES="ext4 virtio_blk"\n');
    // An array that a program makes is added to, once.
    const made = '# MODULES=(virtio_blk)\nMODULES=($(x))\n';
    const once = addMkinitcpioModules(made, ['virtio_blk']);
    expect(once).toBe(`${made}MODULES+=(virtio_blk)\n`);
    expect(addMkinitcpioModules(once, ['virtio_blk'])).toBe(once);
  });
});

describe('a file that is no text of lines', () => {
  it('is told from a configuration file', () => {
    expect(flawOf('a\0b')).toBe('holds NUL bytes');
    expect(flawOf(`short\n${' '.repeat(9000)}x`)).toBe('has a line of 9001 characters');
    expect(flawOf('/dev/sda1 / ext4 defaults 0 1\n')).toBeUndefined();
  });
});

describe('what a change shows of a file', () => {
  it('is the lines that differ, short and without control characters', () => {
    expect(changedLines('a\nb\nc', 'a\nB\u001b[2J\nc')).toEqual({ before: 'b', after: 'B?[2J' });
    expect(changedLines('x', 'y'.repeat(1000)).after.length).toBeLessThan(410);
  });
});
