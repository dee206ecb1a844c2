import type { Fix } from '../fix.ts';
import { readGuestText } from '../guest-text.ts';
import { programsOf } from './udev-programs-text.ts';
import { findAny } from './find.ts';

const maxFiles = 60;

/** Rules that an administrator or a tool left, and whose programs are gone: each event logs an error. */
export const udevProgramsFix: Fix = {
  id: 'udev-programs',
  title: 'Look for udev rules whose programs are gone',
  critical: false,
  applies: (facts) => facts.os === 'linux',
  async plan({ guest }) {
    const warnings: string[] = [];
    const users = new Map<string, string>();
    for (const path of (await guest.glob('/etc/udev/rules.d/*.rules')).slice(0, maxFiles)) {
      const file = await readGuestText(guest, path, warnings);
      for (const program of programsOf(file?.text ?? '')) users.set(program, path);
    }
    if (users.size === 0) return { changes: [], warnings };
    const present = new Set(await findAny(guest, [...users.keys()]));
    for (const [program, path] of users) {
      if (!present.has(program)) warnings.push(`${path} runs ${program}, which the guest does not have.`);
    }
    return { changes: [], warnings };
  },
};
