import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { run } from '../../guests/lib/run.ts';
import type { ScatteredDisk } from './scattered-disk.ts';

const count = z.number().nonnegative();

/** Disks that a process is to download side by side. */
export const downloadTask = z.strictObject({
  disks: z.array(
    z.strictObject({
      url: z.url(),
      /** Where to; the journal goes beside it. */
      path: z.string(),
      extents: z.array(z.strictObject({ offset: count, length: count })),
      sizeBytes: count,
    }),
  ),
  /** In all, whatever the number of disks. */
  connections: count,
  /** Opens a connection for each request, as a yardstick. */
  connectionPerRequest: z.boolean(),
});
export type DownloadTask = z.infer<typeof downloadTask>;

const downloadCost = z.strictObject({
  /** From the first question to the last file that is durable. */
  seconds: count,
  /** User and system time of all threads meanwhile. */
  cpuSeconds: count,
  /** Resident memory before, and the most there was until the end. */
  idleMb: count,
  peakMb: count,
  fetchedBytes: count,
});
export type DownloadCost = z.infer<typeof downloadCost>;

/** Of all contenders. */
export const connections = 16;
export const chunkBytes = 4 * 1024 ** 2;

/** What to do with one disk. */
export function taskOf({ extents, sizeBytes }: ScatteredDisk, url: string, path: string): DownloadTask {
  return {
    disks: [{ url, path, extents: [...extents], sizeBytes }],
    connections,
    connectionPerRequest: false,
  };
}

/** Downloads in a process of its own, as a worker does. @param wrapper a command that starts it, if any */
export async function downloadInProcess(
  task: DownloadTask,
  { wrapper = [], env = {} }: { wrapper?: readonly string[]; env?: Record<string, string> } = {},
): Promise<DownloadCost> {
  const script = fileURLToPath(new URL('download-process.ts', import.meta.url));
  const [program, ...args] = [...wrapper, process.execPath, script];
  const { stdout } = await run(program, args, { input: JSON.stringify(task), env });
  return downloadCost.parse(JSON.parse(stdout));
}
