import type { Fix, PlannedChange } from './fix.ts';
import { planOwnFile, planText, readGuestText } from './guest-text.ts';
import { renameInHosts, renameInSysconfig } from './hostname-text.ts';

/** The host name that the spec asks for, in the files that init systems and resolvers read it from. */
export const hostnameFix: Fix = {
  id: 'hostname',
  title: 'Give the guest its new host name',
  critical: false,
  applies: (facts) => facts.os === 'linux',
  async plan({ guest, facts, options: { hostname } }) {
    const warnings: string[] = [];
    if (hostname === undefined) return { changes: [], warnings };
    const changes: (PlannedChange | undefined)[] = [];
    const what = `The host name becomes ${hostname}.`;
    const file = await readGuestText(guest, '/etc/hostname', warnings);
    if (file !== undefined) {
      const [old] = file.text.split('\n').filter((line) => !/^\s*(#|$)/.test(line));
      if (old?.trim() !== hostname) changes.push(planText(file, `${hostname}\n`, what));
    } else if (!(await guest.exists('/etc/hostname')))
      changes.push(await planOwnFile(guest, '/etc/hostname', `${hostname}\n`, what));
    const suse = await readGuestText(guest, '/etc/HOSTNAME', warnings);
    if (suse !== undefined && suse.path === '/etc/HOSTNAME')
      changes.push(planText(suse, `${hostname}\n`, what));
    const sysconfig = await readGuestText(guest, '/etc/sysconfig/network', warnings);
    if (sysconfig !== undefined)
      changes.push(planText(sysconfig, renameInSysconfig(sysconfig.text, hostname), what));
    const hosts = await readGuestText(guest, '/etc/hosts', warnings);
    if (hosts !== undefined && facts.hostname !== undefined) {
      const renamed = renameInHosts(hosts.text, facts.hostname, hostname);
      changes.push(planText(hosts, renamed, 'The addresses of the old host name have the new one.'));
    }
    return { changes: changes.filter((change) => change !== undefined), warnings };
  },
};
