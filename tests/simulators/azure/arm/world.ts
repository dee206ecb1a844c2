import { randomUUID } from 'node:crypto';
import type { Principal } from '../entra.ts';
import type { Surroundings } from '../server.ts';
import type { Storage } from '../storage/storage.ts';
import type { Tokens } from '../tokens.ts';
import { ArmError, notFound } from './errors.ts';
import {
  Table,
  type Disk,
  type Nic,
  type PublicIp,
  type Resource,
  type ResourceGroup,
  type RestorePointCollection,
  type Snapshot,
  type Vm,
} from './model.ts';
import { Operations } from './operations.ts';

/** All that exists in the simulated subscription. */
export class World {
  readonly subscription: string;
  readonly subscriptionName = 'Longhaul test subscription';
  readonly principal: Principal;
  readonly tokens: Tokens;
  readonly surroundings: Surroundings;
  readonly storage: Storage;
  readonly operations: Operations;
  readonly groups = new Map<string, ResourceGroup>();
  readonly vms = new Table<Vm>('Microsoft.Compute/virtualMachines');
  readonly disks = new Table<Disk>('Microsoft.Compute/disks');
  readonly snapshots = new Table<Snapshot>('Microsoft.Compute/snapshots');
  readonly collections = new Table<RestorePointCollection>('Microsoft.Compute/restorePointCollections');
  readonly nics = new Table<Nic>('Microsoft.Network/networkInterfaces');
  readonly publicIps = new Table<PublicIp>('Microsoft.Network/publicIPAddresses');

  constructor(options: {
    subscription: string;
    principal: Principal;
    tokens: Tokens;
    surroundings: Surroundings;
    storage: Storage;
  }) {
    this.subscription = options.subscription;
    this.principal = options.principal;
    this.tokens = options.tokens;
    this.surroundings = options.surroundings;
    this.storage = options.storage;
    this.operations = new Operations(options.subscription, options.surroundings.settings);
  }

  get settings() {
    return this.surroundings.settings;
  }

  /** The group of this name, made when there is none. */
  addGroup(name: string, location: string): ResourceGroup {
    const known = this.groups.get(name.toLowerCase());
    if (known) return known;
    const group: ResourceGroup = {
      id: `/subscriptions/${this.subscription}/resourceGroups/${name}`,
      name,
      resourceGroup: name,
      subscription: this.subscription,
      location,
      tags: {},
      createdAt: new Date(),
    };
    this.groups.set(name.toLowerCase(), group);
    return group;
  }

  /** @throws ArmError ResourceGroupNotFound. */
  group(name: string): ResourceGroup {
    const group = this.groups.get(name.toLowerCase());
    if (!group)
      throw new ArmError(404, 'ResourceGroupNotFound', `Resource group '${name}' could not be found.`);
    return group;
  }

  /** The id of a resource, spelled as here. */
  idOf(group: string, type: string, ...names: string[]): string {
    const [namespace = '', ...types] = type.split('/');
    const path = types.flatMap((part, at) => [part, names[at] ?? '']).join('/');
    return `/subscriptions/${this.subscription}/resourceGroups/${group}/providers/${namespace}/${path}`;
  }

  /** What a new resource has in common with all others. */
  resource(group: ResourceGroup, type: string, name: string, tags: Record<string, string> = {}): Resource {
    const id = this.idOf(group.name, type, name);
    return {
      id,
      name,
      resourceGroup: group.name,
      location: group.location,
      tags: { ...tags },
      createdAt: new Date(),
    };
  }

  /** @throws ArmError ResourceGroupNotFound, ResourceNotFound. */
  require<T extends Resource>(table: Table<T>, group: string, name: string): T {
    const { name: groupName } = this.group(group);
    const found = table.find(this.idOf(groupName, table.type, name));
    if (!found) throw notFound(table.type, name, group);
    return found;
  }

  newId(): string {
    return randomUUID();
  }
}
