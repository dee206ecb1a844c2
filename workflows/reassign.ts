import { ParentClosePolicy, startChild } from '@temporalio/workflow';
import { leftoverIdOf, nextRun } from '../contracts/runs.ts';
import { searchAttributes } from '../contracts/search-attributes.ts';
import type { Elsewhere } from '../contracts/steps.ts';
import type { RunRef } from '../contracts/values.ts';
import { cleanUpHost } from './host/clean-up-host.ts';
import { runMigration, type Migration } from './migration-steps.ts';
import type { MigrationState } from './migration-state.ts';
import { Reassigned } from './step-runner.ts';

/** Why a migration cannot be given to another host; undefined when it can. */
export function refusalOfReassignment(state: MigrationState, { host }: Elsewhere): string | undefined {
  const { status, hostId, spec } = state;
  if (status !== 'running' && status !== 'paused' && status !== 'parked') return `the migration is ${status}`;
  if (host !== undefined && host === hostId) return `the migration is on ${host} already`;
  if (state.hasEnded('verify-boot')) return `the VM is whole on ${hostId ?? 'its host'}`;
  // A host that comes back would start it beside the one that is made elsewhere.
  if (state.hasBegun('define') && spec.target.autostart)
    return `the VM may be defined on ${hostId ?? 'its host'} and starts there with the host (target.autostart)`;
  return undefined;
}

/** Runs the pipeline, on one host after another if an operator says so. */
export async function runOnHosts(migration: Migration): Promise<void> {
  for (;;) {
    try {
      await runMigration(migration);
      return;
    } catch (error) {
      if (!(error instanceof Reassigned)) throw error;
      await leaveHost(migration, error.to);
    }
  }
}

/**
 * What the run has on its host is left to a workflow that outlives this one, and may never be able to remove it; what
 * goes on elsewhere is another run, so that neither is taken for the other.
 */
async function leaveHost(migration: Migration, to: Elsewhere): Promise<void> {
  const { run, state, steps, undo } = migration;
  const { hostId, spec } = state;
  if (hostId !== undefined) await startCleaning(run, hostId, spec);
  undo.forget();
  steps.onAmended = undefined;
  migration.run = nextRun(run);
  migration.left = hostId;
  state.startOver(to);
  migration.publish();
}

async function startCleaning(run: RunRef, hostId: string, spec: MigrationState['spec']): Promise<void> {
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
