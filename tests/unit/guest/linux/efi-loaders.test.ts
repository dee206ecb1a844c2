import { describe, expect, it } from 'vitest';
import {
  planFallback,
  programInCsv,
  type EspFolder,
} from '../../../../activities/guest/linux/efi-loaders.ts';

const folder = (name: string, files: Record<string, number>): EspFolder => ({
  name,
  files: Object.entries(files).map(([file, sizeBytes]) => ({ name: file, sizeBytes })),
});
const plan = (folders: EspFolder[], about = {}, csv: Record<string, string> = {}) => {
  const { copies, warnings } = planFallback(
    folders,
    { arch: 'x86_64', ...about },
    new Map(Object.entries(csv)),
  );
  return { copies: copies.map(({ from, to }) => `${from} -> ${to}`), warnings };
};
const copies = (...args: Parameters<typeof plan>) => plan(...args).copies;

describe('the fallback loader of an EFI system partition', () => {
  it('stays when there is one, however it is spelled', () => {
    expect(plan([folder('boot', { 'bootx64.efi': 5 }), folder('debian', { 'grubx64.efi': 9 })])).toEqual({
      copies: [],
      warnings: [],
    });
  });

  it('is the GRUB of Debian without Secure Boot', () => {
    expect(copies([folder('debian', { 'grubx64.efi': 9, 'grub.cfg': 120 })])).toEqual([
      'debian/grub.cfg -> BOOT/grub.cfg',
      'debian/grubx64.efi -> BOOT/BOOTX64.EFI',
    ]);
  });

  it('is the 64-bit one of a 32-bit system that firmware of 64 bits starts, and else what there is', () => {
    const both = folder('debian', { 'grubx64.efi': 9, 'grubia32.efi': 8 });
    for (const arch of ['i386', 'i686']) {
      expect(copies([both], { arch })).toEqual(['debian/grubx64.efi -> BOOT/BOOTX64.EFI']);
      expect(copies([folder('debian', { 'grubia32.efi': 8 })], { arch })).toEqual([
        'debian/grubia32.efi -> BOOT/BOOTIA32.EFI',
      ]);
      expect(plan([folder('BOOT', { 'bootx64.efi': 5 }), both], { arch })).toEqual({
        copies: [],
        warnings: [],
      });
    }
  });

  it('is not known for every machine, which is told', () => {
    expect(plan([folder('debian', { 'grubppc64.efi': 9 })], { arch: 'ppc64le' })).toEqual({
      copies: [],
      warnings: [
        'No fallback loader was looked for: what firmware starts on ppc64le is not known; the VM may need a boot entry made by hand.',
      ],
    });
  });

  it('is shim with what it starts beside it, and written last', () => {
    expect(
      copies([folder('ubuntu', { 'grubx64.efi': 9, 'shimx64.efi': 7, 'mmx64.efi': 3, 'grub.cfg': 120 })]),
    ).toEqual([
      'ubuntu/grubx64.efi -> BOOT/grubx64.efi',
      'ubuntu/grub.cfg -> BOOT/grub.cfg',
      'ubuntu/mmx64.efi -> BOOT/mmx64.efi',
      'ubuntu/shimx64.efi -> BOOT/BOOTX64.EFI',
    ]);
  });

  it('is shim with its helper where the distribution says by BOOTX64.CSV what it would make of it', () => {
    const redhat = folder('redhat', {
      'shimx64.efi': 7,
      'grubx64.efi': 9,
      'fbx64.efi': 2,
      'BOOTX64.CSV': 60,
      'grub.cfg': 9000,
    });
    expect(copies([redhat], { distroId: 'rhel' }, { redhat: 'shimx64.efi' })).toEqual([
      'redhat/fbx64.efi -> BOOT/fbx64.efi',
      'redhat/shimx64.efi -> BOOT/BOOTX64.EFI',
    ]);
    // A table that names nothing there is of no use; a whole grub.cfg is not copied.
    expect(copies([redhat], { distroId: 'rhel' }, { redhat: 'shimia32.efi' })).toEqual([
      'redhat/grubx64.efi -> BOOT/grubx64.efi',
      'redhat/shimx64.efi -> BOOT/BOOTX64.EFI',
    ]);
  });

  it("is SUSE's shim under SUSE's names", () => {
    expect(
      copies([folder('opensuse', { 'shim.efi': 7, 'grub.efi': 9, 'MokManager.efi': 3, 'grub.cfg': 150 })]),
    ).toEqual([
      'opensuse/grub.efi -> BOOT/grub.efi',
      'opensuse/grub.cfg -> BOOT/grub.cfg',
      'opensuse/MokManager.efi -> BOOT/MokManager.efi',
      'opensuse/shim.efi -> BOOT/BOOTX64.EFI',
    ]);
  });

  it('is systemd-boot, on whichever machine', () => {
    expect(copies([folder('systemd', { 'systemd-bootaa64.efi': 5 })], { arch: 'aarch64' })).toEqual([
      'systemd/systemd-bootaa64.efi -> BOOT/BOOTAA64.EFI',
    ]);
    expect(copies([folder('systemd', { 'systemd-bootx64.efi': 5 })], { arch: 'aarch64' })).toEqual([]);
  });

  it('is that of the guest itself when several left theirs', () => {
    const both = [
      folder('centos', { 'shimx64.efi': 7, 'grubx64.efi': 9 }),
      folder('rocky', { 'grubx64.efi': 9 }),
    ];
    expect(copies(both, { distroId: 'rocky' })).toEqual(['rocky/grubx64.efi -> BOOT/BOOTX64.EFI']);
    expect(copies(both).at(-1)).toBe('centos/shimx64.efi -> BOOT/BOOTX64.EFI');
  });

  it('is completed when it is a shim that would find nothing to start, or replaced when it is empty', () => {
    const debian = folder('debian', { 'shimx64.efi': 7, 'grubx64.efi': 9 });
    expect(copies([folder('BOOT', { 'BOOTX64.EFI': 7 }), debian])).toEqual([
      'debian/grubx64.efi -> BOOT/grubx64.efi',
    ]);
    expect(copies([folder('Boot', { 'bootx64.efi': 0 }), debian])).toEqual([
      'debian/grubx64.efi -> Boot/grubx64.efi',
      'debian/shimx64.efi -> Boot/bootx64.efi',
    ]);
    expect(copies([folder('BOOT', { 'BOOTX64.EFI': 7, 'grubx64.efi': 9 }), debian])).toEqual([]);
  });

  it('is the newest unified kernel when there is no loader at all, and people are told', () => {
    const linux = folder('Linux', { 'arch-6.9.efi': 60, 'arch-6.10.efi': 61 });
    expect(plan([linux])).toEqual({
      copies: ['Linux/arch-6.10.efi -> BOOT/BOOTX64.EFI'],
      warnings: [expect.stringContaining('kernel updates do not reach it')],
    });
  });

  it('is missed aloud when nothing could become it', () => {
    expect(plan([folder('Microsoft', { 'bootmgfw.efi': 5 })])).toEqual({
      copies: [],
      warnings: [
        expect.stringContaining('no fallback loader, and none that could become it (it has Microsoft)'),
      ],
    });
  });
});

describe("shim's table of boot entries", () => {
  it('names the program first, in UTF-16', () => {
    const csv = Buffer.from('\ufeffshimx64.efi,debian,,This is the boot entry for debian\r\n', 'utf16le');
    expect(programInCsv(csv)).toBe('shimx64.efi');
    expect(programInCsv(Buffer.from('..\\..\\x.efi,a,,b', 'utf16le'))).toBeUndefined();
    expect(programInCsv(Buffer.alloc(3, 255))).toBeUndefined();
  });
});
