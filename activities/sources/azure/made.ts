import { createHash } from 'node:crypto';
import { z } from 'zod';
import { azureSource } from '../../../contracts/spec-sources.ts';
import type { RunRef } from '../../../contracts/values.ts';
import { readIfThere } from '../../host/read-if-there.ts';
import { replaceFile } from '../../host/replace-file.ts';
import type { WorkDir } from '../../host/work-dir.ts';

/** Tags on everything that is made in Azure: a name and a value of at most 256 characters. */
export const tags = { migration: 'longhaul-migration', run: 'longhaul-run', disk: 'longhaul-disk' } as const;

export function tagsOf(run: RunRef, disk?: number): Record<string, string> {
  return {
    [tags.migration]: run.migrationId,
    [tags.run]: run.runId,
    ...(disk === undefined ? {} : { [tags.disk]: String(disk) }),
  };
}

/**
 * The name of what a run makes, the same each time, so that a retry finds it. At most 80 characters: letters,
 * digits, `_`, `.` and `-`, which snapshots and restore point collections both take.
 */
export function nameFor(run: RunRef, vm: string, what: string): string {
  const digest = createHash('sha256').update(`${run.migrationId}\0${run.runId}`).digest('hex').slice(0, 16);
  const readable = vm.replaceAll(/[^A-Za-z0-9_.-]/g, '-').slice(0, 40);
  return `longhaul-${readable}-${digest}-${what}`;
}

const made = z.object({
  /** Where all that is, and who may remove it: with that it can be when nothing else is known of the run. */
  source: azureSource.optional(),
  /** Names in the VM's resource group. */
  snapshots: z.array(z.string()).default([]),
  collection: z.string().optional(),
  /**
   * The disks as of one moment, in the guest's order, once all of them are: for snapshots that is when the VM was
   * seen switched off after they were taken.
   */
  frozen: z
    .array(z.object({ name: z.string(), id: z.string() }))
    .min(1)
    .optional(),
  /** The VM ran and this run stopped it. */
  stopped: z.boolean().default(false),
});

/** What a run made in Azure, or was about to make: noted before, so that a killed worker leaves nothing unknown. */
export type Made = z.output<typeof made>;

const pathOf = (work: WorkDir) => work.kept('azure.json');

export async function readMade(work: WorkDir): Promise<Made> {
  return made.parse(JSON.parse((await readIfThere(pathOf(work))) ?? '{}'));
}

/** Whether anything was made: it is noted before. */
export async function isNoted(work: WorkDir): Promise<boolean> {
  return (await readIfThere(pathOf(work))) !== undefined;
}

export async function noteMade(work: WorkDir, change: Partial<Made>): Promise<void> {
  await work.create();
  await replaceFile(pathOf(work), JSON.stringify({ ...(await readMade(work)), ...change }));
}
