import { LonghaulError } from '../../../contracts/errors.ts';
import { readScript } from '../../host/guest-files.ts';
import type { Fix, PlannedChange } from './fix.ts';
import { findInit, planRunner, planScript } from './first-boot-queue.ts';
import { scriptName } from './first-boot-text.ts';

/** Scripts of the spec that the guest runs once; asked for, so a guest that cannot run them is not passed over. */
export const firstBootFix: Fix = {
  id: 'first-boot',
  title: 'Have the guest run the scripts of its first boot',
  critical: true,
  applies: (facts) => facts.os === 'linux',
  async plan({ guest, options: { firstBoot = [] } }) {
    if (firstBoot.length === 0) return { changes: [], warnings: [] };
    const init = await findInit(guest);
    if (init === undefined) {
      throw new LonghaulError('GUEST_FIX_FAILED', {
        found:
          'the guest has no init system that is known (systemd, System V, OpenRC) to run guest.firstBoot',
        remedy: 'Leave guest.firstBoot out of the spec and retry; run the scripts by hand.',
      });
    }
    const changes: (PlannedChange | undefined)[] = [];
    for (const [index, hostPath] of firstBoot.entries())
      changes.push(await planScript(guest, scriptName(index + 1, hostPath), await readScript(hostPath)));
    changes.push(...(await planRunner(guest, init)));
    return { changes: changes.filter((change) => change !== undefined), warnings: [] };
  },
};
