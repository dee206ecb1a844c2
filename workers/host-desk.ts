import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { freeSpace } from '../activities/host/space.ts';
import {
  hostWorkflowIdOf,
  type DeskActivities,
  type HostBook,
  type HostFacts,
  type HostInput,
  type HostPulse,
  type HostTuning,
} from '../contracts/hosts.ts';
import { workflowTaskQueue } from '../contracts/queues.ts';
import { searchAttributes } from '../contracts/search-attributes.ts';
import { orNothing } from './or-nothing.ts';

const pulseEveryMs = 5_000;
/** A worker that stops is not kept from it for longer. */
const tickMs = 500;
/** A watch is begun anew once a day, with the facts of that day. */
const watchMs = 24 * 3_600_000;

/** What the desk is told by the rest of the worker. */
export interface DeskHost {
  facts: HostFacts;
  /** Steps running now, VMs placed and not begun, bytes promised to them. */
  load: () => Pick<HostPulse, 'busy' | 'placed' | 'promisedBytes'>;
  /** No more work is taken. */
  isStopping: () => boolean;
}

/** Where the host book meets the host: it hears whether its host takes VMs, and shows how it goes. */
export class HostDesk {
  private readonly host: DeskHost;
  private drained = false;
  private onGreeted = () => {};
  /** Resolves when the book has said for the first time whether this host takes VMs. */
  readonly greeted = new Promise<void>((resolve) => (this.onGreeted = resolve));
  private readonly space = new Map<string, SpaceGauge>();

  constructor(host: DeskHost) {
    this.host = host;
    // So that the first pulse has an answer.
    this.freeBytes(host.facts.targetDirectory);
    this.freeBytes(host.facts.stateDirectory);
  }

  readonly isDrained = (): boolean => this.drained;

  readonly activities: DeskActivities = {
    greet: ({ drained }) => {
      this.drained = drained;
      this.onGreeted();
      return Promise.resolve(this.host.facts);
    },
    watch: async () => {
      const context = Context.current();
      const until = Date.now() + watchMs;
      let nextPulse = 0;
      while (Date.now() < until) {
        if (this.host.isStopping()) return 'stopped';
        context.cancellationSignal.throwIfAborted();
        if (Date.now() >= nextPulse) {
          context.heartbeat(this.pulse());
          nextPulse = Date.now() + pulseEveryMs;
        }
        await sleep(tickMs);
      }
      return 'lasted';
    },
  };

  private pulse(): HostPulse {
    const { targetDirectory, stateDirectory } = this.host.facts;
    const [target, state] = [this.freeBytes(targetDirectory), this.freeBytes(stateDirectory)];
    return {
      ...this.host.load(),
      ...(target === undefined ? {} : { targetFreeBytes: target }),
      ...(state === undefined ? {} : { stateFreeBytes: state }),
    };
  }

  private freeBytes(directory: string): number | undefined {
    const gauge = this.space.get(directory) ?? new SpaceGauge(directory);
    this.space.set(directory, gauge);
    return gauge.read();
  }
}

/** Free space as it was a moment ago: a file system that hangs must not hold up who asks. */
class SpaceGauge {
  private readonly directory: string;
  private last: number | undefined;
  private isAsking = false;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** @returns undefined while there is no answer to the last question */
  read(): number | undefined {
    if (this.isAsking) return undefined;
    const { last } = this;
    this.isAsking = true;
    void freeSpace(this.directory)
      .then(
        ({ freeBytes }) => (this.last = freeBytes),
        () => (this.last = undefined),
      )
      .finally(() => (this.isAsking = false));
    return last;
  }
}

/** Tells the host book that a worker of the host has begun; one that is not kept yet is opened. */
export async function sayHello(client: Client, hostId: string, tuning?: HostTuning): Promise<void> {
  const book = await lastBook(client, hostId);
  const input: HostInput = { hostId, ...(book && { book }), ...(tuning && { tuning }) };
  // By name: importing the definition would load the workflow SDK into this process.
  await client.workflow.signalWithStart('keepHost', {
    workflowId: hostWorkflowIdOf(hostId),
    taskQueue: workflowTaskQueue,
    args: [input],
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    signal: 'here',
    signalArgs: [],
    staticSummary: `KVM host ${hostId}`,
    typedSearchAttributes: [
      { key: searchAttributes.host, value: hostId },
      { key: searchAttributes.state, value: 'ready' },
    ],
  });
}

/** A book that somebody closed is opened again as it was: a drained host stays drained. */
async function lastBook(client: Client, hostId: string): Promise<HostBook | undefined> {
  const described = await orNothing(client.workflow.getHandle(hostWorkflowIdOf(hostId)).describe());
  return described?.memo?.['host'] as HostBook | undefined;
}
