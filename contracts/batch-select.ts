import { z } from 'zod';
import { azureClouds } from './azure-clouds.ts';
import { type InventoryRequest, tagOf } from './azure-inventory.ts';
import { absolutePath } from './spec-atoms.ts';
import { azureLogin, azureSource, guid } from './spec-sources.ts';
import { anyFits } from './wildcards.ts';

/** VMs of a batch that are looked up when it begins: by a filter over what there is then, in place of a list. */

/** Names with `*` and `?`; one has to fit. In whatever case. */
const patterns = z.array(z.string().min(1).max(256)).min(1).max(1000);

/** Where in the batch a VM comes. */
const position = {
  /** The first when left out. */
  wave: z.string().optional(),
  priority: z.int().optional(),
};

const fromAzure = z
  .strictObject({
    subscription: guid,
    cloud: z.enum(azureClouds).default('public'),
    login: azureLogin.optional(),
    resourceGroups: z.array(azureSource.shape.resourceGroup).max(1000).default([]),
    /** All resource groups. */
    all: z.boolean().default(false),
    names: patterns.optional(),
    /** `NAME` or `NAME=VALUE`; all have to be there. */
    tags: z.array(z.string().min(1)).max(50).optional(),
    state: z.enum(['running', 'stopped']).optional(),
    os: z.enum(['linux', 'windows']).optional(),
    sizes: patterns.optional(),
    zones: z.array(z.string()).max(10).optional(),
  })
  .refine(({ resourceGroups, all }) => all !== resourceGroups.length > 0, {
    message: 'must have either resourceGroups or all: true',
  });

const fromFiles = z.strictObject({
  /** A directory of a KVM host; what lies below its directories is not looked at. */
  directory: absolutePath,
  /** Of the files; all disk images and archives when left out. */
  names: patterns.optional(),
});

export const selectors = z
  .strictObject({
    azure: fromAzure.optional(),
    files: fromFiles.optional(),
    /** Id of the KVM host that looks; any when left out. */
    host: z.string().min(1).optional(),
    ...position,
  })
  .check(({ value: { azure, files, host }, issues, value }) => {
    const issue = (message: string) => issues.push({ code: 'custom', input: value, path: [], message });
    if ((azure === undefined) === (files === undefined)) issue('must have either azure or files');
    else if (files !== undefined && host === undefined)
      issue('must have a host: the one whose directory it is');
  });

/** What is said of some of the VMs that were found, over what is said of all. */
export const override = z.looseObject({ names: patterns, ...position });

export type Selector = z.output<typeof selectors>;
export type Override = z.output<typeof override>;

/** An entry of a batch file: a part of a spec, with the VM's position. */
export interface BatchEntry extends Record<string, unknown> {
  wave?: string | undefined;
  priority?: number | undefined;
  /** Bytes on its disks, for the order by size. */
  sizeGiB?: number | undefined;
}

export const orders = ['listed', 'priority', 'size'] as const;
export type BatchOrder = (typeof orders)[number];

/** What a batch takes its VMs from by itself. It is kept small: it stands in the history of the batch. */
export interface BatchSelection {
  select: Selector[];
  /** VMs that were written down, whole. */
  listed: BatchEntry[];
  defaults: Record<string, unknown>;
  overrides: Override[];
  order: BatchOrder;
}

/** What came of looking for VMs in one place. */
export interface Selected {
  /** VMs that the batch got. */
  vms: number;
  /** VMs that were found and have been migrated, are under way, or are in the batch from another place. */
  leftOut: number;
  /** VMs that cannot be migrated as the batch says, each one sentence; the first few. */
  refused: string[];
  refusedCount: number;
  /** What could not be read, each one sentence; the first few. */
  gaps: string[];
  /** There are more than are handed over at a time: look there once more. */
  more?: true;
}

export function inventoryRequest({ azure }: Selector): InventoryRequest | undefined {
  if (azure === undefined) return undefined;
  const { tags, ...rest } = azure;
  return { ...withoutUndefined(rest), ...(tags ? { tags: tags.map(tagOf) } : {}) };
}

/** Whether an override speaks of a VM. */
export const speaksOf = ({ names }: Override, vm: string): boolean => anyFits(names, vm);

/** A copy without keys that are undefined, as JSON would have it. */
export const withoutUndefined = <T extends object>(value: T): WithoutUndefined<T> =>
  Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as WithoutUndefined<T>;

type WithoutUndefined<T> = { [Key in keyof T]: Exclude<T[Key], undefined> };
