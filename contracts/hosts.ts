/**
 * The host book: one workflow for each host, `keepHost`, knows what the host is like, whether it takes VMs, and whether
 * it is there. It holds an activity open on the host for as long as the host lives. What changes by the second is in
 * that activity's heartbeats; the rest is in the workflow's memo: the server tells both without anybody's help.
 */

const prefix = 'host-';
export const hostWorkflowIdOf = (hostId: string): string => `${prefix}${hostId}`;
export const hostIdOfWorkflow = (workflowId: string): string => workflowId.slice(prefix.length);

/** What a worker says of its host when it is greeted. */
export interface HostFacts {
  labels: string[];
  /** Steps at once. */
  slots: number;
  /** Of Longhaul. */
  version: string;
  /** Where disks go when a spec does not say. */
  targetDirectory: string;
  stateDirectory: string;
  libvirtUri: string;
  memoryBytes: number;
}

/** How it goes on a host: a heartbeat of `watch`. */
export interface HostPulse {
  /** Steps that run. */
  busy: number;
  /** VMs that were placed here and have not begun. */
  placed: number;
  /** Of the directories; absent while a file system does not answer. */
  targetFreeBytes?: number;
  stateFreeBytes?: number;
  /** Bytes that VMs placed here will still need of the target directory. */
  promisedBytes: number;
}

/** All that is known of a host: the memo of its workflow under `host`, and what goes on over continue-as-new. */
export interface HostBook {
  /** Takes no more VMs. */
  drained: boolean;
  /** Absent before the first greeting. */
  facts?: HostFacts;
  /** Since when it is there; ISO 8601. */
  here?: string;
  /** Since when it is not, when it is not. */
  gone?: string;
}

/** Whether it takes VMs. */
export type HostStanding = 'ready' | 'drained' | 'gone';

export const standingOf = ({ drained, gone }: HostBook): HostStanding =>
  gone !== undefined ? 'gone' : drained ? 'drained' : 'ready';

/** Input of `keepHost`. */
export interface HostInput {
  hostId: string;
  /** How it was. */
  book?: HostBook;
  tuning?: HostTuning;
}

/** Durations; the defaults suit production. */
export interface HostTuning {
  /** A host that is lost is noticed after this long. Default 20. */
  heartbeatSeconds?: number;
  /** A worker that is started again within this was never gone. Default 15. */
  graceSeconds?: number;
  /** Events after which the workflow continues as new. Default 2000. */
  historyEvents?: number;
}

/** Answer of the update `set-drained`. */
export interface DrainAnswer {
  /** The host has heard of it; else it will with its next greeting. */
  heard: boolean;
}

/** From a host's workflow to the migrations on it. Of two words the later counts, in whatever order they come. */
export interface HostWord {
  hostId: string;
  /** When it was said, in milliseconds since 1970. */
  saidAt: number;
  /** Since when the host is gone; absent: it is there. */
  gone?: string;
}

/** How a worker of a host ended a watch. */
export type WatchEnd = 'stopped' | 'lasted';

/** Activities by which the book knows a host; polled from its undo queue, so that they never wait behind steps. */
export interface DeskActivities {
  /** Tells the worker whether its host takes VMs. Done when the host is there. */
  greet(word: { drained: boolean }): Promise<HostFacts>;
  /** Lasts as long as the worker, a day at most. */
  watch(): Promise<WatchEnd>;
}
