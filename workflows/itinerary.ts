import { CancellationScope, ParentClosePolicy, startChild } from '@temporalio/workflow';
import { leftoverIdOf, nextRun } from '../contracts/runs.ts';
import { searchAttributes } from '../contracts/search-attributes.ts';
import type { Elsewhere } from '../contracts/steps.ts';
import { cleanUpHost } from './host/clean-up-host.ts';
import { runMigration, type Migration } from './migration-steps.ts';

/**
 * The hosts of a migration: one, and another whenever an operator says so. What a run has on the host that it leaves is
 * removed by a workflow that outlives the migration; what goes on elsewhere is another run, so that neither is taken for
 * the other.
 */
export class Itinerary {
  private readonly migration: Migration;
  private scope: CancellationScope | undefined;
  private to: Elsewhere | undefined;

  constructor(migration: Migration) {
    this.migration = migration;
  }

  /** Why it cannot be given to another host; undefined when it can. */
  refusalOf({ host }: Elsewhere): string | undefined {
    const { status, hostId, spec } = this.migration.state;
    const { state } = this.migration;
    if (status !== 'running' && status !== 'paused' && status !== 'parked')
      return `the migration is ${status}`;
    if (this.to !== undefined) return 'the migration is leaving its host already';
    if (this.migration.steps.isResolved) return 'an operator has just answered its parked step';
    if (host !== undefined && host === hostId) return `the migration is on ${host} already`;
    if (state.hasEnded('verify-boot')) return `the VM is whole on ${hostId ?? 'its host'}`;
    // A host that comes back would start it beside the one that is made elsewhere.
    if (state.hasBegun('define') && spec.target.autostart)
      return `the VM may be defined on ${hostId ?? 'its host'} and starts there with the host (target.autostart)`;
    return undefined;
  }

  /** Stops whatever runs, so that the pipeline begins again. */
  reassign(to: Elsewhere): null {
    this.to = to;
    this.migration.steps.isLeaving = true;
    this.scope?.cancel();
    return null;
  }

  /** Runs the pipeline to its end, on the last host. */
  async run(): Promise<void> {
    for (;;) {
      this.scope = new CancellationScope();
      // A word that came before there was anything to stop.
      if (this.to !== undefined) this.scope.cancel();
      try {
        await this.scope.run(() => runMigration(this.migration));
        return;
      } catch (error) {
        const { to } = this;
        if (to === undefined || CancellationScope.current().consideredCancelled) throw error;
        await this.leave(to);
      }
    }
  }

  private async leave(to: Elsewhere): Promise<void> {
    const { migration } = this;
    const { run, state, steps, undo, publish } = migration;
    const { hostId } = state;
    if (hostId !== undefined) await startCleaning(migration, hostId);
    undo.forget();
    migration.run = nextRun(run);
    migration.left = hostId;
    state.startOver(to);
    steps.onAmended = undefined;
    steps.isLeaving = false;
    this.to = undefined;
    publish();
  }
}

async function startCleaning({ run, state: { spec } }: Migration, hostId: string): Promise<void> {
  await startChild(cleanUpHost, {
    workflowId: leftoverIdOf(run, hostId),
    args: [{ hostId, run, spec }],
    parentClosePolicy: ParentClosePolicy.ABANDON,
    staticSummary: `what ${spec.name} left on ${hostId}`,
    typedSearchAttributes: [
      { key: searchAttributes.vm, value: spec.name },
      { key: searchAttributes.host, value: hostId },
    ],
  });
}
