import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FixContext } from '../../../activities/guest/linux/fix.ts';
import { fixOffline } from '../../../activities/guest/offline-fixer.ts';
import type { FixOutcome } from '../../../contracts/values.ts';
import { GuestBench } from '../../support/guest-bench.ts';
import { refusedDisks, type RefusedDisk } from '../../support/refused-disks.ts';

const dir = mkdtempSync(join(tmpdir(), 'refusals-'));
let bench: GuestBench<RefusedDisk>;

beforeAll(async () => {
  bench = await GuestBench.start(dir, await refusedDisks(dir));
});
afterAll(async () => {
  await bench.session.close();
  rmSync(dir, { recursive: true, force: true });
});

const containing = (...parts: string[]) =>
  expect.stringMatching(
    new RegExp(parts.map((part) => part.replace(/[/.()]/g, '\\$&')).join('.*')),
  ) as string;

/** What the fixes come to, none of them being there: checks, trim. */
function fix(...disks: RefusedDisk[]): Promise<FixOutcome[]> {
  return bench.open({ disks }, async ({ mounted }, guest) => {
    if (mounted === undefined) throw new Error('there is no system');
    const context = { guest, report: () => undefined } as unknown as FixContext;
    return fixOffline({ fixes: [], mounted, context });
  });
}

describe('a guest in a logical partition of MBR', () => {
  it('is found', async () => {
    const { facts } = await bench.inspect({ disks: ['logical'] });
    expect(facts).toMatchObject({ hostname: 'logical', root: { device: `${bench.device('logical')}5` } });
  });
});

describe('a hibernated guest', () => {
  it.each([
    ['hibernated', '2 holds its memory'],
    ['swapFile', 'the swap file /swapfile holds its memory'],
  ] as const)('is refused (%s)', async (disk, found) => {
    await expect(bench.inspect({ disks: [disk] })).rejects.toMatchObject({
      code: 'GUEST_HIBERNATED',
      found: containing('the guest is hibernated', found),
    });
  });
});

describe('disks without a Linux system', () => {
  it.each([
    ['bitlocker', 'GUEST_BITLOCKER', '1 is encrypted by BitLocker'],
    ['freebsd', 'GUEST_UNSUPPORTED', 'has the type of FreeBSD'],
    ['noise', 'GUEST_NO_OS', 'the first disk (4194304 bytes) holds no file system that is known'],
  ] as const)('are refused with a way on: %s', async (disk, code, found) => {
    await expect(bench.inspect({ disks: [disk] })).rejects.toMatchObject({
      code,
      found: containing(found),
      remedy: containing('guest.passthrough=true'),
    });
  });

  it.each(['bitlocker', 'freebsd', 'noise', 'hibernated'] as const)(
    'are handed over unchanged when the spec says passthrough: %s',
    async (disk) => {
      const { facts, mounted } = await bench.inspect({ disks: [disk], guest: { passthrough: true } });
      expect(facts).toMatchObject({
        os: 'none',
        warnings: [containing('The spec says guest.passthrough; the disks are handed over unchanged.')],
      });
      expect(mounted).toBeUndefined();
    },
  );
});

describe('a guest that is too full', () => {
  it('is refused with the bytes that are missing', async () => {
    await expect(bench.inspect({ disks: ['full'] })).rejects.toMatchObject({
      code: 'GUEST_NO_SPACE',
      found: expect.stringMatching(
        /^\/ has \d{7} bytes free, the fixes may need 11534336 \(changed configuration, changed boot configuration\)$/,
      ) as string,
    });
  });

  it('is refused with the inodes that are missing', async () => {
    await expect(bench.inspect({ disks: ['fewInodes'] })).rejects.toMatchObject({
      code: 'GUEST_NO_SPACE',
      found: expect.stringMatching(/^\/ has \d+ inodes free, the fixes may need 110 /) as string,
    });
  });

  it('is refused when there is no room for a new initramfs, and only then', async () => {
    await expect(bench.inspect({ disks: ['bootFull'] })).rejects.toMatchObject({
      code: 'GUEST_NO_SPACE',
      found: containing('a new initramfs beside the old one'),
    });
  });
});

describe('a file system that can only be read', () => {
  it('is refused as the root', async () => {
    await expect(bench.inspect({ disks: ['readOnly'] })).rejects.toMatchObject({
      code: 'GUEST_READ_ONLY',
      found: containing(`${bench.device('readOnly')} holds ext4 that can only be mounted read-only`),
    });
  });
});

describe('a damaged file system', () => {
  it('of the root is told before anything is changed', async () => {
    await expect(fix('damagedRoot')).rejects.toMatchObject({
      code: 'GUEST_FILESYSTEM_DAMAGED',
      found: containing(`/ on ${bench.device('damagedRoot')} (ext4) is damaged`, "Entry 'lost' in /srv"),
      details: { device: bench.device('damagedRoot'), type: 'ext4' },
    });
  });

  it('beside the system is a warning, and is neither repaired nor trimmed', async () => {
    const outcomes = await fix('besideDamagedData', 'damagedData');
    expect(outcomes.map(({ fix: id }) => id)).toEqual(['check', 'trim']);
    expect(outcomes[0]?.warnings).toEqual([
      containing(`/srv on ${bench.device('damagedData')} is damaged and was neither changed nor trimmed`),
    ]);
    const again = await fix('besideDamagedData', 'damagedData');
    expect(again[0]?.warnings).toEqual(outcomes[0]?.warnings);
  });

  it('leaves a sound guest alone', async () => {
    const [check] = await fix('logical');
    expect(check?.warnings).toEqual([]);
  });
});

describe('a data disk that cannot be read', () => {
  it('is a warning beside a system', async () => {
    const { facts } = await bench.inspect({ disks: ['logical', 'unreadable'] });
    expect(facts.hostname).toBe('logical');
    expect(facts.warnings).toEqual([`${bench.device('unreadable')} cannot be read; it is copied as it is.`]);
  });

  it('is a refusal where it should hold the system', async () => {
    await expect(bench.inspect({ disks: ['unreadable'] })).rejects.toMatchObject({
      code: 'GUEST_NO_OS',
      found: containing('the first disk (1048576 bytes) cannot be read'),
    });
  });
});
