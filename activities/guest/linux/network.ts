import type { Guestfs } from '../session/guestfs.ts';
import type { NicModel } from '../../../contracts/spec.ts';
import type { Fix, PlannedChange } from './fix.ts';
import { anyOf, planOwnFile, planText } from './guest-text.ts';
import { cardFinder, configuredAddresses } from './network/addresses.ts';
import { planCloudFreeze } from './network/cloud-init.ts';
import { ownPrefix, readNetworkFiles, withKnownCards, type ReadFile } from './network/files.ts';
import { effectiveFiles, enabledManagers } from './network/managers.ts';
import { assignNames } from './network/names.ts';
import { renew, renewDrivers } from './network/renewal.ts';
import { planVendorFiles } from './network/vendor-files.ts';
import { dropStaleRules, linkFile, udevRules } from './network/rules.ts';

/** networkd and udev, netplan, NetworkManager, cloud-init. */
const matchesDrivers = /\.(network|link|yaml|nmconnection|cfg)$|\/system-connections\//;
const ownRules = '/etc/udev/rules.d/70-longhaul-net.rules';

/**
 * Network configuration bound to an interface's old name or MAC keeps working on the card at its place. Its
 * outcome says which addresses the guest is to be seen with.
 */
export const networkFix: Fix = {
  id: 'network',
  title: 'Keep network configuration working on the new cards',
  critical: false,
  applies: (facts) => facts.os === 'linux',
  async plan({ guest, vm, earlier, nicModel = 'virtio' }) {
    const warnings: string[] = [];
    const files = await readNetworkFiles(guest, warnings);
    const macs = vm.nics.map((nic) => nic.mac);
    const found = withKnownCards(files);

    const plan = assignNames(found, macs);
    warnings.push(...plan.warnings, ...staleFileNames(files, plan.renewed));
    const changes = files.map((file) => planRenewal(file, plan.renewed, new Set(macs), nicModel));
    const bound = boundNames(files);
    const names = plan.names.filter(({ name, mac }) => !bound.has(`${name} ${mac}`));
    changes.push(...(await planNames(guest, names, warnings)), await planCloudFreeze(guest, files, earlier));
    const managers = await enabledManagers(guest);
    const vendor = managers.has('networkd') ? await planVendorFiles(guest, nicModel, warnings) : undefined;
    changes.push(...(vendor?.changes ?? []));

    const cardsOf = cardFinder(found, plan, macs);
    const used = effectiveFiles([...files, ...(vendor?.files ?? [])], managers, cardsOf, warnings);
    const addresses = configuredAddresses(
      found,
      plan,
      macs,
      used.flatMap((file) => file.found.addresses),
    );
    return { changes: changes.filter((change) => change !== undefined), warnings, addresses };
  },
};

/** SUSE's `ifcfg-eth-id-MAC` finds its card by the file's name, which is not changed. */
function staleFileNames(files: readonly ReadFile[], renewed: ReadonlyMap<string, string>): string[] {
  return files.flatMap(({ path }) => {
    const mac = /\/ifcfg-eth-id-(.*)$/.exec(path)?.[1]?.toLowerCase();
    const now = renewed.get(mac ?? '');
    return now === undefined
      ? []
      : [`${path} is for a card that is gone; the one at its place is ${now}: rename the file.`];
  });
}

/** Names that the guest itself gives to a card by its MAC: rules, link files, netplan's set-name. */
function boundNames(files: readonly ReadFile[]): Set<string> {
  return new Set(
    files
      .filter(({ role, file }) => role === 'binder' || file.path.startsWith('/etc/netplan/'))
      .flatMap(({ found }) => found.physical.map(({ name, mac }) => `${name} ${mac ?? ''}`)),
  );
}

function planRenewal(
  { file, found }: ReadFile,
  renewed: ReadonlyMap<string, string>,
  macs: ReadonlySet<string>,
  model: NicModel,
): PlannedChange | undefined {
  if (file.path.startsWith('/etc/udev/')) {
    return planText(
      file,
      dropStaleRules(file.text, macs),
      'Interface names of cards that are gone are forgotten.',
    );
  }
  const bound = found.physical.length + found.macs.length + found.paths.length > 0;
  const text = bound ? renew(file.text, renewed) : file.text;
  const what = 'The interface is found by the MAC of the card that is at its place now.';
  const withDriver = matchesDrivers.test(file.path) ? renewDrivers(text, model) : text;
  return planText(
    file,
    withDriver,
    withDriver === text ? what : 'The interface is found by what its new card has.',
  );
}

async function planNames(
  guest: Guestfs,
  names: readonly { name: string; mac: string }[],
  warnings: string[],
): Promise<(PlannedChange | undefined)[]> {
  if (names.length === 0) return [];
  const udev = await udevKind(guest);
  if (udev === 'none') {
    const others = names.filter(({ name }, index) => name !== `eth${index}`).map(({ name }) => name);
    if (others.length > 0)
      warnings.push(`The guest has no udev that could name its cards ${others.join(', ')}.`);
    return [];
  }
  if (udev === 'rules') {
    const what = `Network cards are named ${names.map(({ name }) => name).join(', ')} by their MAC.`;
    return [await planOwnFile(guest, ownRules, udevRules(names), what)];
  }
  const changes: (PlannedChange | undefined)[] = [];
  for (const { name, mac } of names) {
    const path = `/etc/systemd/network/${ownPrefix}${name}.link`;
    changes.push(await planOwnFile(guest, path, linkFile(name, mac), `The card ${mac} is named ${name}.`));
  }
  return changes;
}

const linkFilesSince = 241;
const libraries = ['lib', 'usr/lib', 'lib64', 'usr/lib64'].map(
  (folder) => `/${folder}/{,*/}systemd/libsystemd-shared-*.so`,
);
const udevs = [
  '/{usr/,}lib/{systemd/systemd-udevd,udev/rules.d}',
  '/{usr/,}sbin/udevd',
  '/etc/udev/rules.d/80-net-setup-link.rules',
];

/**
 * How the guest's udev is told a name. From systemd 241 on a .link file is obeyed even when the initramfs
 * has already given the card another name; before that only a rule's NAME= is, and the same holds where the
 * rule that reads .link files was switched off to have names like eth0.
 */
async function udevKind(guest: Guestfs): Promise<'links' | 'rules' | 'none'> {
  const paths = await guest.glob(anyOf([...libraries, ...udevs]));
  const switchedOff = paths.some((path) => path.endsWith('/80-net-setup-link.rules'));
  const versions = paths.map((path) => Number(/-shared-(\d{3})/.exec(path)?.[1] ?? 0));
  if (!switchedOff && versions.some((version) => version >= linkFilesSince)) return 'links';
  return paths.length > 0 ? 'rules' : 'none';
}
