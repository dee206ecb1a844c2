import { describe, expect, it } from 'vitest';
import { bootRetries } from '../../guests/machine.ts';
import { matrixGuests } from '../../matrix/guests.ts';
import { migrateMatrixGuest } from '../../matrix/migrate.ts';
import { host, scratch, withHost } from './host.ts';

/** Of one release, which is installed once: both initramfs tools, a mirror, a container, a btrfs subvolume. */
const quick = matrixGuests.filter(
  ({ release, storage, boot }) =>
    release === 12 &&
    ((storage === 'md1' && boot === 'bios') || (storage === 'luks1' && boot === 'systemd-boot')),
);

/** The first one installs Debian before it is built. */
const limitMs = 25 * 60_000;

describe('a guest of the matrix, whose whole is `npm run test:matrix`', { retry: bootRetries }, () => {
  withHost();

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
