import { isGrpcCancelledError, isGrpcDeadlineError, type WorkflowHandle } from '@temporalio/client';
import { randomUUID } from 'node:crypto';
import type { AzureInventory, InventoryRequest } from '../contracts/azure-inventory.ts';
import { LonghaulError } from '../contracts/errors.ts';
import { migrationIdOf } from '../contracts/ids.ts';
import { migrationInput, migrationLabels } from '../contracts/migration-start.ts';
import { labelTaskQueue, placementTaskQueue, undoTaskQueue, workflowTaskQueue } from '../contracts/queues.ts';
import { firstRunIdOf } from '../contracts/runs.ts';
import type { MigrationSpec } from '../contracts/spec.ts';
import type {
  Elsewhere,
  InventoryInput,
  MigrationInput,
  MigrationPlan,
  MigrationReport,
  Resolution,
  Tuning,
} from '../contracts/steps.ts';
import type { RunRef } from '../contracts/values.ts';
import { setUpNamespace, type SetupItem, type SetupWishes } from '../workers/namespace-setup.ts';
import type { TemporalOptions } from '../workers/options.ts';
import {
  pauseSignal,
  reassignUpdate,
  reportQuery,
  resolveUpdate,
  resumeSignal,
} from '../workflows/messages.ts';
import { isUnanswered } from './ask-again.ts';
import { Batches } from './batch/batches.ts';
import { connectTemporal, unreachable, type ServerCall, type TemporalLink } from './connect.ts';
import { findMigration, type MigrationRow } from './find-migration.ts';
import { Gates } from './gates.ts';
import { Hosts } from './hosts.ts';
import type { LiveView } from './live-view.ts';
import { recentPollers } from './pollers.ts';
import { readLiveView, rowFacts } from './progress.ts';
import { reassignable, type Reassignment } from './reassign.ts';
import { Schedules } from './schedules.ts';
import { fromTemporal, noHost, noLabel, noWorker } from './temporal-errors.ts';

/** Any single call to the server ends within this; what workers are asked through it, as in ask-again.ts. */
const callTimeoutMs = 15_000;
/** Several calls, and twice the time that news of a namespace takes to spread among a server's processes. */
const setUpTimeoutMs = 90_000;

/** What `setUp` found and did. */
export interface NamespaceSetup {
  address: string;
  namespace: string;
  /** Whether migrations can be started now. */
  complete: boolean;
  items: SetupItem[];
}

type Target = Pick<MigrationSpec['target'], 'host' | 'labels'>;

export interface StartOptions {
  /** Starts although this VM was migrated before; a migration that runs is never started twice. */
  again?: boolean;
  tuning?: Tuning;
}

/**
 * The library under the command line: migrations by id over one connection to Temporal. Every method ends
 * within a time limit and throws LonghaulError only: TEMPORAL_UNREACHABLE, NO_WORKER, MIGRATION_NOT_FOUND and
 * the codes named at each.
 */
export class LonghaulClient {
  private readonly link: TemporalLink;

  private constructor(link: TemporalLink) {
    this.link = link;
  }

  /** @param onSilence is told when workers take longer than they should, in words for people */
  static async connect(
    options: TemporalOptions,
    onSilence?: (words: string) => void,
  ): Promise<LonghaulClient> {
    return new LonghaulClient(await connectTemporal(options, onSilence));
  }

  /** Batches over the same connection. */
  get batches(): Batches {
    return new Batches(this.link.client, this.serverCall);
  }

  /** Schedules over the same connection. */
  get schedules(): Schedules {
    return new Schedules(this.link.client, this.serverCall);
  }

  /** Limits over the same connection. */
  get gates(): Gates {
    return new Gates(this.link.client, this.serverCall);
  }

  /** KVM hosts over the same connection. */
  get hosts(): Hosts {
    return new Hosts(this.link, this.serverCall);
  }

  async close(): Promise<void> {
    await this.link.connection.close();
  }

  /** Makes the namespace of this connection fit for Longhaul, or looks whether it is. Throws as `setUpNamespace` does. */
  async setUp(wishes: SetupWishes = {}): Promise<NamespaceSetup> {
    const { connection, address, namespace } = this.link;
    const items = await this.call(
      undefined,
      () => setUpNamespace(connection, namespace, wishes),
      setUpTimeoutMs,
    );
    return { address, namespace, complete: items.every(({ state }) => state !== 'lacking'), items };
  }

  /** Starts a migration and gives its id at once. Throws MIGRATION_EXISTS, SEARCH_ATTRIBUTES_MISSING. */
  async start(spec: MigrationSpec, options: StartOptions = {}): Promise<string> {
    const workflowId = migrationIdOf(spec);
    await this.call(workflowId, () =>
      this.link.client.workflow.start('migrateVm', {
        workflowId,
        taskQueue: workflowTaskQueue,
        args: [migrationInput(spec, options.tuning)],
        workflowIdReusePolicy: options.again === true ? 'ALLOW_DUPLICATE' : 'ALLOW_DUPLICATE_FAILED_ONLY',
        workflowIdConflictPolicy: 'FAIL',
        ...migrationLabels(spec),
      }),
    );
    return workflowId;
  }

