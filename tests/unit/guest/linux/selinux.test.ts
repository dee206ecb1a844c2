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

describe("labels of files that the guest's own programs wrote", () => {
  const removed = { ...changed('/var/lib/rpm'), ranProgramsAt: Date.parse('2026-11-25T08:00:00Z') };
  const contents = { '/var/lib/rpm/rpmdb.sqlite': '', '/etc/ld.so.cache': '', '/etc/vmware.conf': '' };

  it('are set on all that changed since, listed or not', async () => {
    const asked: string[][] = [];
    const find = (argv: readonly string[]) => {
      if (!argv.includes('find')) return '';
      asked.push([...argv.slice(argv.indexOf('find'))]);
      return '/etc/ld.so.cache\n/etc/vmware.conf\n/boot/efi/x\n';
    };
    const { files, labels, done } = await fix([removed], contents, programs(find));
    expect(labels.get('/etc/ld.so.cache')).toBe('system_u:object_r:etc_t:s0');
    expect(labels.has('/etc/vmware.conf')).toBe(true);
    expect(labels.has('/var/lib/rpm/rpmdb.sqlite')).toBe(true);
    expect(files.has('/.autorelabel')).toBe(false);
    expect(done).toEqual([contexts]);
    expect(asked).toEqual([
      ['find', '/', '/boot', '-xdev', '!', '-type', 'd', '-newerct', '2026-11-25 07:59:00 UTC', '-print'],
    ]);
  });

  it.each([
    [
      'it cannot be said what changed',
      () => {
        throw new Error('find: unknown predicate -newerct');
      },
    ],
    [
      'too much changed',
      () => Array.from({ length: 2000 }, (_none, index) => `/usr/lib/x/${index}\n`).join(''),
    ],
  ])('are all set anew at the first boot where %s', async (_why, find) => {
    const { files, done } = await fix([removed], contents, programs(find));
    expect(files.has('/.autorelabel')).toBe(true);
    expect(done).toEqual(['/.autorelabel']);
  });

  it('are not searched for where no program ran', async () => {
    const { done } = await fix(
      [changed('/etc/a.conf')],
      { '/etc/a.conf': '' },
      programs(() => {
        throw new Error('nothing is run');
      }),
    );
    expect(done).toEqual([contexts]);
  });
});
