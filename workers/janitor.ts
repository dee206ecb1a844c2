import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { undefineAbandoned } from '../activities/domain/define.ts';
import { listIfThere } from '../activities/host/read-if-there.ts';
import { WorkDir } from '../activities/host/work-dir.ts';
import { type SourceOf, sourceKinds } from '../activities/sources/registry.ts';
import { discardFetched } from '../activities/transfer/fetched-disk.ts';
import { hasErrno, messageOf } from '../contracts/errors.ts';
import { firstRunIdOf, leftoverIdOf } from '../contracts/runs.ts';
import type { RunRef } from '../contracts/values.ts';
import type { Logger } from './logging.ts';

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
      const fate = await fateOf(client, run);
      if (fate === 'alive') continue;
      const workDir = new WorkDir(stateDir, run);
      const hasLeftovers = await workDir.hasLeftovers();
      if (hasLeftovers && (await isCleanedUp(client, run, hostId))) continue;
      await releaseSources(workDir, fate, options);
      if (!hasLeftovers) continue;
      if (fate === 'given up') await undefineAbandoned(run, { host: { stateDir, libvirtUri } }, log);
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

/** Of a run that was taken from this host a workflow knows better what is to go: finished disks too. */
async function isCleanedUp(client: Client, run: RunRef, hostId: string): Promise<boolean> {
  try {
    const { status } = await client.workflow.getHandle(leftoverIdOf(run, hostId)).describe();
    return status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

const givenUp: readonly string[] = ['CANCELLED', 'FAILED', 'TERMINATED'];

/**
 * A run that was taken from this host lives as long as its migration, as far as the janitor is concerned: what is left
 * of it is removed by `cleanUpHost`. A run that another one replaced, or that the server has forgotten, may have ended in any
 * way.
 */
async function fateOf(client: Client, run: RunRef): Promise<'alive' | 'given up' | 'over'> {
  try {
    const { status, raw } = await client.workflow.getHandle(run.migrationId).describe();
    // A reset starts a new execution of the same first run; only one of another first run replaces it.
    if (raw.workflowExecutionInfo?.firstRunId !== firstRunIdOf(run.runId)) return 'over';
    if (status.name === 'RUNNING') return 'alive';
    return givenUp.includes(status.name) ? 'given up' : 'over';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return 'over';
    throw error;
  }
}