  /**
   * Runs preflight and the dry run of the fixes; takes as long as an appliance needs to start. The workflow
   * is cancelled when `signal` aborts. Throws what a step failed with.
   */
  async plan(spec: MigrationSpec, signal?: AbortSignal): Promise<MigrationPlan> {
    const input: MigrationInput = { spec };
    const question = {
      type: 'planVm',
      id: `plan-${spec.source.kind}-${spec.name}`,
      summary: `plan for ${spec.name}`,
      input,
    };
    return (await this.ask(spec.target, question, signal)) as MigrationPlan;
  }

  /** The VMs of a subscription as a host sees them. Throws what `listAzureVms` throws. */
  async inventory(hostId: string, request: InventoryRequest, signal?: AbortSignal): Promise<AzureInventory> {
    const input: InventoryInput = { hostId, request };
    const { subscription } = request;
    const question = {
      type: 'inventoryAzure',
      id: `inventory-azure-${subscription}`,
      summary: `VMs of ${subscription}`,
      input,
    };
    return (await this.ask({ host: hostId }, question, signal)) as AzureInventory;
  }

  /** The newest run of every migration, newest first. */
  async list(): Promise<MigrationRow[]> {
    return this.call(undefined, async () => {
      const rows = new Map<string, MigrationRow>();
      const query = "WorkflowType = 'migrateVm'";
      for await (const info of this.link.client.workflow.list({ query, pageSize: 1000 })) {
        const known = rows.get(info.workflowId);
        const startedAt = info.startTime.toISOString();
        if (known !== undefined && known.startedAt >= startedAt) continue;
        const { status, step, host, vm } = rowFacts(info);
        rows.set(info.workflowId, {
          migrationId: info.workflowId,
          vm: vm ?? info.workflowId,
          status,
          ...(step === undefined ? {} : { step }),
          ...(host === undefined ? {} : { hostId: host }),
          startedAt,
          ...(info.closeTime === undefined ? {} : { endedAt: info.closeTime.toISOString() }),
        });
      }
      const sorted = [...rows.values()].toSorted((a, b) => b.startedAt.localeCompare(a.startedAt));
      return this.markWaiting(sorted);
    });
  }

  /** Marks those that wait for a host that is gone. */
  private async markWaiting(rows: MigrationRow[]): Promise<MigrationRow[]> {
    const onHosts = rows.some(({ status, hostId }) => status === 'running' && hostId !== undefined);
    const gone = new Set(onHosts ? await this.hosts.goneOnes() : []);
    return rows.map((row) =>
      row.status === 'running' && gone.has(row.hostId ?? '') ? { ...row, waitsForHost: true } : row,
    );
  }

  /** The id of the migration meant by an id, a VM's name or the beginning of an id. Throws MIGRATION_AMBIGUOUS. */
  async resolve(reference: string): Promise<string> {
    if (await this.exists(reference)) return reference;
    return findMigration(reference, await this.list()).migrationId;
  }

  /** Whether a run is under way, as this namespace knows it; `unknown` may be of another one. */
  async runState({ migrationId, runId }: RunRef): Promise<'running' | 'over' | 'unknown'> {
    try {
      const { status, raw } = await this.call(migrationId, () => this.handle(migrationId).describe());
      // A reset starts a new execution of the same first run; only one of another first run replaces it.
      if (raw.workflowExecutionInfo?.firstRunId !== firstRunIdOf(runId)) return 'over';
      return status.name === 'RUNNING' || status.name === 'PAUSED' ? 'running' : 'over';
    } catch (error) {
      if (error instanceof LonghaulError && error.code === 'MIGRATION_NOT_FOUND') return 'unknown';
      throw error;
    }
  }

  async view(migrationId: string): Promise<LiveView> {
    return this.call(migrationId, () => readLiveView(this.link, this.handle(migrationId)));
  }

  /** Throws MIGRATION_ENDED, as do `resume` and `cancel`. */
  async pause(migrationId: string): Promise<void> {
    await this.call(migrationId, () => this.handle(migrationId).signal(pauseSignal));
  }

  async resume(migrationId: string): Promise<void> {
    await this.call(migrationId, () => this.handle(migrationId).signal(resumeSignal));
  }

  /** Asks for cancellation; what was done is undone before the migration ends. */
  async cancel(migrationId: string): Promise<void> {
    await this.call(migrationId, () => this.handle(migrationId).cancel());
  }

  /** Answers a parked migration. Throws MIGRATION_NOT_PARKED, also for a step that cannot be skipped. */
  async answer(migrationId: string, resolution: Resolution): Promise<void> {
    await this.call(migrationId, async () => {
      await this.refuseEnded(migrationId);
      await this.handle(migrationId).executeUpdate(resolveUpdate, { args: [resolution] });
    });
  }

