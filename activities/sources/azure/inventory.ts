import type { ComputeManagementClient } from '@azure/arm-compute';
import type { NetworkManagementClient } from '@azure/arm-network';
import type {
  AzureInventory,
  AzureMachine,
  InventoryRequest,
  PowerState,
} from '../../../contracts/azure-inventory.ts';
import { LonghaulError } from '../../../contracts/errors.ts';
import { formatBytes } from '../../../contracts/units.ts';
import type { StepIo } from '../../host/step-io.ts';
import type { SourceDeps } from '../source.ts';
import { connectAzure, type AzureConnection } from './connect.ts';
import { isWanted } from './inventory-filter.ts';
import { listAll } from './listing.ts';
import { machineOf, powerStateOf } from './machine.ts';
import {
  diskResource,
  idKey,
  nicResource,
  resourceGroupOf,
  vmResource,
  vmStatus,
  type DiskResource,
  type NicResource,
  type VmResource,
} from './resources.ts';
import { listSizes, type SizeTable } from './sizes.ts';

/**
 * VMs with everything a domain needs, from paged listings: never a request for each VM. Listings run side by side.
 *
 * @throws LonghaulError OPTION_INVALID for a whole subscription that was not asked for, and as
 *   {@link AzureConnection.ask} does
 */
export async function listAzureVms(
  request: InventoryRequest,
  deps: Pick<SourceDeps, 'resolveSecret' | 'azure'>,
  io: StepIo,
): Promise<AzureInventory> {
  const { subscription, resourceGroups, all } = request;
  if (resourceGroups.length === 0 && all !== true)
    throw new LonghaulError('OPTION_INVALID', {
      found: 'No resource group is named, which would list the whole subscription.',
      remedy: 'Name resource groups (--resource-group), or ask for all of them (--all).',
    });
  const azure = await connectAzure(request, deps, io);
  // One after the other would take the SDK as long again as the listings.
  const [compute, network] = await Promise.all([azure.compute(subscription), azure.network(subscription)]);
  return new Listings(azure, { compute, network }, request).inventory();
}

/** Temporal takes 2 MiB for an answer. */
const mostAnswerBytes = 1_500_000;

/**
 * An inventory that can be sent.
 *
 * @throws LonghaulError OPTION_INVALID for one that is too large
 */
export function sendable(inventory: AzureInventory): AzureInventory {
  const bytes = Buffer.byteLength(JSON.stringify(inventory));
  if (bytes <= mostAnswerBytes) return inventory;
  throw new LonghaulError('OPTION_INVALID', {
    found: `The inventory of ${inventory.vms.length} VMs has ${formatBytes(bytes)}, more than a host can send.`,
    remedy: 'Choose fewer (--resource-group, --name, --tag), or list them without --host.',
  });
}

class Listings {
  readonly #azure: AzureConnection;
  readonly #clients: { compute: ComputeManagementClient; network: NetworkManagementClient };
  readonly #request: InventoryRequest;
  /** Undefined stands for the whole subscription. */
  readonly #scopes: readonly (string | undefined)[];
  readonly #gaps = new Set<string>();

  constructor(
    azure: AzureConnection,
    clients: { compute: ComputeManagementClient; network: NetworkManagementClient },
    request: InventoryRequest,
  ) {
    this.#azure = azure;
    this.#clients = clients;
    this.#request = request;
    const groups = new Map(request.resourceGroups.map((group) => [group.toLowerCase(), group]));
    this.#scopes = groups.size === 0 ? [undefined] : [...groups.values()];
  }

