import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { WorkerOptions } from '@temporalio/worker';

/**
 * The workflow code for a worker: the bundle made at build time where there is one, else the sources, which
 * the worker then bundles itself (some seconds at start).
 */
export function workflowCode(): Pick<WorkerOptions, 'workflowBundle' | 'workflowsPath' | 'bundlerOptions'> {
  const bundle = fileURLToPath(new URL('workflows.bundle.js', import.meta.url));
  if (existsSync(bundle)) return { workflowBundle: { codePath: bundle } };
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const workflowsPath = fileURLToPath(new URL(`../workflows/index.${extension}`, import.meta.url));
  return { workflowsPath, bundlerOptions: bundledFrom(workflowsPath) };
}

/**
 * Modules of workflows keep nothing of a workflow, so one copy serves all of a worker's: a copy for each, which is what
 * Temporal makes, is a third of a megabyte.
 */
export const bundledFrom = (workflowsPath: string) => ({ preloadModules: [workflowsPath] });

/**
 * Workflows that a worker keeps in memory, some 0.2 MB each. Another one that is needed again is made anew from its
 * history: pages of a batch that wait for their turn, and VMs that are parked, do so for days.
 */
export const maxCachedWorkflows = 300;