  /**
   * Takes a migration from its host and begins it again on another one. Throws REASSIGN_REFUSED where that could do harm,
   * and for one that its host works on, unless `running`.
   */
  async reassign(
    migrationId: string,
    to: Elsewhere,
    { running = false }: { running?: boolean } = {},
  ): Promise<Reassignment> {
    await this.call(migrationId, () => this.refuseEnded(migrationId));
    const from = await reassignable(this, { migrationId, to, running });
    await this.call(migrationId, () =>
      this.handle(migrationId).executeUpdate(reassignUpdate, { args: [to] }),
    );
    return from;
  }

  /** The report so far, or the final one; needs a worker unless the migration completed. */
  async report(migrationId: string): Promise<MigrationReport> {
    return this.call(migrationId, async () => {
      const handle = this.handle(migrationId);
      const { status } = await handle.describe();
      if (status.name === 'COMPLETED') return (await handle.result()) as MigrationReport;
      try {
        return await handle.query(reportQuery);
      } catch (error) {
        if (isUnanswered(error)) throw noWorker(this.link, error);
        throw error;
      }
    });
  }

  /** True when a worker asked for work on the queue in the last minutes. */
  async hasWorker(): Promise<boolean> {
    return (await this.pollersOf(workflowTaskQueue, 'workflow')).length > 0;
  }

  /** Why no host that the spec means will take the VM now: NO_WORKER; undefined when there is one. */
  async hostDoubt({ host, labels = [] }: Target): Promise<LonghaulError | undefined> {
    for (const label of labels)
      if ((await this.pollersOf(labelTaskQueue(label), 'activity')).length === 0) return noLabel(label);
    if (host === 'any') return undefined;
    // A worker whose slots are all taken polls no more for steps, but always for compensations.
    if ((await this.pollersOf(undoTaskQueue(host), 'activity')).length > 0) return undefined;
    const known = await this.pollersOf(placementTaskQueue, 'activity');
    return noHost(
      host,
      known.map((identity) => identity.replace(/\/\d+$/, '')),
    );
  }

  /** Runs a workflow that only looks, and waits for what it says; it is cancelled when the signal aborts. */
  private async ask(
    target: Target,
    { type, id, summary, input }: { type: string; id: string; summary: string; input: unknown },
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    if (!(await this.hasWorker())) throw noWorker(this.link);
    const doubt = await this.hostDoubt(target);
    if (doubt !== undefined) throw doubt;
    const workflowId = `${id}-${randomUUID().slice(0, 8)}`;
    const handle = await this.call(workflowId, () =>
      this.link.client.workflow.start(type, {
        workflowId,
        taskQueue: workflowTaskQueue,
        args: [input],
        staticSummary: summary,
        workflowExecutionTimeout: '1 hour',
      }),
    );
    signal?.addEventListener('abort', () => {
      // The caller has turned away; what cannot be cancelled ends at its time limit.
      handle.cancel().catch(() => undefined);
    });
    try {
      return await handle.result();
    } catch (error) {
      throw fromTemporal(error, { ...this.link, migrationId: workflowId });
    }
  }

  /** Identities of the workers that ask a queue for work. */
  private pollersOf(name: string, kind: 'workflow' | 'activity'): Promise<string[]> {
    return this.call(undefined, () => recentPollers(this.link, name, kind));
  }

  private async exists(migrationId: string): Promise<boolean> {
    try {
      const { type } = await this.call(migrationId, () => this.handle(migrationId).describe());
      return type === 'migrateVm';
    } catch (error) {
      if (error instanceof LonghaulError && error.code === 'MIGRATION_NOT_FOUND') return false;
      throw error;
    }
  }

  private async refuseEnded(migrationId: string): Promise<void> {
    const { status } = await this.handle(migrationId).describe();
    if (status.name === 'RUNNING' || status.name === 'PAUSED') return;
    throw new LonghaulError('MIGRATION_ENDED', {
      found: `${migrationId} has ended already (${status.name.toLowerCase().replaceAll('_', ' ')}).`,
      remedy: `See how with \`longhaul report ${migrationId}\`; start it again with \`longhaul migrate\`.`,
    });
  }

  private handle(migrationId: string): WorkflowHandle {
    return this.link.client.workflow.getHandle(migrationId);
  }

  private readonly serverCall: ServerCall = (work, limit) =>
    this.call(undefined, work, limit === 'unlimited' ? Infinity : callTimeoutMs);

  private async call<T>(
    migrationId: string | undefined,
    work: () => Promise<T>,
    timeoutMs = callTimeoutMs,
  ): Promise<T> {
    const place = { ...this.link, ...(migrationId === undefined ? {} : { migrationId }) };
    try {
      return await this.link.connection.withDeadline(Date.now() + timeoutMs, work);
    } catch (error) {
      // A call that only the server answers does not time out for want of a worker.
      if ((isGrpcDeadlineError(error) || isGrpcCancelledError(error)) && !(await this.isServerUp()))
        throw unreachable(this.link.address, error);
      throw fromTemporal(error, place);
    }
  }

  /** Asks for what the server has to look up: without its database it answers nothing else either. */
  private async isServerUp(): Promise<boolean> {
    const { connection, namespace } = this.link;
    try {
      await connection.withDeadline(Date.now() + 3_000, () =>
        connection.workflowService.describeNamespace({ namespace }),
      );
      return true;
    } catch {
      return false;
    }
  }
}
