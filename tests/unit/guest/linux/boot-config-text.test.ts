import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  editBlsEntry,
  editCmdlineFile,
  editExtlinux,
  editGrubCfg,
  editGrubDefault,
  editGrubEnv,
  editGrubLegacy,
  editPhotonCfg,
} from '../../../../activities/guest/linux/boot-config-text.ts';
import type { DeviceMap } from '../../../../activities/guest/linux/device-map.ts';
import {
  serialConsoleArguments,
  stableDevices,
} from '../../../../activities/guest/linux/kernel-arguments.ts';

const map: DeviceMap = {
  diskCount: 1,
  volumes: [
    { device: '/dev/sda1', disk: 0, partition: 1, fsType: 'ext4', uuid: 'R', partUuid: 'PR' },
    { device: '/dev/sda5', disk: 0, partition: 5, fsType: 'swap', uuid: 'S' },
  ],
};
const warnings: string[] = [];
const byUuid = stableDevices(map, 'uuid', 'test', warnings);

const debianGrubCfg = `set default="0"
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-R' {
\tset root='hd0,msdos1'
\tif [ x$feature_platform_search_hint = xy ]; then
\t  search --no-floppy --fs-uuid --set=root --hint-bios=hd0,msdos1  R
\tfi
\techo\t'Loading Linux 6.1.0-18-amd64 ...'
\tlinux\t/boot/vmlinuz-6.1.0-18-amd64 root=/dev/sda1 ro  quiet resume=/dev/sda5
\tinitrd\t/boot/initrd.img-6.1.0-18-amd64
}
menuentry "Memory test" {
\tlinux16\t/boot/memtest86+.bin
}
`;

describe('kernel arguments that name a device', () => {
  it('are edited on the linux lines of grub.cfg and nowhere else', () => {
    expect(editGrubCfg(debianGrubCfg, byUuid)).toBe(
      debianGrubCfg.replace(
        'root=/dev/sda1 ro  quiet resume=/dev/sda5',
        'root=UUID=R ro  quiet resume=UUID=S',
      ),
    );
  });

  it('name the partition for kernels that start without an initramfs', () => {
    expect(stableDevices(map, 'partuuid', 'test', [])(' root=/dev/xvda1 ro')).toBe(' root=PARTUUID=PR ro');
  });

  it.each([
    ' root=UUID=R ro',
    ' root=/dev/mapper/rhel-root rd.lvm.lv=rhel/root',
    ' myroot=/dev/sda1',
    ' root=LABEL=x',
  ])('stay as they are in %j', (args) => expect(byUuid(args)).toBe(args));

  it('name the file system of a swap file to resume from', () => {
    expect(byUuid('resume=/dev/sda1 resume_offset=34816')).toBe('resume=UUID=R resume_offset=34816');
  });

  it.each([
    ['cryptdevice=/dev/sda2:root', 'cryptdevice=UUID=L:root'],
    ['quiet cryptdevice=/dev/sda2:root:allow-discards ro', 'quiet cryptdevice=UUID=L:root:allow-discards ro'],
    ['cryptkey=/dev/sda1:ext4:/key root=/dev/mapper/root', 'cryptkey=UUID=R:ext4:/key root=/dev/mapper/root'],
    ['cryptkey=rootfs:/key', 'cryptkey=rootfs:/key'],
    // Bytes of the disk itself, and a place that holds something else.
    ['cryptkey=/dev/sda:4096:512', 'cryptkey=/dev/sda:4096:512'],
    ['cryptdevice=/dev/sda5:root', 'cryptdevice=/dev/sda5:root'],
    ['cryptkey=/dev/sda1:vfat:/key', 'cryptkey=/dev/sda1:vfat:/key'],
  ])('of an encrypted root on Arch: %j become %j', (before, after) => {
    const luks = { device: '/dev/sda2', disk: 0, partition: 2, fsType: 'crypto_LUKS', uuid: 'L' };
    const seen: string[] = [];
    const edit = stableDevices({ ...map, volumes: [...map.volumes, luks] }, 'partuuid', 'grub', seen);
    expect(edit(before)).toBe(after);
    // What stays is told.
    expect(seen).toHaveLength(/\/dev\/sda/.test(after) ? 1 : 0);
    expect(edit(after)).toBe(after);
  });

  it('are reported where they name a device for another purpose', () => {
    const seen: string[] = [];
    const args =
      'root=UUID=R rootflags=logdev=/dev/sdb1 mem=/dev/null rd.luks.key=/k:/dev/nvme0n1p3 root2=/dev/dm-0';
    expect(stableDevices(map, 'uuid', 'grub.cfg', seen)(args)).toBe(args);
    expect(seen).toEqual([
      'rootflags=logdev=/dev/sdb1 in grub.cfg names a device that may move.',
      'rd.luks.key=/k:/dev/nvme0n1p3 in grub.cfg names a device that may move.',
    ]);
  });

  it("are edited where Photon keeps them, and its menu entry's variables stay", () => {
    const menu =
      'set rootpartition=/dev/sda1\nmenuentry "Photon" {\n    linux /boot/$photon_linux root=$rootpartition $photon_cmdline $systemd_cmdline\n}\n';
    expect(editGrubCfg(menu, byUuid)).toBe(menu.replace('/dev/sda1', 'UUID=R'));
    expect(editGrubCfg(menu, serialConsoleArguments)).toBe(menu);
    expect(
      editPhotonCfg(
        '# GRUB Environment Block\nphoton_cmdline=quiet\nphoton_linux=vmlinuz-6.1\n',
        serialConsoleArguments,
      ),
    ).toBe(
      '# GRUB Environment Block\nphoton_cmdline=quiet console=ttyS0,115200 console=tty0\nphoton_linux=vmlinuz-6.1\n',
    );
  });

  it('of btrfs subvolumes stay', () => {
    const text =
      '\tlinux /@/boot/vmlinuz-6.4-default root=/dev/sda1 rootflags=subvol=@/.snapshots/1/snapshot\n';
    expect(editGrubCfg(text, byUuid)).toBe(text.replace('root=/dev/sda1', 'root=UUID=R'));
  });

  it('are reported when nothing is found at their place', () => {
    const seen: string[] = [];
    expect(stableDevices(map, 'uuid', 'grub.cfg', seen)('root=/dev/sdb1')).toBe('root=/dev/sdb1');
    expect(seen[0]).toContain('/dev/sdb1 would be disk 2');
  });

  it('are edited in /etc/default/grub inside the quotes, for both kinds of quotes', () => {
    const text = `GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT="quiet resume=/dev/sda5" # swap\nGRUB_CMDLINE_LINUX='root=/dev/sda1'\nGRUB_CMDLINE_LINUX="$X root=/dev/sda1"\n#GRUB_CMDLINE_LINUX="root=/dev/sda1"\n`;
    expect(editGrubDefault(text, byUuid, /^GRUB_CMDLINE_LINUX/)).toBe(
      text.replace('resume=/dev/sda5', 'resume=UUID=S').replace("'root=/dev/sda1'", "'root=UUID=R'"),
    );
  });

  it('are edited in BLS entries of RHEL 9, and in grubenv where RHEL 8 keeps them', () => {
    const rhel9 =
      'title Red Hat\nversion 5.14\nlinux /vmlinuz-5.14\noptions root=/dev/sda1 ro crashkernel=1G\n';
    expect(editBlsEntry(rhel9, byUuid)).toBe(rhel9.replace('/dev/sda1', 'UUID=R'));
    const rhel8 = 'title Red Hat\noptions $kernelopts $tuned_params\n';
    expect(editBlsEntry(rhel8, serialConsoleArguments)).toBe(rhel8);
    const block =
      '# GRUB Environment Block\nsaved_entry=abc\nkernelopts=root=/dev/sda1 ro \nboot_success=0\n'.padEnd(
        1024,
        '#',
      );
    const edited = editGrubEnv(block, byUuid);
    expect(edited).toHaveLength(1024);
    expect(edited).toContain('\nkernelopts=root=UUID=R ro \nboot_success=0\n#');
  });

  it('leave a grubenv alone that is none, or has no room', () => {
    const full =
      `# GRUB Environment Block\nkernelopts=root=/dev/sda1 ${'x'.repeat(970)}`.padEnd(1023, 'x') + '\n';
    expect(editGrubEnv(full, serialConsoleArguments)).toBe(full);
    expect(editGrubEnv('kernelopts=root=/dev/sda1\n', byUuid)).toBe('kernelopts=root=/dev/sda1\n');
  });

  it('are edited for extlinux, GRUB legacy and /etc/kernel/cmdline', () => {
    expect(editExtlinux('LABEL l\n  APPEND root=/dev/sda1 ro\n', byUuid)).toBe(
      'LABEL l\n  APPEND root=UUID=R ro\n',
    );
    const legacy =
      '# kopt=root=/dev/hda1 ro\ntitle Debian\nroot (hd0,0)\nkernel /boot/vmlinuz-2.6.32 root=/dev/hda1 ro\n';
    expect(editGrubLegacy(legacy, byUuid)).toBe(legacy.replaceAll('/dev/hda1', 'UUID=R'));
    expect(editCmdlineFile('root=/dev/sda1 ro\n', byUuid)).toBe('root=UUID=R ro\n');
  });
});

