import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../guests/lib/run.ts';
import { bootRetries } from '../../guests/machine.ts';
import { matrixGuests } from '../../matrix/guests.ts';
import { migrateMatrixGuest } from '../../matrix/migrate.ts';
import { LonghaulHost } from '../../support/longhaul-host.ts';

/** Of one release, which is installed once: both initramfs tools, a mirror, a container, a btrfs subvolume. */
const quick = matrixGuests.filter(
  ({ release, storage, boot }) =>
    release === 12 &&
    ((storage === 'md1' && boot === 'bios') || (storage === 'luks1' && boot === 'systemd-boot')),
);

/** The first one installs Debian before it is built. */
const limitMs = 25 * 60_000;

let scratch: string;
let host: LonghaulHost;
beforeAll(async () => {
  scratch = await mkdtemp('/var/tmp/longhaul-e2e-matrix-');
  await run('chmod', ['0711', scratch]);
  host = await LonghaulHost.start(join(scratch, 'host'));
});
afterAll(async () => {
  await host.stop();
  await rm(scratch, { recursive: true });
});

describe('a guest of the matrix, whose whole is `npm run test:matrix`', { retry: bootRetries }, () => {
  it.each(quick)(
    '$name comes up with its address and all it mounts',
    async (guest) => {
      const { result, consoleLog } = await migrateMatrixGuest(host, scratch, guest, console.log);
      expect(result.problems, consoleLog).toEqual([]);
      expect(result.fixed).not.toEqual([]);
    },
    limitMs,
  );

  it('is one of each kind', () => {
    expect(quick.map(({ initramfs }) => initramfs).sort()).toEqual(['dracut', 'initramfs-tools']);
  });
});
