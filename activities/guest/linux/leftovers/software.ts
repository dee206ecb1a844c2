import type { GuestFacts } from '../../../../contracts/values.ts';
import { isGuestfsFailure } from '../../guest-errors.ts';
import type { Guestfs } from '../../session/guestfs.ts';
import type { Fix, FixContext, FixPlan, PlannedChange } from '../fix.ts';
import { findPackageManager, reasonOf, run, withoutServices, type PackageManager } from './packages.ts';
import { planDisabling } from './services.ts';
import { findAny } from './find.ts';

/** A program of the former hypervisor or cloud that has nothing to do on KVM. */
export interface Software {
  /** As its vendor calls it. */
  name: string;
  /** Files that only it has, as patterns of glob(7) with braces. */
  signs: readonly string[];
  /** Services without ending, of every init system it was made for. */
  services: readonly string[];
  /** What its own installer left to undo an installation without packages; undefined when there is none. */
  uninstaller?: (guest: Guestfs, facts: GuestFacts) => Promise<Uninstaller | undefined>;
}

export interface Uninstaller {
  argv: readonly string[];
  environment?: readonly string[];
  /** What has to be arranged before it is run. */
  prepare?: (guest: Guestfs) => Promise<void>;
}

/** More packages than this owning the files of one program is not how anybody ships it. */
const maxPackages = 16;
const maxSigns = 60;

/**
 * A fix that removes software with the guest's package manager, or its own uninstaller, and switches its
 * services off where neither can.
 */
export function leftoverFix(id: string, title: string, products: readonly Software[]): Fix {
  return {
    id,
    title,
    critical: false,
    applies: (facts) => facts.os === 'linux',
    async plan(context) {
      const plan: FixPlan = { changes: [], warnings: [] };
      const signs = await findAny(
        context.guest,
        products.flatMap((product) => product.signs),
      );
      if (signs.length === 0) return plan;
      for (const product of products) await planProduct(context, product, plan);
      return plan;
    },
  };
}

async function planProduct({ guest, facts }: FixContext, product: Software, plan: FixPlan): Promise<void> {
  const signs = (await findAny(guest, product.signs)).slice(0, maxSigns);
  if (signs.length === 0) return;
  const services = await planDisabling(guest, product.services);
  if (services.masked) {
    plan.warnings.push(`${product.name} is still installed, with its services masked.`);
    return;
  }
  const manager = await findPackageManager(guest);
  const packages = (await manager?.owners(guest, signs)) ?? [];
  if (manager !== undefined && packages.length > 0) {
    const objection =
      packages.length > maxPackages
        ? `${packages.length} packages own its files`
        : await manager.removalObjection(guest, packages);
    if (objection === undefined) plan.changes.push(planRemoval(manager, packages, product));
    else {
      plan.changes.push(...services.changes);
      plan.warnings.push(`${product.name} (${packages.join(', ')}) stays installed: ${objection}.`);
    }
    return;
  }
  // Without a service it cannot start, and without its services it was dealt with before.
  if (services.changes.length === 0) return;
  const uninstaller = await product.uninstaller?.(guest, facts);
  if (uninstaller !== undefined) plan.changes.push(planUninstall(uninstaller, product));
  else {
    plan.changes.push(...services.changes);
    plan.warnings.push(
      `${product.name} belongs to no package: its services are switched off, its files stay.`,
    );
  }
}

function planRemoval(manager: PackageManager, packages: readonly string[], product: Software): PlannedChange {
  const listed = packages.join(', ');
  const change: PlannedChange = {
    path: manager.database,
    what: `${product.name} is removed by ${manager.program}: ${listed}.`,
    runsPrograms: true,
    async apply(guest) {
      const failure = await attempt(() => manager.remove(guest, packages));
      if (failure === undefined) return;
      await disable(guest, product);
      change.what = `${product.name} (${listed}) could not be removed by ${manager.program}, so its services were switched off: ${failure}`;
    },
  };
  return change;
}

function planUninstall(uninstaller: Uninstaller, product: Software): PlannedChange {
  const [program = ''] = uninstaller.argv;
  const change: PlannedChange = {
    path: program,
    what: `${product.name} is removed by its own uninstaller.`,
    runsPrograms: true,
    async apply(guest) {
      await uninstaller.prepare?.(guest);
      const { argv, environment } = uninstaller;
      const failure = await attempt(() => withoutServices(guest, () => run(guest, argv, environment)));
      await disable(guest, product);
      if (failure !== undefined)
        change.what = `${product.name} could not be removed by its own uninstaller, so its services were switched off: ${failure}`;
    },
  };
  return change;
}

async function attempt(work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (!isGuestfsFailure(error)) throw error;
    return reasonOf(error);
  }
}

async function disable(guest: Guestfs, product: Software): Promise<void> {
  const { changes } = await planDisabling(guest, product.services);
  for (const change of changes) await change.apply(guest);
}
