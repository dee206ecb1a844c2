import { packageFiles } from '../../host/guest-files.ts';
import { isGuestfsFailure } from '../guest-errors.ts';
import type { Guestfs } from '../session/guestfs.ts';
import { findInit, planRunner, planScript } from './first-boot-queue.ts';
import type { Fix, FixPlan, PlannedChange } from './fix.ts';
import { baseName, fittingPackages, wantedBy, type OfferedPackage } from './guest-agent-text.ts';
import { readGuestText } from './guest-text.ts';
import { findPackageManager, reasonOf, type PackageManager } from './leftovers/packages.ts';
import { labelMade } from './selinux.ts';
import { findAny } from './leftovers/find.ts';

const programs = '/usr/{bin,sbin}/qemu-ga';
const units = '{/usr,}/lib/systemd/system/qemu-guest-agent.service';
const unitLinks = '/etc/systemd/system';
const uploads = '/var/lib/longhaul/packages';
const firstBootScript = '0000-qemu-guest-agent';

/** The agent by which the host learns addresses and shuts the guest down. Never from the network. */
export const guestAgentFix: Fix = {
  id: 'guest-agent',
  title: 'Have the QEMU guest agent run',
  critical: false,
  applies: (facts) => facts.os === 'linux',
  async plan({ guest, facts, options: { agentPackages = [] } }) {
    const plan: FixPlan = { changes: [], warnings: [] };
    if ((await guest.glob(programs)).length > 0) {
      plan.changes.push(...(await planEnabling(guest, plan.warnings)));
      return plan;
    }
    if (
      agentPackages.length === 0 ||
      (await guest.isFile(`${uploads}/../firstboot/scripts/${firstBootScript}`))
    )
      return plan;
    const manager = await findPackageManager(guest);
    const offered = await packageFiles(agentPackages);
    const fitting = manager === undefined ? [] : fittingPackages(offered, manager.program, facts.arch);
    const agents = fitting.filter(({ isAgent }) => isAgent);
    if (manager === undefined || agents.length === 0) {
      const kind =
        manager === undefined
          ? 'a guest without dpkg and rpm'
          : `${manager.program} on ${facts.arch ?? 'it'}`;
      plan.warnings.push(
        `None of the ${offered.length} packages in guest.agentPackages is an agent for ${kind}.`,
      );
    } else plan.changes.push(planInstallation(manager, fitting));
    return plan;
  },
};

function planInstallation(manager: PackageManager, packages: readonly OfferedPackage[]): PlannedChange {
  const change: PlannedChange = {
    path: manager.database,
    what: `The QEMU guest agent is installed by ${manager.program}.`,
    runsPrograms: true,
    async apply(guest) {
      await guest.mkdirP(uploads);
      const inGuest = new Map<string, string>();
      for (const { path } of packages) {
        const copy = `${uploads}/${baseName(path)}`;
        await guest.upload(path, copy);
        inGuest.set(path, copy);
      }
      const outcome = await installFirst(guest, manager, packages, (path) => inGuest.get(path) ?? path);
      if (outcome.installed !== undefined) {
        change.what = `The QEMU guest agent is installed by ${manager.program}: ${outcome.installed.map(baseName).join(', ')}.`;
        const files = await manager.contents(guest, outcome.installed);
        await guest.rmRf(uploads);
        await labelMade(guest, files);
        for (const enabling of await planEnabling(guest, [])) await enabling.apply(guest);
        return;
      }
      const later = await queue(guest, manager, outcome.files);
      change.what = `The QEMU guest agent could not be installed offline (${outcome.reason}); ${later}`;
    },
  };
  return change;
}

type Outcome =
  { installed: readonly string[] } | { installed?: undefined; reason: string; files: readonly string[] };

/** The first agent that goes in wins: alone when the guest has what it needs, else with the rest of the offer. */
async function installFirst(
  guest: Guestfs,
  manager: PackageManager,
  packages: readonly OfferedPackage[],
  copyOf: (path: string) => string,
): Promise<Outcome> {
  const rest = packages.filter(({ isAgent }) => !isAgent).map(({ path }) => copyOf(path));
  let failed: Outcome = { reason: 'no package fits', files: [] };
  for (const { path } of packages.filter(({ isAgent }) => isAgent)) {
    const agent = copyOf(path);
    for (const files of rest.length === 0 ? [[agent]] : [[agent], [...rest, agent]]) {
      const objection = await manager.installObjection(guest, files);
      if (objection !== undefined) {
        failed = { reason: objection, files };
        continue;
      }
      try {
        await manager.install(guest, files);
        return { installed: files };
      } catch (error) {
        if (!isGuestfsFailure(error)) throw error;
        return { reason: reasonOf(error), files };
      }
    }
  }
  return failed;
}

/** A last try, with the guest's own kernel and services. */
async function queue(guest: Guestfs, manager: PackageManager, files: readonly string[]): Promise<string> {
  const init = await findInit(guest);
  if (init === undefined) {
    await guest.rmRf(uploads);
    return 'the guest has no init system that is known to try it at its first boot.';
  }
  const flag = manager.program === 'dpkg' ? '--install' : '-U';
  const quoted = files.map((file) => `'${file.replaceAll("'", "'\\''")}'`).join(' ');
  const script = `#!/bin/sh\n${manager.program} ${flag} ${quoted}\nstatus=$?\nrm -rf ${uploads}\nexit $status\n`;
  const changes = [
    await planScript(guest, firstBootScript, Buffer.from(script)),
    ...(await planRunner(guest, init)),
  ];
  for (const change of changes) await change?.apply(guest);
  return 'the guest tries again at its first boot.';
}

/** Debian's agent is started by a udev rule, others by a link that the unit asks for. */
async function planEnabling(guest: Guestfs, warnings: string[]): Promise<PlannedChange[]> {
  const found = await findAny(guest, [
    units,
    `${unitLinks}/qemu-guest-agent.service`,
    `${unitLinks}/*.{wants,requires}/qemu-guest-agent.service`,
    '{/usr/lib,/lib,/etc}/udev/rules.d/*qemu-guest-agent*.rules',
  ]);
  const [unitPath] = found.filter((path) => path.includes('/lib/systemd/system/'));
  if (unitPath === undefined) return [];
  const own = `${unitLinks}/qemu-guest-agent.service`;
  if ((await guest.isSymlink(own)) && (await guest.readlink(own)) === '/dev/null') {
    warnings.push('The QEMU guest agent is installed, and masked by the administrator; it was left so.');
    return [];
  }
  if (found.some((path) => path.endsWith('.rules') || /\.(wants|requires)\//.test(path))) return [];
  const unit = await readGuestText(guest, unitPath, warnings);
  return wantedBy(unit?.text ?? '').map((wanting) => {
    const link = `${unitLinks}/${wanting}.wants/qemu-guest-agent.service`;
    return {
      path: link,
      what: 'The QEMU guest agent is started when its channel is there.',
      after: `-> ${unitPath}`,
      apply: async (session) => {
        await session.mkdirP(link.slice(0, link.lastIndexOf('/')));
        await session.symlink(unitPath, link);
      },
    };
  });
}
