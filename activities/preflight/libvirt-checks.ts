import { readdir, stat } from 'node:fs/promises';
import { didYouMean } from '../../contracts/nearest.ts';
import { networkTarget } from '../../contracts/network-map.ts';
import type { Finding } from '../../contracts/values.ts';
import { blocker, warning } from '../../contracts/findings.ts';
import type { Check, PreflightDeps } from './check.ts';

/** Lists names, one a line: `virsh net-list --name` and its like. */
export async function namesOf(
  virsh: PreflightDeps['virsh'],
  args: readonly string[],
  signal: AbortSignal,
): Promise<Set<string>> {
  const lines = (await virsh(args, signal)).split('\n').map((line) => line.trim());
  return new Set(lines.filter((line) => line !== ''));
}

export const checkDomainName: Check = async ({ run, spec, deps, io }) => {
  const domains = await namesOf(deps.virsh, ['list', '--all', '--name'], io.signal);
  if (!domains.has(spec.name) || (await deps.ownsDomain(spec.name, run))) return [];
  return [
    blocker(
      'DOMAIN_EXISTS',
      `a domain named ${spec.name} exists in ${deps.host.libvirtUri}`,
      `Choose another name in the spec, or rename or undefine that domain (virsh domrename, virsh undefine). Longhaul never touches it.`,
    ),
  ];
};

export const checkNetworks: Check = async ({ spec, vm, deps, io }) => {
  const wanted = [...new Set(vm.nics.map(({ network }) => network))];
  if (wanted.length === 0) return [];
  const listed = { all: new Set<string>(), active: new Set<string>() };
  if (wanted.some((network) => networkTarget(spec.target.networks, network)?.kind === 'network')) {
    listed.all = await namesOf(deps.virsh, ['net-list', '--all', '--name'], io.signal);
    listed.active = await namesOf(deps.virsh, ['net-list', '--name'], io.signal);
  }
  const findings: Finding[] = [];
  for (const network of wanted) {
    const target = networkTarget(spec.target.networks, network);
    if (target === undefined) {
      findings.push(
        blocker(
          'NETWORK_UNMAPPED',
          `nothing in target.networks stands for the source network ${network}${didYouMean(network, Object.keys(spec.target.networks))}`,
          `Add an entry "${network}" to target.networks, or "default" for all that have none.`,
        ),
      );
    } else if (target.kind === 'bridge') {
      if (!(await isBridge(target.name))) {
        findings.push(
          blocker(
            'NETWORK_UNMAPPED',
            `${network} is mapped to the bridge ${target.name}, and this host has no bridge of that name${didYouMean(target.name, await bridges())}`,
            'Correct target.networks ("ip link show type bridge" lists the bridges), or make the bridge.',
          ),
        );
      }
    } else if (!listed.all.has(target.name)) {
      findings.push(
        blocker(
          'NETWORK_UNMAPPED',
          `${network} is mapped to the libvirt network ${target.name}, which does not exist in ${deps.host.libvirtUri}${didYouMean(target.name, listed.all)}`,
          'Correct target.networks ("virsh net-list --all" lists the networks), or define that network.',
        ),
      );
    } else if (!listed.active.has(target.name)) {
      findings.push(
        warning(
          'network-inactive',
          `the libvirt network ${target.name} is not active; the VM will not start until it is`,
          `Run: virsh net-start ${target.name}; virsh net-autostart ${target.name}`,
        ),
      );
    }
  }
  return findings;
};

async function isBridge(name: string): Promise<boolean> {
  if (!/^[^/\0]{1,15}$/.test(name) || name.startsWith('.')) return false; // IFNAMSIZ; no way out of the folder
  return stat(`/sys/class/net/${name}/bridge`).then(
    (info) => info.isDirectory(),
    () => false,
  );
}

async function bridges(): Promise<string[]> {
  const cards = await readdir('/sys/class/net');
  const are = await Promise.all(cards.map(isBridge));
  return cards.filter((_, index) => are[index]);
}
