import type { Fix, PlannedChange } from './fix.ts';
import { planText, readGuestText } from './guest-text.ts';

const pattern = '/etc/X11/{xorg.conf,XF86Config,xorg.conf.d/*.conf}';
const modesetting = '/usr/lib{,64,/*}/xorg/modules/drivers/modesetting_drv.so';
const maxFiles = 50;

/** Driver lines of xorg.conf(5) for the graphics cards of other hypervisors. */
export function editXorg(text: string, driver: string): string {
  return text.replace(
    /^([ \t]*Driver[ \t]+")(?:vmware|vboxvideo|prlvideo|vmwlegacy|cirrus|hyperv|xenfb)(")/gim,
    (_line, lead: string, tail: string) => `${lead}${driver}${tail}`,
  );
}

/** A screen that is configured for the old hypervisor's graphics card shows something on the new one. */
export const displayFix: Fix = {
  id: 'display',
  title: 'Show the screen on the new graphics card',
  critical: false,
  applies: (facts) => facts.os === 'linux',
  async plan({ guest }) {
    const changes: PlannedChange[] = [];
    const warnings: string[] = [];
    for (const path of (await guest.glob(pattern)).slice(0, maxFiles)) {
      const file = await readGuestText(guest, path, warnings);
      if (file === undefined || editXorg(file.text, 'x') === file.text) continue;
      // Servers before 1.17 have it as a package of its own, and vesa works on every card.
      const driver = (await guest.glob(modesetting)).length > 0 ? 'modesetting' : 'vesa';
      const what = `X uses the driver ${driver}, which works on the new graphics card.`;
      const change = planText(file, editXorg(file.text, driver), what);
      if (change !== undefined) changes.push(change);
    }
    return { changes, warnings };
  },
};
