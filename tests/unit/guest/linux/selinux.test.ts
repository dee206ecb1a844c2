import { describe, expect, it } from 'vitest';
import type { FixContext } from '../../../../activities/guest/linux/fix.ts';
import { selinuxFix } from '../../../../activities/guest/linux/selinux.ts';
import type { FixChange } from '../../../../contracts/values.ts';
import { filesGuest } from '../../../support/files-guest.ts';

const contexts = '/etc/selinux/targeted/contexts/files/file_contexts';
const enforcing = {
  '/etc/selinux/config': 'SELINUX=enforcing\n',
  [contexts]: '/etc/.*',
  '/usr/sbin/matchpathcon': 'ELF',
};
const mountpoints = [
  { path: '/', device: '/dev/sda3', fsType: 'xfs' },
  { path: '/boot', device: '/dev/sda2', fsType: 'xfs' },
  { path: '/boot/efi', device: '/dev/sda1', fsType: 'vfat' },
  { path: '/srv', device: '/dev/sdb1', fsType: 'xfs' },
];

/** matchpathcon(8) and whatever else is run. */
const programs =
  (others: (argv: readonly string[]) => string = () => '') =>
  (argv: readonly string[]) => {
    const at = argv.indexOf('/usr/sbin/matchpathcon');
    if (at < 0) return others(argv);
    return argv
      .slice(at + 1)
      .map((path) => `${path}\tsystem_u:object_r:etc_t:s0\n`)
      .join('');
  };

async function fix(earlier: FixContext['earlier'], contents: Record<string, string>, command = programs()) {
  const made = filesGuest({ ...enforcing, ...contents }, command);
  const context = { guest: made.guest, earlier, facts: { os: 'linux', mountpoints } };
  const { changes } = await selinuxFix.plan(context as unknown as FixContext);
  const planned = changes.map(({ path }) => path);
  for (const change of changes) await change.apply(made.guest);
  return { ...made, planned, done: changes.map(({ path }) => path) };
}

const changed = (path: string): FixChange => ({ path, what: 'It is changed.' });

describe('labels of changed files', () => {
  it('are set where they are missing', async () => {
    const { labels, done } = await fix([changed('/etc/a.conf')], { '/etc/a.conf': '' });
    expect(labels.get('/etc/a.conf')).toBe('system_u:object_r:etc_t:s0');
    expect(done).toEqual([contexts]);
  });

  it('are not asked for on the EFI system partition, which has none', async () => {
    const esp = '/boot/efi/EFI/redhat/grub.cfg';
    const { files, labels, done } = await fix([changed(esp), changed('/etc/a.conf')], {
      [esp]: '',
      '/etc/a.conf': '',
    });
    expect(files.has('/.autorelabel')).toBe(false);
    expect([...labels.keys()]).toEqual(['/etc', '/etc/a.conf']);
    expect(done).toEqual([contexts]);
    expect((await fix([changed(esp)], { [esp]: '' })).planned).toEqual([]);
  });
});
