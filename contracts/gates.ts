import { LonghaulError } from './errors.ts';
import type { MigrationSpec } from './spec.ts';

/**
 * A gate stands before everything that bears only so much: what disks are fetched from (an Azure subscription, the origin of
 * a URL), and where an operator says so, a host or a directory that disks are copied to. It counts the disks that are under
 * way there at once, across all batches and single migrations. Its workflow is named by its key. Files on the host are
 * fetched from nowhere, and an address that only the worker knows has no gate.
 */

/** Disks that are fetched from one place at once, unless `longhaul limit set` says otherwise. */
export const defaultLimits = {
  /** Of one subscription: every disk is read through a snapshot and an access of its own. */
  azure: 20,
  /** Of one web server: every disk is fetched over several connections. */
  url: 8,
} as const;

/** No limit may be higher. */
export const maxLimit = 10_000;

/** A gate knows no more than fits into one message, some hundred migrations. Others wait outside and come again. */
export const maxBookLength = 56 * 1024;

const azurePrefix = 'azure/';
const hostPrefix = 'host/';
const storagePrefix = 'storage/';

/** Whether disks are copied to what the key names; else they are fetched from there. */
export const isTarget = (key: string): boolean => key.startsWith(hostPrefix) || key.startsWith(storagePrefix);

/**
 * Keys of a target, in the order of all keys: the host, its directory, and the directory on whatever host, which stands for
 * storage that hosts share.
 */
export const targetKeysOf = (hostId: string, directory: string): string[] => [
  `${hostPrefix}${hostId}`,
  `${storagePrefix}*:${directory}`,
  `${storagePrefix}${hostId}:${directory}`,
];

export const gateIdOf = (key: string): string => `gate-${key}`;

export const keyOfGate = (workflowId: string): string => workflowId.replace(/^gate-/, '');

/** Of a target none: it has a gate only as long as somebody has set a limit. */
export function defaultLimitOf(key: string): number {
  if (isTarget(key)) return maxLimit;
  return key.startsWith(azurePrefix) ? defaultLimits.azure : defaultLimits.url;
}

/** Whether it can be the limit of a gate: 0 closes it. */
export const isLimit = (limit: number): boolean => Number.isInteger(limit) && limit >= 0 && limit <= maxLimit;

/** What a migration needs of a gate. */
export interface GateNeed {
  key: string;
  /** Disks it fetches from there. */
  weight: number;
}

/** Gates of a migration, in an order that is the same for all: so none waits for one that waits for it. */
export function gatesOf({ source }: MigrationSpec, diskCount: number): GateNeed[] {
  switch (source.kind) {
    case 'azure':
      return [{ key: `${azurePrefix}${source.subscription}`, weight: diskCount }];
    case 'archive':
      return needsOf([source.url]);
    case 'image':
      return needsOf(source.disks.map((disk) => ('url' in disk ? disk.url : undefined)));
  }
}

function needsOf(urls: (string | undefined)[]): GateNeed[] {
  const weights = new Map<string, number>();
  for (const url of urls) {
    const origin = url === undefined ? undefined : originOf(url);
    if (origin !== undefined) weights.set(origin, (weights.get(origin) ?? 0) + 1);
  }
  return [...weights].map(([key, weight]) => ({ key, weight })).sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** RFC 6454. */
function originOf(url: string): string | undefined {
  return /^https?:\/\//i.test(url) && URL.canParse(url) ? new URL(url).origin : undefined;
}

/**
 * The key meant by what an operator writes: a key, an address, or the id of a subscription.
 *
 * @throws LonghaulError OPTION_INVALID
 */
export function gateKeyFrom(text: string): string {
  const [, subscription] = /^(?:azure\/)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i.exec(text) ?? [];
  const key = subscription
    ? `${azurePrefix}${subscription.toLowerCase()}`
    : (targetOf(text) ?? originOf(text));
  if (key !== undefined) return key;
  throw new LonghaulError('OPTION_INVALID', {
    found: `"${text}" is not the key of a limit`,
    remedy:
      'Name an Azure subscription (azure/ID), a web server (https://HOST), a host (host/ID) or a directory for disks (storage/ID:/DIRECTORY, * for all hosts).',
  });
}

function targetOf(text: string): string | undefined {
  if (!/^(host\/[\w.-]+|storage\/([\w.-]+|\*):\/[^\0]{0,1000})$/.test(text)) return undefined;
  return text.replace(/\/+$/, '') || undefined;
}

/** One migration at a gate: a holder, or one that waits. */
export interface GateEntry {
  migrationId: string;
  runId: string;
  /** Tells the tries of one run apart; after a pause it comes again. */
  turn: number;
  weight: number;
}

/** Those of one batch that wait, in their order. A single migration is a line of its own. */
export interface GateLine {
  /** Id of the batch, or of the migration. */
  line: string;
  waiting: GateEntry[];
}

/** All that a gate knows: the answer of the `gate` query, and what goes on over continue-as-new. */
export interface GateBook {
  limit: number;
  /** What all those within may fetch together; absent: as fast as it goes. */
  bytesPerSecond?: number;
  holders: GateEntry[];
  /** In the order of their turns. */
  lines: GateLine[];
}

/** Input of `sourceGate`. */
export interface GateInput {
  key: string;
  /** How far it was. */
  book?: GateBook;
  /** When it looks after its holders next, in milliseconds since 1970. */
  lookAt?: number;
  tuning?: GateTuning;
}

/** A place is free again so long after its holder was lost, at most. */
export const leaseSecondsOf = (tuning: { leaseSeconds?: number } | undefined): number =>
  tuning?.leaseSeconds ?? 60;

/** Durations of a gate; the defaults suit production. */
export interface GateTuning {
  /** What a holder had that was lost is free again within this. Default 60. */
  leaseSeconds?: number;
  /** How long it waits for somebody before it ends. Default 600. */
  idleSeconds?: number;
  /** Events after which it continues as new. Default 4000. */
  historyEvents?: number;
}

/** From a migration to a gate. */
export type GateCall =
  { enter: GateEntry; /** Id of the batch, or of the migration. */ line: string } | { leave: GateEntry };

/** From a gate to a migration: how it stands there. */
export interface GateWord {
  key: string;
  turn: number;
  /** Disks may be fetched. */
  granted: boolean;
  /** Migrations whose turn comes before. */
  before: number;
}

/**
 * What one of those within may fetch, in bytes a second: its share of the whole, by its disks. Infinity without a budget. One
 * that the gate does not know any more takes what a further disk would get.
 */
export function shareOf(book: GateBook, migrationId: string): number {
  const { bytesPerSecond = Infinity, holders } = book;
  const own = holders.find((each) => each.migrationId === migrationId);
  const weight = own?.weight ?? 1;
  return (bytesPerSecond * weight) / (usedOf(book) + (own ? 0 : weight));
}

/** Disks that those within may fetch. */
export const usedOf = ({ holders }: Pick<GateBook, 'holders'>): number =>
  holders.reduce((sum, { weight }) => sum + weight, 0);
