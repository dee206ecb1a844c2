import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editXorg } from '../../../../activities/guest/linux/display.ts';
import { editBootDisks, editDeviceMap } from '../../../../activities/guest/linux/grub-disks-text.ts';
import {
  editDracutConf,
  editModprobe,
  editModulesList,
} from '../../../../activities/guest/linux/modprobe-text.ts';
import { findSection } from '../../../../activities/guest/linux/unified-kernels.ts';

describe('the configuration of kernel modules', () => {
  it('has the drivers of VMware and Xen become those of virtio, as in RHEL 5 and 6', () => {
    expect(
      editModprobe(
        'alias eth0 vmxnet3\nalias eth1\te1000 \nalias scsi_hostadapter mptbase\nalias scsi_hostadapter1 mptspi\nalias scsi_hostadapter2 ata_piix\nalias usb-controller uhci-hcd\noptions vmxnet3 x=1\n',
      ),
    ).toBe(
      'alias eth0 virtio_net\nalias eth1\tvirtio_net\nalias scsi_hostadapter virtio_blk\n#alias scsi_hostadapter1 mptspi\n#alias scsi_hostadapter2 ata_piix\nalias usb-controller uhci-hcd\noptions vmxnet3 x=1\n',
    );
    expect(editModprobe('alias eth0 xennet\nalias scsi_hostadapter xenblk\n')).toBe(
      'alias eth0 virtio_net\nalias scsi_hostadapter virtio_blk\n',
    );
  });

  it('no longer forbids virtio, whatever the way', () => {
    expect(
      editModprobe(
        'blacklist virtio_net # hardening\nblacklist pcspkr\n  blacklist virtio-blk\ninstall virtio_scsi /bin/true\ninstall virtio_blk /sbin/modprobe x\nalias virtio_pci off\n',
      ),
    ).toBe(
      '# Needed on KVM: blacklist virtio_net # hardening\nblacklist pcspkr\n# Needed on KVM:   blacklist virtio-blk\n# Needed on KVM: install virtio_scsi /bin/true\ninstall virtio_blk /sbin/modprobe x\n# Needed on KVM: alias virtio_pci off\n',
    );
  });

  it('loads nothing at boot that only the old hypervisor has', () => {
    expect(
      editModulesList('# comment\nloop\nvmhgfs\nvboxguest\nhv_utils\nxen-blkfront\nvmxnet3\nbr_netfilter\n'),
    ).toBe('# comment\nloop\n# vmhgfs\n# vboxguest\n# hv_utils\n# xen-blkfront\nvmxnet3\nbr_netfilter\n');
  });

  it('lets dracut put virtio into an initramfs', () => {
    expect(editDracutConf('hostonly="yes"\nomit_drivers+=" virtio_blk floppy virtio-pci " # small\n')).toBe(
      'hostonly="yes"\nomit_drivers+=" floppy " # small\n',
    );
    expect(editDracutConf('omit_drivers+=" $(cat x) virtio "\n')).toBe('omit_drivers+=" $(cat x) virtio "\n');
  });
});

describe('what names the graphics card', () => {
  it('is given a driver that fits, and the rest of xorg.conf stays', () => {
    const text =
      'Section "Device"\n\tIdentifier "Card0"\n\tDriver\t"vmware"\n\tBusID "PCI:0:15:0"\nEndSection\nSection "InputDevice"\n\tDriver "vmmouse"\nEndSection\n';
    expect(editXorg(text, 'modesetting')).toBe(text.replace('"vmware"', '"modesetting"'));
  });
});

describe('the disks that GRUB is installed on', () => {
  it('are named as virtio names them, by their place or by GRUB’s own count', () => {
    expect(
      editDeviceMap(
        '(fd0)\t/dev/fd0\n(hd0)\t/dev/disk/by-id/ata-VBOX_HARDDISK_VB1\n(hd1)\t/dev/sdb\n(hd2) /dev/sdc\n',
        2,
      ),
    ).toBe('(fd0)\t/dev/fd0\n(hd0)\t/dev/vda\n(hd1)\t/dev/vdb\n#(hd2) /dev/sdc\n');
    expect(editDeviceMap('(hd0) /dev/nvme0n1\n', 1, 'sd')).toBe('(hd0) /dev/sda\n');
    expect(editBootDisks('boot=/dev/sda\nforcelba=0\n', 2)).toBe('boot=/dev/vda\nforcelba=0\n');
    expect(editBootDisks('/dev/disk/by-id/scsi-36000c29-part1\n/dev/disk/by-id/wwn-0x1\nactivate\n', 1)).toBe(
      '/dev/disk/by-id/scsi-36000c29-part1\n/dev/vda\nactivate\n',
    );
  });
});

describe('a unified kernel image', () => {
  it('shows where its command line lies', () => {
    const image = Buffer.alloc(512);
    image.write('MZ');
    image.writeUInt32LE(0x40, 0x3c);
    image.write('PE\0\0', 0x40);
    image.writeUInt16LE(2, 0x46);
    image.writeUInt16LE(16, 0x54);
    const section = (at: number, name: string, bytes: number, offset: number) => {
      image.write(name, at);
      image.writeUInt32LE(bytes, at + 8);
      image.writeUInt32LE(offset, at + 20);
    };
    section(0x68, '.linux', 9, 400);
    section(0x90, '.cmdline', 33, 300);
    expect(findSection(image, '.cmdline')).toEqual({ offset: 300, sizeBytes: 33 });
    expect(findSection(image, '.initrd')).toBeUndefined();
    expect(findSection(Buffer.from('#!/bin/sh'), '.cmdline')).toBeUndefined();
  });
});

describe('hostile configuration', () => {
  const words = fc.constantFrom('alias ', 'eth0 ', 'vmxnet3', 'scsi_hostadapter', ' mptspi', 'blacklist ', 'virtio_blk', '\n', '\r\n', '\t',
    'omit_drivers+="', '"', '#', 'Driver "vmware"', '(hd0) ', '/dev/sda', 'boot=', 'hv_vmbus', 'install ', ' /bin/true', '\u00e9'); // prettier-ignore
  const editors = [
    editModprobe,
    editModulesList,
    editDracutConf,
    (text: string) => editXorg(text, 'modesetting'),
    (text: string) => editDeviceMap(text, 2),
    (text: string) => editBootDisks(text, 2),
  ];

  it('never breaks an editor; a second pass changes nothing, and unknown lines stay byte for byte', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(words, fc.string())), (parts) => {
        const text = parts.join('');
        for (const edit of editors) {
          const once = edit(text);
          expect(edit(once)).toBe(once);
          expect(once.split('\n').length).toBe(text.split('\n').length);
          const unknown = text
            .split('\n')
            .filter((line) => !/alias|blacklist|install|omit_|Driver|hv_|dev|eth0/i.test(line));
          for (const line of unknown) expect(once.split('\n')).toContain(line);
        }
      }),
      { numRuns: 300 },
    );
  });
});
