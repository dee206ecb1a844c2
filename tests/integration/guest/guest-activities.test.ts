import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGuestActivities, type GuestActivities } from '../../../activities/guest/guest-activities.ts';
import type { Fix } from '../../../activities/guest/linux/fix.ts';
import { openSession } from '../../../activities/guest/session/open-session.ts';
import { WorkDir } from '../../../activities/host/work-dir.ts';
import { completeOverlay, overlayPathOf } from '../../../activities/image/overlay.ts';
import { LonghaulError } from '../../../contracts/errors.ts';
import { migrationSpec } from '../../../contracts/spec.ts';
import type { AcquiredDisk } from '../../../contracts/values.ts';
import { biosDisk } from '../../support/guest-disks.ts';
import { quietIo, run } from '../../support/guest-trees.ts';

const dir = mkdtempSync(join(tmpdir(), 'guest-activities-'));
const ref = { migrationId: 'image:vm', runId: 'first' };
const workDir = new WorkDir(dir, ref);
const overlay = overlayPathOf(workDir.scratch, 0);
const vm = { name: 'vm', nics: [] };

let image: string;
let disks: AcquiredDisk[];
let activities: GuestActivities;
let launches = 0;
let failures = 1;

/** Appends to a file, and fails the first time after having done so. */
const appendFix: Fix = {
  id: 'append',
  title: 'Append a line',
  critical: true,
  applies: () => true,
  plan: () =>
    Promise.resolve({
      warnings: [],
      changes: [
        {
          path: '/etc/hostname',
          what: 'A line is appended.',
          apply: async (guest) => {
            const before = await guest.readFile('/etc/hostname');
            await guest.replaceFile('/etc/hostname', `${before.toString()}appended\n`);
            if (failures-- > 0) {
              throw new LonghaulError('GUESTFS_FAILED', { found: 'the file would not do', remedy: 'none' });
            }
          },
        },
      ],
    }),
};

const digest = () => createHash('sha256').update(readFileSync(image)).digest('hex');

beforeAll(async () => {
  image = await biosDisk(dir, 'bios', { hostname: 'vm', fstab: ['/dev/sda1 / ext4 defaults 0 1'] });
  const virtualSizeBytes = statSync(image).size;
  const node = { path: image, format: 'raw' as const, virtualSizeBytes, extents: [] };
  disks = [{ index: 0, image: node, virtualSizeBytes, allocatedBytes: 0, files: [] }];
  activities = createGuestActivities({
    host: { stateDir: dir, accelerator: () => Promise.resolve('tcg') },
    openSession: (options) => {
      launches++;
      return openSession(options);
    },
    resolveSecret: () => Promise.reject(new Error('no secret is needed')),
    fixes: [appendFix],
  });
});

afterAll(async () => {
  await activities.close();
  rmSync(dir, { recursive: true, force: true });
});

describe('inspecting and fixing a guest', () => {
  const ctx = {
    run: ref,
    spec: migrationSpec.parse({ name: 'vm', source: { kind: 'image', disks: ['/vm.raw'] } }),
  };

  it('starts one appliance for both', async () => {
    const facts = await activities.inspectGuest(ctx, disks, quietIo());
    expect(facts).toMatchObject({ os: 'linux', hostname: 'vm' });
    expect(facts.timings.launchSeconds).toBeGreaterThan(0);
    await expect(activities.fixGuest(ctx, disks, vm, quietIo())).rejects.toMatchObject({
      code: 'GUEST_FIX_FAILED',
      found: 'append failed: the file would not do',
    });
    expect(launches).toBe(1);
    // Half changed, so no part of the VM, should the operator skip the step.
    expect(existsSync(overlay)).toBe(true);
    expect(await completeOverlay(workDir.scratch, 0)).toBeUndefined();
  });

  it('repeats the fixes from fresh overlays after a failure, and leaves the source as it was', async () => {
    const before = digest();
    const outcomes = await activities.fixGuest(ctx, disks, vm, quietIo());
    expect(launches).toBe(2);
    expect(await completeOverlay(workDir.scratch, 0)).toBe(overlay);
    expect(outcomes.map(({ fix, changes, warnings }) => [fix, changes.length, warnings])).toEqual([
      ['check', 0, []],
      ['append', 1, []],
      ['trim', 0, []],
    ]);
    const merged = join(dir, 'merged.raw');
    await run('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', overlay, merged]);
    const hostname = await run('debugfs', ['-R', 'cat /etc/hostname', `${merged}?offset=${1024 * 1024}`]);
    expect(hostname).toBe('vm\nappended\n');
    expect(digest()).toBe(before);
  });

  it('leaves nothing outside its scratch directory, and nothing in it after a plan', async () => {
    const planned = await activities.planGuest(ctx, disks, vm, quietIo());
    expect(planned.facts.hostname).toBe('vm');
    expect(planned.fixes).toMatchObject([{ fix: 'append', changes: [{ path: '/etc/hostname' }] }]);
    expect(existsSync(overlay)).toBe(false);
    const noted = readFileSync(join(workDir.root, 'ledger'), 'utf8')
      .split('\n')
      .filter((line) => line !== '');
    expect(noted).toHaveLength(launches);
    for (const line of noted) expect(existsSync(JSON.parse(line) as string)).toBe(false);
  });
});
