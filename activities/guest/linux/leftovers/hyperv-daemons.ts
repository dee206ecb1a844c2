import type { Fix } from '../fix.ts';

const daemons = '/usr/{bin,sbin}/{hv_,hyperv}{kvp,vss,fcopy}*';

/** They wait for devices of the VMBus, which never come on KVM; the kernel's package may be what owns them. */
export const hypervDaemonsFix: Fix = {
  id: 'hyperv-daemons',
  title: 'Look for the daemons of Hyper-V',
  critical: false,
  applies: (facts) => facts.os === 'linux',
  async plan({ guest }) {
    const found = await guest.glob(daemons);
    if (found.length === 0) return { changes: [], warnings: [] };
    return {
      changes: [],
      warnings: [
        `The daemons of Hyper-V stay (${found.slice(0, 6).join(', ')}): they start only on Hyper-V.`,
      ],
    };
  },
};
