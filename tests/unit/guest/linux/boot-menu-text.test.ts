import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { grubEnvVariable, setGrubEnvVariable } from '../../../../activities/guest/linux/boot-config-text.ts';
import {
  findMenuItem,
  grubCfgDefault,
  legacyMenuDefault,
  loaderConfDefault,
  nameOfKernel,
  parseBlsEntry,
  parseExtlinuxMenu,
  parseGrubMenu,
  parseLegacyMenu,
  setExtlinuxDefault,
  setGrubCfgDefault,
  setGrubDefaultVariable,
  setLegacyMenuDefault,
  setLoaderConfDefault,
} from '../../../../activities/guest/linux/boot-menu-text.ts';

/** As Debian's grub-mkconfig writes it, shortened. */
const debian = `if [ "\${next_entry}" ] ; then
   set default="\${next_entry}"
   set next_entry=
else
   set default="0"
fi
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-R' {
\tload_video
\tlinux\t/boot/vmlinuz-6.1.0-20-xen root=UUID=R ro quiet
}
submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced-R' {
\tmenuentry 'Debian GNU/Linux, with Linux 6.1.0-20-xen' $menuentry_id_option 'gnulinux-6.1.0-20-xen-advanced-R' {
\t\tlinux\t/boot/vmlinuz-6.1.0-20-xen root=UUID=R ro quiet
\t}
\tmenuentry 'Debian GNU/Linux, with Linux 6.1.0-18-amd64 (recovery mode)' $menuentry_id_option 'gnulinux-6.1.0-18-amd64-recovery-R' {
\t\tlinux\t/boot/vmlinuz-6.1.0-18-amd64 root=UUID=R ro single
\t}
\tmenuentry 'Debian GNU/Linux, with Linux 6.1.0-18-amd64' $menuentry_id_option 'gnulinux-6.1.0-18-amd64-advanced-R' {
\t\tlinux\t/boot/vmlinuz-6.1.0-18-amd64 root=UUID=R ro quiet
\t}
}
menuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {
\tfwsetup
}
`;
const advanced = 'gnulinux-advanced-R>gnulinux-6.1.0-18-amd64-advanced-R';
const isAmd64 = (path: string) => path.endsWith('6.1.0-18-amd64');

describe("GRUB's menu", () => {
  const items = parseGrubMenu(debian);

  it.each([
    ['0', '/boot/vmlinuz-6.1.0-20-xen'],
    ['1', '/boot/vmlinuz-6.1.0-20-xen'],
    ['1>2', '/boot/vmlinuz-6.1.0-18-amd64'],
    ['Debian GNU/Linux', '/boot/vmlinuz-6.1.0-20-xen'],
    [advanced, '/boot/vmlinuz-6.1.0-18-amd64'],
    ['uefi-firmware', undefined],
    ['7', undefined],
  ])('starts by the default %s the kernel %s', (name, kernel) => {
    expect(findMenuItem(items, name)?.kernel).toBe(kernel);
  });

  it('names the entry of a kernel, which is not its recovery entry', () => {
    expect(nameOfKernel(items, isAmd64)).toBe(advanced);
    expect(nameOfKernel(items, (path) => path.endsWith('5.10'))).toBeUndefined();
  });

  it('gets another default where the usual one is set, and in what it is made from', () => {
    expect(grubCfgDefault(debian)).toBe('0');
    const changed = setGrubCfgDefault(debian, advanced);
    expect(changed).toBe(debian.replace('set default="0"', `set default="${advanced}"`));
    expect(grubCfgDefault(changed)).toBe(advanced);
    expect(setGrubDefaultVariable('GRUB_DEFAULT=0\nGRUB_TIMEOUT=5\n', advanced)).toBe(
      `GRUB_DEFAULT="${advanced}"\nGRUB_TIMEOUT=5\n`,
    );
    expect(setGrubDefaultVariable('GRUB_TIMEOUT=5', '1')).toBe('GRUB_TIMEOUT=5\nGRUB_DEFAULT="1"\n');
  });

  it("finds the kernel of Xen's own entries among the modules", () => {
    const xen = `menuentry 'Xen' {\n\tmultiboot2\t/boot/xen-4.17.gz\n\tmodule2\t/boot/vmlinuz-6.1 root=/dev/xvda1\n\tmodule2 --nounzip /boot/initrd.img-6.1\n}\n`;
    expect(findMenuItem(parseGrubMenu(xen), '0')?.kernel).toBe('/boot/vmlinuz-6.1');
  });

  it('remembers an entry in a block of 1024 bytes', () => {
    const block = '# GRUB Environment Block\nsaved_entry=abc-5.14.0\nboot_success=0\n'.padEnd(1024, '#');
    const changed = setGrubEnvVariable(block, 'saved_entry', 'abc-4.18.0');
    expect(changed).toHaveLength(1024);
    expect(grubEnvVariable(changed, 'saved_entry')).toBe('abc-4.18.0');
    const empty = '# GRUB Environment Block\n'.padEnd(1024, '#');
    expect(setGrubEnvVariable(empty, 'saved_entry', 'x')).toMatch(
      /^# GRUB Environment Block\nsaved_entry=x\n#+$/,
    );
    expect(setGrubEnvVariable(block, 'saved_entry', 'x'.repeat(1000))).toBe(block);
    expect(setGrubEnvVariable('', 'saved_entry', 'x')).toBe('');
  });
});

