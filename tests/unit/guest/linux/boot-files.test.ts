import { describe, expect, it } from 'vitest';
import { planBootEdit } from '../../../../activities/guest/linux/boot-files.ts';
import type { DeviceMap } from '../../../../activities/guest/linux/device-map.ts';
import {
  serialConsoleArguments,
  stableDevices,
} from '../../../../activities/guest/linux/kernel-arguments.ts';
import { filesGuest } from '../../../support/files-guest.ts';

const uuid = '7ed10001-5f2c-4a7e-9a01-000000000001';
const map: DeviceMap = {
  diskCount: 1,
  volumes: [{ device: '/dev/sda2', disk: 0, partition: 2, fsType: 'ext4', uuid }],
};
const block = (args: string) => `# GRUB Environment Block\nkernelopts=${args}\n`.padEnd(1024, '#');

async function edited(path: string, text: string, edit = stableDevices(map, 'uuid', path, [])) {
  const { guest, files } = filesGuest({ [path]: text });
  const { changes, warnings } = await planBootEdit(guest, {
    what: 'It is edited.',
    variables: /^GRUB_CMDLINE_LINUX/,
    editorFor: () => edit,
  });
  for (const change of changes) await change.apply(guest);
  return { text: files.get(path), warnings };
}

describe('a kernel command line that cannot be edited where it is kept', () => {
  it('is told of an environment block that is full', async () => {
    const full = block(`root=/dev/sda2 ${'x'.repeat(960)}`);
    expect(await edited('/boot/grub2/grubenv', full)).toEqual({
      text: full,
      warnings: ['/boot/grub2/grubenv has no room for the new kernel arguments: they stay as they were.'],
    });
    const roomy = await edited('/boot/grub2/grubenv', block('root=/dev/sda2 ro'));
    expect(roomy).toEqual({ text: block(`root=UUID=${uuid} ro`), warnings: [] });
  });

  it('is told of an environment block of another size', async () => {
    const { warnings } = await edited('/boot/grub2/grubenv', block('root=/dev/sda2').slice(0, 700));
    expect(warnings).toEqual([
      '/boot/grub2/grubenv is no environment block of 1024 bytes: its kernel arguments stay as they were.',
    ]);
    expect((await edited('/boot/grub2/grubenv', 'saved_entry=1\n')).warnings).toEqual([]);
  });

  it.each([
    'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX root=/dev/sda2"\n',
    'GRUB_CMDLINE_LINUX="root=/dev/sda2 dyndbg=\\"file x +p\\""\n',
    'export GRUB_CMDLINE_LINUX=`echo root=/dev/sda2`\n',
  ])('is told of a value with an expansion or an escape: %j', async (text) => {
    expect(await edited('/etc/default/grub', text)).toEqual({
      text,
      warnings: [
        '/etc/default/grub sets GRUB_CMDLINE_LINUX with an expansion or an escape, and names a device that may move in it; it was left alone.',
      ],
    });
  });

  it('is nothing to tell of where the value names no device, or is edited, or is none of the kernel', async () => {
    const quiet =
      'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX quiet"\nGRUB_X="$Y root=/dev/sda2"\n# GRUB_CMDLINE_LINUX="$X root=/dev/sda2"\n';
    expect(await edited('/etc/default/grub', quiet, serialConsoleArguments)).toEqual({
      text: quiet,
      warnings: [],
    });
    expect((await edited('/etc/default/grub', 'GRUB_CMDLINE_LINUX="root=/dev/sda2"\n')).warnings).toEqual([]);
  });
});
