import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { undefineAbandoned } from '../activities/domain/define.ts';
import { listIfThere } from '../activities/host/read-if-there.ts';
import { WorkDir } from '../activities/host/work-dir.ts';
import { type SourceOf, sourceKinds } from '../activities/sources/registry.ts';
import { discardFetched } from '../activities/transfer/fetched-disk.ts';
import { hasErrno, messageOf } from '../contracts/errors.ts';
import { firstRunIdOf, leftoverIdOf } from '../contracts/runs.ts';
import type { RunRef } from '../contracts/values.ts';
import type { Logger } from './logging.ts';
import { orNothing } from './or-nothing.ts';

interface JanitorOptions {
  client: Client;
  hostId: string;
  stateDir: string;
  libvirtUri: string;
  sourceOf: SourceOf;
  log: Logger;
}

/** A worker must not be kept from its start by a source that is away. */
const releaseLimitMs = 120_000;

/**
 * Removes what dead runs left at their sources and on this host: snapshots, overlays, partial files and everything they noted, and the domain
 * of one that was given up without being undone, as when its host was away or it was terminated. A run is
 * dead when the server that it belongs to says so; reports, logs and finished disks stay, those too that
 * were to be purged: only the run knew its operator's last word. Children of dead workers need no care, they
 * died with them.
 */
export async function removeLeftovers(options: JanitorOptions): Promise<void> {
  const { client, hostId, stateDir, libvirtUri, log } = options;
  if (!(await knowsThisState(client, stateDir))) {
    log.warn(
      { stateDir },
      'the state directory belongs to another Temporal namespace: nothing is cleaned up',
    );
    return;
  }
  for (const run of await runsOf(stateDir)) {
    try {
      const workDir = new WorkDir(stateDir, run);
      const hasLeftovers = await workDir.hasLeftovers();
      const cleaning = hasLeftovers ? await cleaningOf(client, run, hostId) : undefined;
      if (cleaning?.isUnderWay) continue;
      const { fate, execution } = await fateOf(client, run);
      // Of another execution it tells nothing: a reset may have brought the run back here.
      const wasLeft = cleaning?.isGivenUp === true && (cleaning.by ?? execution) === execution;
      if (fate === 'alive' && !wasLeft) continue;
      // While the migration goes on elsewhere its source is that run's.
      if (fate !== 'alive') await releaseSources(workDir, fate, options);
      if (!hasLeftovers) continue;
      if (fate === 'given up' || wasLeft)
        await undefineAbandoned(run, { host: { stateDir, libvirtUri } }, log);
      await discardFetched(workDir, { keepWhole: true });
      // Last: as long as it is there, the next start tries again.
      await workDir.discard();
      log.info({ migration: run.migrationId }, 'removed leftovers of a run that has ended');
    } catch (error) {
      log.warn(
        { migration: run.migrationId, reason: messageOf(error) },
        'leftovers could not be removed; tried again at the next start',
      );
    }
  }
}

/** What the run made at its source, and a VM there that it stopped. What cannot be reached is for the next start. */
async function releaseSources(
  work: WorkDir,
  fate: 'given up' | 'over',
  { sourceOf, log }: Pick<JanitorOptions, 'sourceOf' | 'log'>,
): Promise<void> {
  const migration = work.run.migrationId;
  const io = { signal: AbortSignal.timeout(releaseLimitMs), report: () => undefined, log };
  for (const kind of sourceKinds) {
    try {
      const released = await sourceOf(kind).releaseAbandoned?.(work, { givenUp: fate === 'given up' }, io);
      if (released) log.info({ migration, kind }, 'gave back at its source what an ended run had there');
    } catch (error) {
      log.warn(
        { migration, kind, reason: messageOf(error) },
        'what an ended run made at its source could not be removed; tried again at the next start',
      );
    }
  }
}

/**
 * Remembers the namespace's own id at the first start. A worker pointed at another server by mistake would
 * find no run alive there, and must not clean up after that.
 */
async function knowsThisState(client: Client, stateDir: string): Promise<boolean> {
  const { namespaceInfo } = await client.workflowService.describeNamespace({
    namespace: client.options.namespace,
  });
  const id = namespaceInfo?.id ?? '';
  const path = join(stateDir, 'namespace-id');
  try {
    return (await readFile(path, 'utf8')) === id;
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error;
    await writeFile(path, id, { mode: 0o600, flush: true });
    return true;
  }
}

async function runsOf(stateDir: string): Promise<RunRef[]> {
  const runs: RunRef[] = [];
  for (const migrationId of await listIfThere(join(stateDir, 'migrations'))) {
    for (const runId of await listIfThere(join(stateDir, 'migrations', migrationId)))
      runs.push({ migrationId, runId });
  }
  return runs;
}

/**
 * Of a run that was taken from this host a workflow knows better what is to go: finished disks too. One that was given up,
 * because this host would never come back, leaves what there is to the janitor.
 */
async function cleaningOf(client: Client, run: RunRef, hostId: string): Promise<Cleaning | undefined> {
  const described = await orNothing(client.workflow.getHandle(leftoverIdOf(run, hostId)).describe());
  if (described === undefined) return undefined;
  const { status, raw } = described;
  const by = raw.workflowExecutionInfo?.parentExecution?.runId;
  return {
    isUnderWay: underWay.includes(status.name),
    // One that failed says what is left, and may be repeated.
    isGivenUp: ['CANCELLED', 'TERMINATED'].includes(status.name),
    ...(by ? { by } : {}),
  };
}

interface Cleaning {
  isUnderWay: boolean;
  isGivenUp: boolean;
  /** The execution of the migration that took the run from this host. */
  by?: string;
}

const underWay: readonly string[] = ['RUNNING', 'PAUSED'];
const givenUp: readonly string[] = ['CANCELLED', 'FAILED', 'TERMINATED'];

/**
 * A run that was taken from this host lives as long as its migration: what is left of it is removed by `cleanUpHost`. A run
 * that another one replaced, or that the server has forgotten, may have ended in any way.
 */
async function fateOf(
  client: Client,
  run: RunRef,
): Promise<{ fate: 'alive' | 'given up' | 'over'; execution?: string }> {
  const described = await orNothing(client.workflow.getHandle(run.migrationId).describe());
  if (described === undefined) return { fate: 'over' };
  const { status, raw, runId: execution } = described;
  // A reset starts a new execution of the same first run; only one of another first run replaces it.
  if (raw.workflowExecutionInfo?.firstRunId !== firstRunIdOf(run.runId)) return { fate: 'over' };
  if (underWay.includes(status.name)) return { fate: 'alive', execution };
  return { fate: givenUp.includes(status.name) ? 'given up' : 'over', execution };
}
