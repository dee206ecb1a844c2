import { WorkflowNotFoundError, type WorkflowExecutionDescription } from '@temporalio/client';
import { decodeFromPayloadsAtIndex } from '@temporalio/common/lib/internal-non-workflow/index.js';
import { LonghaulError } from '../contracts/errors.ts';
import {
  hostIdOfWorkflow,
  standingOf,
  hostWorkflowIdOf,
  type DrainAnswer,
  type HostBook,
  type HostPulse,
  type HostStanding,
} from '../contracts/hosts.ts';
import { underWayOn } from '../contracts/migration-start.ts';
import { didYouMean } from '../contracts/nearest.ts';
import { undoTaskQueue } from '../contracts/queues.ts';
import { isRecord } from '../contracts/records.ts';
import { searchAttributes } from '../contracts/search-attributes.ts';
import { setDrainedUpdate } from '../workflows/host/messages.ts';
import type { ServerCall, TemporalLink } from './connect.ts';
import { recentPollers } from './pollers.ts';

/** Hosts that are asked about at once. */
const askedAtOnce = 8;
/** A heartbeat may be as late. */
const freshMs = 30_000;

/** A host as people see it. Times in ISO 8601 UTC. */
export interface HostView extends Omit<HostBook, 'gone'> {
  hostId: string;
  state: HostStanding;
  /** Since when it is gone, as far as that is known. */
  gone?: string;
  /** How it goes there now; absent when it is gone. */
  pulse?: HostPulse;
  /** Migrations on it that have not ended. */
  underWay: number;
  /** Runs that were taken from it, and what they left is still there. */
  leftovers: number;
}

/** Hosts by id. Every method throws LonghaulError only: HOST_NOT_FOUND, and those of any call. None waits for a host. */
export class Hosts {
  readonly #link: Pick<TemporalLink, 'client' | 'connection' | 'namespace'>;
  readonly #call: ServerCall;

  constructor(link: Pick<TemporalLink, 'client' | 'connection' | 'namespace'>, call: ServerCall) {
    this.#link = link;
    this.#call = call;
  }

  /** All that ever had a worker, by their ids. */
  async list(): Promise<HostView[]> {
    const ids = await this.#ids("WorkflowType = 'keepHost' AND ExecutionStatus = 'Running'");
    const views: HostView[] = [];
    for (let from = 0; from < ids.length; from += askedAtOnce)
      views.push(...(await Promise.all(ids.slice(from, from + askedAtOnce).map((id) => this.#view(id)))));
    return views;
  }

  async view(hostId: string): Promise<HostView> {
    try {
      return await this.#view(hostId);
    } catch (error) {
      throw await this.#notFound(hostId, error);
    }
  }

  /**
   * Lets a host take no more VMs, or take them again. Of a host that is away it takes effect when it is back.
   */
  async setDrained(hostId: string, drained: boolean): Promise<DrainAnswer> {
    try {
      return await this.#call(() =>
        this.#link.client.workflow
          .getHandle(hostWorkflowIdOf(hostId))
          .executeUpdate(setDrainedUpdate, { args: [drained] }),
      );
    } catch (error) {
      throw await this.#notFound(hostId, error);
    }
  }

  /** Ids of the hosts that the book has as gone. */
  goneOnes(): Promise<string[]> {
    return this.#ids(
      `WorkflowType = 'keepHost' AND ExecutionStatus = 'Running' AND ${searchAttributes.state.name} = 'gone'`,
    );
  }

  #ids(query: string): Promise<string[]> {
    return this.#call(async () => {
      const ids: string[] = [];
      for await (const { workflowId } of this.#link.client.workflow.list({ query }))
        ids.push(hostIdOfWorkflow(workflowId));
      return ids.sort();
    });
  }

  #view(hostId: string): Promise<HostView> {
    return this.#call(async () => {
      const { client } = this.#link;
      const [description, underWay, leftovers] = await Promise.all([
        client.workflow.getHandle(hostWorkflowIdOf(hostId)).describe(),
        client.workflow.count(underWayOn(hostId)),
        client.workflow.count(underWayOn(hostId, 'cleanUpHost')),
      ]);
      const book = bookOf(description);
      const { pulse, seenAt } = await this.#pulse(description);
      const isHere = pulse !== undefined || (book.gone === undefined && (await this.#hasWorker(hostId)));
      const gone = isHere ? undefined : (book.gone ?? seenAt);
      return {
        ...book,
        hostId,
        state: isHere ? standingOf({ ...book, gone: undefined }) : 'gone',
        gone,
        ...(isHere && pulse ? { pulse } : {}),
        underWay: underWay.count,
        leftovers: leftovers.count,
      };
    });
  }

  /** The last heartbeat, when it is not of a worker that is lost and not missed yet. */
  async #pulse(description: WorkflowExecutionDescription): Promise<{ pulse?: HostPulse; seenAt?: string }> {
    const watch = description.raw.pendingActivities?.find(
      ({ activityType }) => activityType?.name === 'watch',
    );
    const payloads = watch?.heartbeatDetails?.payloads;
    const seenMs = Number(watch?.lastHeartbeatTime?.seconds ?? 0) * 1000;
    if (payloads == null || seenMs === 0) return {};
    const seenAt = new Date(seenMs).toISOString();
    if (Date.now() - seenMs > freshMs) return { seenAt };
    const { loadedDataConverter } = this.#link.client.options;
    const pulse = asPulse(await decodeFromPayloadsAtIndex<unknown>(loadedDataConverter, 0, payloads));
    return { seenAt, ...(pulse ? { pulse } : {}) };
  }

  /** Between two watches the server alone knows. */
  async #hasWorker(hostId: string): Promise<boolean> {
    return (await recentPollers(this.#link, undoTaskQueue(hostId), 'activity')).length > 0;
  }

  async #notFound(hostId: string, error: unknown): Promise<unknown> {
    const isMissing =
      error instanceof WorkflowNotFoundError ||
      (error instanceof LonghaulError && error.code === 'MIGRATION_NOT_FOUND');
    if (!isMissing) return error;
    const known = await this.#ids("WorkflowType = 'keepHost' AND ExecutionStatus = 'Running'");
    return new LonghaulError(
      'HOST_NOT_FOUND',
      {
        found: `No worker ever said that it is of the host "${hostId}"${didYouMean(hostId, known) || '.'}`,
        remedy: 'See which hosts there are with `longhaul host list`.',
        details: { hostId, hosts: known },
      },
      error,
    );
  }
}

function bookOf({ memo }: WorkflowExecutionDescription): HostBook {
  const book = memo?.['host'];
  return isRecord(book) ? (book as unknown as HostBook) : { drained: false };
}

/** Reads a heartbeat's payload; undefined for anything that is not a HostPulse. */
function asPulse(value: unknown): HostPulse | undefined {
  if (!isRecord(value)) return undefined;
  const { busy, placed, promisedBytes } = value;
  const isWhole = [busy, placed, promisedBytes].every((number) => typeof number === 'number');
  return isWhole ? (value as unknown as HostPulse) : undefined;
}
