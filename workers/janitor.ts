import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { WorkDir } from '../activities/host/work-dir.ts';
import { hasErrno, messageOf } from '../contracts/errors.ts';
import type { RunRef } from '../contracts/values.ts';
import type { Logger } from './logging.ts';

interface JanitorOptions {
  client: Client;
  stateDir: string;
  log: Logger;
}

/**
 * Removes what dead runs left on this host: overlays, partial files and everything they noted. A run is
 * dead when the server that it belongs to says so; reports, logs and finished disks stay. Children of dead
 * workers need no care, they died with them.
 */
export async function removeLeftovers({ client, stateDir, log }: JanitorOptions): Promise<void> {
  if (!(await knowsThisState(client, stateDir))) {
    log.warn(
      { stateDir },
      'the state directory belongs to another Temporal namespace: nothing is cleaned up',
    );
    return;
  }
  for (const run of await runsOf(stateDir)) {
    try {
      if (await isAlive(client, run)) continue;
      const workDir = new WorkDir(stateDir, run);
      if (!(await workDir.hasLeftovers())) continue;
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
  for (const migrationId of await listDir(join(stateDir, 'migrations'))) {
    for (const runId of await listDir(join(stateDir, 'migrations', migrationId)))
      runs.push({ migrationId, runId });
  }
  return runs;
}

async function isAlive(client: Client, { migrationId, runId }: RunRef): Promise<boolean> {
  try {
    const { status, raw } = await client.workflow.getHandle(migrationId).describe();
    // A reset starts a new execution of the same first run; only one of another first run replaces it.
    return status.name === 'RUNNING' && raw.workflowExecutionInfo?.firstRunId === runId;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

async function listDir(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw error;
  }
}
