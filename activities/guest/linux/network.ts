import type { Guestfs } from '../session/guestfs.ts';
import type { NicModel } from '../../../contracts/spec.ts';
import type { Fix, PlannedChange } from './fix.ts';
import { planOwnFile, planText } from './guest-text.ts';
import { cardFinder, configuredAddresses } from './network/addresses.ts';
import { planCloudFreeze } from './network/cloud-init.ts';
import { mactabPath, ownPrefix, readNetworkFiles, withKnownCards, type ReadFile } from './network/files.ts';
import { followsKernel, kernelNames, renameInterfaces } from './network/kernel-names.ts';
import { effectiveFiles, enabledManagers } from './network/managers.ts';
import { assignNames, type NamePlan } from './network/names.ts';
import { renew, renewDrivers } from './network/renewal.ts';
import { dropStaleRules, linkFile, renewMactab, udevRules } from './network/rules.ts';
import { udevKind } from './network/udev.ts';
import { planVendorFiles } from './network/vendor-files.ts';

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
    const naming = await planNaming(guest, files, plan, macs);
    warnings.push(...naming.warnings);
    const cards = { renewed: plan.renewed, renamed: naming.renamed, macs: new Set(macs), model: nicModel };
    const changes = files.map((file) => planRenewal(file, cards));
    changes.push(...naming.changes, await planCloudFreeze(guest, files, earlier));
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
    const named = addresses.map((each) => ({
      ...each,
      interface: naming.renamed.get(each.interface) ?? each.interface,
    }));
    return { changes: changes.filter((change) => change !== undefined), warnings, addresses: named };
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
      .filter(({ role, path, file }) =>
        role === 'binder' ? path !== mactabPath : file.path.startsWith('/etc/netplan/'),
      )
      .flatMap(({ found }) => found.physical.map(({ name, mac }) => `${name} ${mac ?? ''}`)),
  );
}

/** What nameif gives a card once its MACs are renewed. */
function mactabNames(files: readonly ReadFile[], { renewed }: NamePlan): Set<string> {
  return new Set(
    files
      .filter(({ path }) => path === mactabPath)
      .flatMap(({ found }) =>
        found.physical.map(({ name, mac = '' }) => `${name} ${renewed.get(mac) ?? mac}`),
      ),
  );
}

interface Cards {
  renewed: ReadonlyMap<string, string>;
  renamed: ReadonlyMap<string, string>;
  macs: ReadonlySet<string>;
  model: NicModel;
}

function planRenewal(read: ReadFile, { renewed, renamed, macs, model }: Cards): PlannedChange | undefined {
  const { file, found } = read;
  if (file.path.startsWith('/etc/udev/')) {
    return planText(
      file,
      dropStaleRules(file.text, macs),
      'Interface names of cards that are gone are forgotten.',
    );
  }
  const byMac = 'The interface is found by the MAC of the card that is at its place now.';
  if (read.path === mactabPath) return planText(file, renewMactab(file.text, renewed), byMac);
  const bound = found.physical.length + found.macs.length + found.paths.length > 0;
  const text = bound ? renew(file.text, renewed) : file.text;
  const withDriver = matchesDrivers.test(file.path) ? renewDrivers(text, model) : text;
  const withNames = followsKernel(read) ? renameInterfaces(withDriver, renamed) : withDriver;
  const what =
    withNames !== withDriver
      ? 'The interface has the name that the kernel gives its card.'
      : withDriver === text
        ? byMac
        : 'The interface is found by what its new card has.';
  return planText(file, withNames, what);
}

interface Naming {
  changes: (PlannedChange | undefined)[];
  /** Configured name to the kernel's, where nothing in the guest names cards. */
  renamed: ReadonlyMap<string, string>;
  warnings: string[];
}

/** How each configured name and its card come together again. */
async function planNaming(
  guest: Guestfs,
  files: readonly ReadFile[],
  plan: NamePlan,
  macs: readonly string[],
): Promise<Naming> {
  const naming: Naming = { changes: [], renamed: new Map(), warnings: [] };
  if (plan.names.length === 0) return naming;
  const udev = await udevKind(guest);
  if (udev === 'none') {
    const named = mactabNames(files, plan);
    const rest = plan.names.filter(({ name, mac }) => !named.has(`${name} ${mac}`));
    return { ...naming, ...kernelNames(files, { ...plan, names: rest }, macs) };
  }
  const bound = boundNames(files);
  const names = plan.names.filter(({ name, mac }) => !bound.has(`${name} ${mac}`));
  if (udev === 'rules' && names.length > 0) {
    const what = `Network cards are named ${names.map(({ name }) => name).join(', ')} by their MAC.`;
    naming.changes.push(await planOwnFile(guest, ownRules, udevRules(names), what));
  }
  for (const { name, mac } of udev === 'links' ? names : []) {
    const path = `/etc/systemd/network/${ownPrefix}${name}.link`;
    naming.changes.push(
      await planOwnFile(guest, path, linkFile(name, mac), `The card ${mac} is named ${name}.`),
    );
  }
  return naming;
}