  async inventory(): Promise<AzureInventory> {
    const [vms, states, disks, nics] = await Promise.all([
      this.#inScopes(this.#scopes, (scope) => this.#vms(scope)),
      this.#states(),
      this.#inScopes(this.#scopes, (scope) => this.#disks(scope)),
      this.#inScopes(this.#scopes, (scope) => this.#nics(scope)),
    ]);
    const stateOf = ({ id }: VmResource) => ({ state: states.get(idKey(id)) ?? ('unknown' as const) });
    const known = { disks: byId(disks), nics: byId(nics) };
    // The filter asks for nothing that is still to be read.
    const wanted = vms.filter((vm) =>
      isWanted(machineOf(vm, { ...known, ...stateOf(vm), sizeOf: () => undefined }), this.#request),
    );
    await this.#addFromElsewhere(wanted, known);
    const sizes = await this.#sizes(wanted);
    const sizeOf = (location: string, size: string) =>
      sizes.get(location.toLowerCase())?.get(size.toLowerCase());
    const machines = wanted.map((vm) => machineOf(vm, { ...known, ...stateOf(vm), sizeOf }));
    return { vms: machines.toSorted(byGroupAndName), gaps: [...this.#gaps] };
  }

  async #inScopes<T>(
    scopes: readonly (string | undefined)[],
    list: (scope: string | undefined) => Promise<T[]>,
  ): Promise<T[]> {
    return (await Promise.all(scopes.map(list))).flat();
  }

  #vms(group: string | undefined): Promise<VmResource[]> {
    const { virtualMachines } = this.#clients.compute;
    return listAll(this.#azure, `list the VMs${of(group)}`, vmResource, () =>
      group === undefined ? virtualMachines.listAll() : virtualMachines.list(group),
    );
  }

  #disks(group: string | undefined): Promise<DiskResource[]> {
    const { disks } = this.#clients.compute;
    return this.#orGap(`the disks${of(group)}`, [], () =>
      listAll(this.#azure, `list the disks${of(group)}`, diskResource, () =>
        group === undefined ? disks.list() : disks.listByResourceGroup(group),
      ),
    );
  }

  #nics(group: string | undefined): Promise<NicResource[]> {
    const { networkInterfaces } = this.#clients.network;
    return this.#orGap(`the network cards${of(group)}`, [], () =>
      listAll(this.#azure, `list the network cards${of(group)}`, nicResource, () =>
        group === undefined ? networkInterfaces.listAll() : networkInterfaces.list(group),
      ),
    );
  }

  /** Only a listing of the whole subscription tells the states, and nothing else. */
  async #states(): Promise<ReadonlyMap<string, PowerState>> {
    const doing = 'list the states of the VMs of the subscription';
    const ask = () =>
      listAll(this.#azure, doing, vmStatus, () =>
        this.#clients.compute.virtualMachines.listAll({ statusOnly: 'true' }),
      );
    // Who asks for running VMs must not get a list that left some out.
    const vms = await (this.#request.state === undefined
      ? this.#orGap('the states of the VMs', [], ask)
      : ask());
    return new Map(vms.map(({ id, instanceView }) => [idKey(id), powerStateOf(instanceView)]));
  }

  /** Disks and cards may lie in other groups than their VM: those are listed too. */
  async #addFromElsewhere(
    vms: readonly VmResource[],
    known: { disks: Map<string, DiskResource>; nics: Map<string, NicResource> },
  ): Promise<void> {
    const listed = new Set(this.#scopes.map((scope) => scope?.toLowerCase()));
    if (listed.has(undefined)) return;
    const groupsOf = (ids: readonly (string | undefined)[]) => {
      const groups = ids.flatMap((id) =>
        id === undefined ? [] : (resourceGroupOf(id)?.toLowerCase() ?? []),
      );
      return [...new Set(groups)].filter((group) => !listed.has(group));
    };
    const diskIds = vms.flatMap(({ storageProfile }) =>
      [storageProfile?.osDisk, ...(storageProfile?.dataDisks ?? [])].map((disk) => disk?.managedDisk?.id),
    );
    const nicIds = vms.flatMap(({ networkProfile }) =>
      (networkProfile?.networkInterfaces ?? []).map(({ id }) => id),
    );
    const [disks, nics] = await Promise.all([
      this.#inScopes(groupsOf(diskIds), (group) => this.#disks(group)),
      this.#inScopes(groupsOf(nicIds), (group) => this.#nics(group)),
    ]);
    for (const disk of disks) known.disks.set(idKey(disk.id), disk);
    for (const nic of nics) known.nics.set(idKey(nic.id), nic);
  }

  async #sizes(vms: readonly VmResource[]): Promise<ReadonlyMap<string, SizeTable>> {
    const locations = [...new Set(vms.map(({ location }) => location.toLowerCase()))];
    const tables = await Promise.all(
      locations.map((location) =>
        this.#orGap<SizeTable>(`the sizes of ${location}`, new Map(), () =>
          listSizes(this.#azure, this.#clients.compute, location),
        ),
      ),
    );
    return new Map(locations.map((location, at) => [location, tables[at] ?? new Map()]));
  }

  /** What the account may not read is left out, and said. */
  async #orGap<T>(what: string, without: T, ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof LonghaulError) || error.code !== 'AZURE_DENIED') throw error;
      const { action } = error.details;
      this.#gaps.add(`The account may not read ${what}${typeof action === 'string' ? ` (${action})` : ''}.`);
      return without;
    }
  }
}

const of = (group: string | undefined) => (group === undefined ? ' of the subscription' : ` in ${group}`);

function byId<T extends { id: string }>(resources: readonly T[]): Map<string, T> {
  return new Map(resources.map((resource) => [idKey(resource.id), resource]));
}

function byGroupAndName(a: AzureMachine, b: AzureMachine): number {
  return (
    compare(a.resourceGroup.toLowerCase(), b.resourceGroup.toLowerCase()) ||
    compare(a.name.toLowerCase(), b.name.toLowerCase())
  );
}

/** By code points: the same everywhere, whatever the locale. */
const compare = (a: string, b: string) => (a < b ? -1 : Number(a > b));
