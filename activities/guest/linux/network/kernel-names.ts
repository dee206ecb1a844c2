import type { ReadFile } from './files.ts';
import type { NamePlan } from './names.ts';

/**
 * Guests without udev, such as Alpine with busybox: nothing there names a card by its MAC, and it keeps the
 * name that the kernel gives it. So the configuration follows the card.
 */
export interface KernelNames {
  /** Configured name to the kernel's. */
  renamed: Map<string, string>;
  warnings: string[];
}

/** Systems that need no udev; a network manager that does is nobody's to use there. */
const managers = new Set(['ifupdown', 'dhcpcd']);

export function followsKernel({ manager }: Pick<ReadFile, 'manager'>): boolean {
  return manager !== undefined && managers.has(manager);
}

/** The kernel counts cards in the order in which they lie on the bus, which is that of the VM's definition. */
export const kernelName = (macs: readonly string[], mac: string): string => `eth${macs.indexOf(mac)}`;

/**
 * What configured names become. Which card is meant must be sure: the VM has one, or the configuration knows
 * its MAC. What cannot be kept is a warning.
 *
 * @param plan names that are not given by the guest itself
 * @param macs of the VM's cards in their order
 */
export function kernelNames(
  files: readonly Pick<ReadFile, 'manager' | 'found'>[],
  plan: Pick<NamePlan, 'names' | 'renewed'>,
  macs: readonly string[],
): KernelNames {
  const own = (mac: string) => kernelName(macs, mac);
  const away = plan.names.filter(({ name, mac }) => name !== own(mac));
  const known = new Set(
    files.flatMap(({ found }) =>
      found.physical.map(({ name, mac }) => `${name} ${plan.renewed.get(mac ?? '') ?? mac ?? ''}`),
    ),
  );
  const spokenOf = (all: typeof files) =>
    new Set(all.flatMap(({ found }) => [...found.physical.map(({ name }) => name), ...found.virtual]));
  const everywhere = spokenOf(files);
  const following = spokenOf(files.filter(followsKernel));
  const sure = away.filter(
    ({ name, mac }) => following.has(name) && (macs.length === 1 || known.has(`${name} ${mac}`)),
  );
  // A name that stays somebody else's would then stand for two.
  let chosen = sure;
  for (let before = -1; before !== chosen.length;) {
    before = chosen.length;
    const free = new Set(chosen.map(({ name }) => name));
    chosen = chosen.filter(({ mac }) => !everywhere.has(own(mac)) || free.has(own(mac)));
  }
  const renamed = new Map(chosen.map(({ name, mac }) => [name, own(mac)]));
  const warnings = away
    .filter(({ name }) => !renamed.has(name))
    .map(
      ({ name, mac }) =>
        `The guest has no udev that could name its card ${mac} ${name}; its kernel calls it ${own(mac)}, so what is configured for ${name} may stay down.`,
    );
  if (renamed.size > 0)
    warnings.push(
      `The guest has no udev: ${[...renamed].map(([from, to]) => `${from} is ${to} now`).join(', ')} in its network configuration. Change firewall rules and scripts that name them.`,
    );
  return { renamed, warnings };
}

/**
 * The text with interfaces under other names, their aliases and VLANs (`ens192:1`, `ens192.100`) too. Paths
 * of the host's files are left alone, those of the kernel's settings are not; so are comments.
 */
export function renameInterfaces(text: string, renamed: ReadonlyMap<string, string>): string {
  if (renamed.size === 0) return text;
  const names = [...renamed.keys()].map((name) => name.replace(/[.\\]/g, '\\$&')).join('|');
  const word = new RegExp(`(?<![\\w.:/@-]|\\$\\{?)(?:${names})(?![\\w/@-]|\\.(?!\\d)|:(?!\\d))`, 'g');
  // `auto /ens192` is a pattern of ifupdown's.
  const pattern = new RegExp(`(?<=\\s/)(?:${names})(?=[=\\s]|$)`, 'g');
  const setting = new RegExp(`(?<=/(?:conf|neigh|class/net)/)(?:${names})(?=[/\\s]|$)`, 'g');
  const rename = (name: string) => renamed.get(name) ?? name;
  const renameIn = (line: string) => {
    if (line.trimStart().startsWith('#')) return line;
    const named = /^\s*(auto|allow-)/.test(line) ? line.replace(pattern, rename) : line;
    return named.replace(word, rename).replace(setting, rename);
  };
  return text.split('\n').map(renameIn).join('\n');
}
