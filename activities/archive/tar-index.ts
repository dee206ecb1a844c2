import type { ArchiveBudget } from './limits.ts';
import type { SkippedMember, TarMember } from './members.ts';
import { FileReader } from './file-reader.ts';
import { openSourceFile } from '../image/formats/image-file.ts';
import { damageToldOf } from './errors.ts';
import { tarMembers } from './tar-members.ts';

export interface TarIndex {
  members: TarMember[];
  skipped: SkippedMember[];
}

/**
 * The files in a tar that is not compressed, with where their data lie. Only headers are read: it costs by
 * members, not by bytes.
 *
 * @throws LonghaulError ARCHIVE_HOSTILE, ARCHIVE_LIMIT, ARCHIVE_DAMAGED, ARCHIVE_UNSUPPORTED, SOURCE_NOT_FOUND,
 *   SOURCE_UNREADABLE; on abort, the signal's reason
 */
export async function listTar(path: string, budget: ArchiveBudget, signal: AbortSignal): Promise<TarIndex> {
  const { handle, sizeBytes } = await openSourceFile(path);
  const index: TarIndex = { members: [], skipped: [] };
  const job = {
    archive: path,
    input: new FileReader(handle, sizeBytes),
    budget,
    onSkipped: (skipped: SkippedMember) => index.skipped.push(skipped),
  };
  try {
    for await (const member of damageToldOf(path, tarMembers(job))) {
      signal.throwIfAborted();
      index.members.push(member);
    }
    return index;
  } finally {
    await handle.close();
  }
}