describe('console arguments', () => {
  it.each([
    ['', 'console=ttyS0,115200 console=tty0'],
    [' root=UUID=R ro quiet', ' root=UUID=R ro quiet console=ttyS0,115200 console=tty0'],
    ['quiet console=tty1', 'quiet console=ttyS0,115200 console=tty1'],
    [' ro console=hvc0', ' ro console=ttyS0,115200 console=tty0'],
    ['console=tty0 console=hvc0 ro', 'console=ttyS0,115200 console=tty0 ro'],
  ])('%j become %j, the screen last', (before, after) => {
    expect(serialConsoleArguments(before).replace(/ +/g, ' ')).toBe(after);
  });

  it('stay when the guest has a serial console, wherever it is (Azure, EC2)', () => {
    for (const args of ['console=tty1 console=ttyS0 earlyprintk=ttyS0', 'console=ttyS0,115200n8 quiet'])
      expect(serialConsoleArguments(args)).toBe(args);
  });

  it('are not given to memtest', () => {
    expect(editGrubCfg(debianGrubCfg, serialConsoleArguments)).toContain('memtest86+.bin\n');
  });
});

describe('hostile boot loader files', () => {
  const editors = [
    editGrubCfg,
    editBlsEntry,
    editGrubEnv,
    editExtlinux,
    editGrubLegacy,
    editCmdlineFile,
    editPhotonCfg,
  ];
  const words = fc.constantFrom(
    'linux ',
    '\toptions ',
    'options ',
    ' root=/dev/sda1',
    'append ',
    '"',
    "'",
    '\n',
    '\r\n',
    ' console=hvc0',
    ' /vmlinuz',
    'kernel ',
    '\\',
    '$kernelopts',
  );
  it('never break an editor, and a second pass changes nothing', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(words, fc.string())), (parts) => {
        const text = parts.join('');
        for (const editor of editors)
          for (const edit of [byUuid, serialConsoleArguments]) {
            const once = editor(text, edit);
            expect(editor(once, edit)).toBe(once);
          }
      }),
      { numRuns: 300 },
    );
  });
});
