import { describe, expect, it } from 'vitest';
import { dropForcedPartUuid, takeInitramfs } from '../../../../activities/guest/linux/initrdless-text.ts';

const menu = `\tif [ "\${initrdfail}" = 1 ]; then
\t  linux\t/vmlinuz root=PARTUUID=1 ro
\t  initrd\t/initrd.img
\telse
\t  linux\t/vmlinuz root=PARTUUID=1 ro panic=-1
\tfi
\tinitrdfail
`;

describe("a kernel of Ubuntu's images for clouds", () => {
  it('is started with its initramfs, once and for all', () => {
    const once = takeInitramfs(menu);
    expect(once).toBe(menu.replace('"${initrdfail}" = 1', '1 = 1'));
    expect(takeInitramfs(once)).toBe(once);
    const other = 'if [ "${recordfail}" = 1 ]; then\n  set timeout=30\nfi\n';
    expect(takeInitramfs(other)).toBe(other);
  });

  it('keeps it in menus that are made later', () => {
    const text =
      '# Force boot without an initramfs by setting GRUB_FORCE_PARTUUID\nGRUB_FORCE_PARTUUID=7e24\n';
    const once = dropForcedPartUuid(text);
    expect(once).toBe(text.replace('\nGRUB', '\n# GRUB'));
    expect(dropForcedPartUuid(once)).toBe(once);
  });
});
