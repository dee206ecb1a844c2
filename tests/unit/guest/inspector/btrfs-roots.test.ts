import { describe, expect, it } from 'vitest';
import {
  chooseSubvolumes,
  type SubvolumeSystem,
} from '../../../../activities/guest/inspector/btrfs-roots.ts';

/** `path -> subvolume its fstab names`; an empty path is the top level, `-` no subvolume. */
function choose(defaultPath: string, ...systems: string[]): (string | undefined)[] {
  const parsed = systems.map((each): SubvolumeSystem => {
    const [path = '', fstab = ''] = each.split(' -> ');
    return { path: path === '' ? undefined : path, fstabSubvolume: fstab === '-' ? undefined : fstab };
  });
  return chooseSubvolumes(parsed, (path) => (path ?? '') === defaultPath);
}

describe('choosing the root among btrfs subvolumes', () => {
  it('takes the default snapshot of snapper, whose fstab names no subvolume', () => {
    const first = '@/.snapshots/1/snapshot';
    expect(choose(first, `${first} -> -`)).toEqual([first]);
  });

  it('takes the one that its own fstab names, not copies of it', () => {
    expect(choose('', '@ -> @', 'backup-of-root -> @', 'before-upgrade -> @')).toEqual(['@']);
    expect(choose('', ' -> -', 'copy -> -')).toEqual([undefined]);
  });

  it('keeps two systems apart that each name themselves', () => {
    expect(choose('', '@ubuntu -> @ubuntu', '@debian -> @debian', 'old -> @debian')).toEqual([
      '@ubuntu',
      '@debian',
    ]);
  });

  it('goes by the usual names where no fstab tells, and asks about the rest', () => {
    expect(choose('', 'root -> -', 'other -> -')).toEqual(['root']);
    expect(choose('', 'one -> -', 'other -> -')).toEqual(['one', 'other']);
  });

  it('takes the newest of snapshots when nothing else is left', () => {
    expect(choose('', '.snapshots/9/snapshot -> @', '.snapshots/10/snapshot -> @')).toEqual([
      '.snapshots/10/snapshot',
    ]);
  });

  it('finds nothing in nothing', () => {
    expect(choose('')).toEqual([]);
  });
});
