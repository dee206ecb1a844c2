import type { Fix } from './fix.ts';
import { planOwnFile, readGuestText } from './guest-text.ts';

/** SELinux's state from its configuration file; `disabled` when there is none. */
export function selinuxMode(text: string): 'enforcing' | 'permissive' | 'disabled' {
  const mode = /^[ \t]*SELINUX=[ \t]*(enforcing|permissive)\b/m.exec(text)?.[1];
  return mode === 'enforcing' || mode === 'permissive' ? mode : 'disabled';
}

/** Files written from outside carry no label, and an enforcing guest would refuse to use them. */
export const selinuxFix: Fix = {
  id: 'selinux',
  title: 'Have SELinux label the changed files at the next boot',
  critical: false,
  applies: (facts) => facts.os === 'linux',
  async plan({ guest, earlier }) {
    const warnings: string[] = [];
    if (earlier.length === 0) return { changes: [], warnings };
    const config = await readGuestText(guest, '/etc/selinux/config', warnings);
    if (config === undefined || selinuxMode(config.text) !== 'enforcing') return { changes: [], warnings };
    const what = 'SELinux labels all files anew at the first boot, which then restarts once.';
    const change = await planOwnFile(guest, '/.autorelabel', '', what);
    return { changes: change === undefined ? [] : [change], warnings };
  },
};
