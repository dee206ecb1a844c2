import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';
import { bundledFrom } from './workflow-bundle.ts';

/** Build step: bundles the compiled workflows once, so that workers start quickly and all run the same code. */
const workflowsPath = fileURLToPath(new URL('../workflows/index.js', import.meta.url));
const { code } = await bundleWorkflowCode({ workflowsPath, ...bundledFrom(workflowsPath) });
await writeFile(new URL('workflows.bundle.js', import.meta.url), code);