describe('the menus of other loaders', () => {
  const legacy =
    '#boot=/dev/sda\ndefault=0\ntimeout=5\ntitle CentOS (2.6.18-398.el5xen)\n\troot (hd0,0)\n\tkernel /xen.gz-2.6.18-398.el5\n\tmodule /vmlinuz-2.6.18-398.el5xen ro root=/dev/xvda2\n\tmodule /initrd-2.6.18-398.el5xen.img\ntitle CentOS (2.6.18-398.el5)\n\troot (hd0,0)\n\tkernel (hd0,0)/vmlinuz-2.6.18-398.el5 ro root=LABEL=/\n';

  it('of GRUB legacy count entries from 0, and start Xen with a kernel as its first module', () => {
    expect(parseLegacyMenu(legacy).map(({ kernel }) => kernel)).toEqual([
      '/vmlinuz-2.6.18-398.el5xen',
      '/vmlinuz-2.6.18-398.el5',
    ]);
    expect(legacyMenuDefault(legacy)).toBe('0');
    expect(setLegacyMenuDefault(legacy, 1)).toBe(legacy.replace('default=0', 'default=1'));
    expect(setLegacyMenuDefault('title x\n', 1)).toBe('default 1\ntitle x\n');
  });

  it('of extlinux go by label', () => {
    const text = 'DEFAULT xen\nPROMPT 0\nLABEL xen\n  KERNEL vmlinuz-xen\nLABEL lts\n  LINUX vmlinuz-lts\n';
    expect(parseExtlinuxMenu(text)).toEqual({
      defaultLabel: 'xen',
      items: [
        { title: 'xen', kernel: 'vmlinuz-xen' },
        { title: 'lts', kernel: 'vmlinuz-lts' },
      ],
    });
    expect(setExtlinuxDefault(text, 'lts')).toBe(text.replace('DEFAULT xen', 'DEFAULT lts'));
  });

  it('of systemd-boot go by the name of an entry', () => {
    const text = 'timeout 3\n#console-mode keep\ndefault abc-*\n';
    expect(loaderConfDefault(text)).toBe('abc-*');
    expect(setLoaderConfDefault(text, 'abc-6.1.conf')).toBe(text.replace('abc-*', 'abc-6.1.conf'));
    expect(setLoaderConfDefault('timeout 3', 'x.conf')).toBe('timeout 3\ndefault x.conf\n');
    const entry = parseBlsEntry(
      'title Fedora\nversion 6.8\nlinux /abc/6.8/linux\noptions root=UUID=1 ro\n',
      'abc-6.8',
    );
    expect(entry).toEqual({ title: 'Fedora', id: 'abc-6.8', kernel: '/abc/6.8/linux' });
  });
});

describe('hostile menus', () => {
  const words = fc.constantFrom('menuentry ', 'submenu ', "'a' ", '{', '}', '\n', ' linux /vmlinuz-1', 'set default=', '"0"',
    'default ', 'title ', 'kernel /xen', 'LABEL x', 'DEFAULT ', '0', '>', '$menuentry_id_option'); // prettier-ignore
  const text = fc.array(fc.oneof(words, fc.string())).map((parts) => parts.join(''));

  it('never break a reader, and a default set twice is set once', () => {
    fc.assert(
      fc.property(text, (menu) => {
        const items = [...parseGrubMenu(menu), ...parseLegacyMenu(menu), ...parseExtlinuxMenu(menu).items];
        findMenuItem(items, grubCfgDefault(menu) ?? '0');
        const name = nameOfKernel(items, () => true);
        const setters = [
          (now: string) => setGrubCfgDefault(now, name ?? '0'),
          (now: string) => setGrubDefaultVariable(now, name ?? '0'),
          (now: string) => setLegacyMenuDefault(now, 1),
          (now: string) => setExtlinuxDefault(now, 'x'),
          (now: string) => setLoaderConfDefault(now, 'x.conf'),
        ];
        for (const set of setters) expect(set(set(menu))).toBe(set(menu));
      }),
      { numRuns: 300 },
    );
  });
});
