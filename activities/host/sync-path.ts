import { open } from 'node:fs/promises';

/** Makes a file, or the names in a directory, outlive a power cut; fsync(2). */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
