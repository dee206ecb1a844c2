import { describe, expect, it } from 'vitest';
import { LonghaulError } from '../../../contracts/errors.ts';
import type { ApplianceProcess } from '../../../activities/guest/session/appliance-process.ts';
import { GuestSession } from '../../../activities/guest/session/guest-session.ts';
import { testIo } from '../../support/io.ts';

/**
 * An appliance as libguestfs has it: most calls run within the guest's tree, where /etc/netplan leads to
 * /data/netplan; `mv` works on the path that tree has in the appliance, where it leads nowhere.
 */
function sessionOn(files: Map<string, string>, fails: readonly string[] = []) {
  const inGuest = (path: string) => path.replace(/^\/etc\/netplan(?=\/|$)/, '/data/netplan');
  const calls: Record<string, (...args: string[]) => unknown> = {
    is_symlink: () => false,
    realpath: (path = '') => inGuest(path),
    exists: (path = '') => files.has(inGuest(path)),
    write: (path = '', content = '') => files.set(inGuest(path), content),
    rm_f: (path = '') => files.delete(inGuest(path)),
    mv: (from = '', to = '') => {
      if (from !== inGuest(from)) throw refused(`mv: cannot stat '/sysroot${from}'`);
      files.set(to, files.get(from) ?? '');
      files.delete(from);
    },
  };
  const refused = (found: string) => new LonghaulError('GUESTFS_FAILED', { found, remedy: '' });
  const appliance = {
    alive: true,
    call: async (name: string, args: unknown[]) => {
      await Promise.resolve();
      if (fails.includes(name)) throw refused(name);
      return calls[name]?.(...args.map(String));
    },
  };
  const limits = { launchMs: 1, callMs: 1, commandMs: 1 };
  return new GuestSession(appliance as unknown as ApplianceProcess, limits, testIo(), 0);
}

describe('replacing a file of the guest', () => {
  it('works in a directory that is an absolute link', async () => {
    const files = new Map([['/data/netplan/01.yaml', 'old']]);
    await sessionOn(files).replaceFile('/etc/netplan/01.yaml', 'new');
    expect(Object.fromEntries(files)).toEqual({ '/data/netplan/01.yaml': 'new' });
    const top = new Map<string, string>();
    await sessionOn(top).replaceFile('/new', 'text');
    expect(Object.fromEntries(top)).toEqual({ '/new': 'text' });
  });

  it.each(['mv', 'chmod'])('leaves nothing beside it when %s fails', async (call) => {
    const files = new Map([['/etc/other', 'text']]);
    await expect(sessionOn(files, [call]).replaceFile('/etc/fresh', 'new')).rejects.toThrow(call);
    expect(Object.fromEntries(files)).toEqual({ '/etc/other': 'text' });
  });
});
