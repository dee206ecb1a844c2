import type { ArchiveBudget } from './limits.ts';
import type { SkippedMember, TarMember } from './members.ts';
import { fileBytes, RandomReader } from './random-reader.ts';
import { openSourceFile } from '../image/formats/image-file.ts';
import { damageToldOf } from './errors.ts';
import { type TarInput, tarMembers } from './tar-members.ts';

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
  try {
    return await indexOf(path, new RandomReader(fileBytes(handle, sizeBytes)), budget, signal);
  } finally {
    await handle.close();
  }
}

/** The same of a tar wherever it is. @param archive its name, for people */
export async function indexOf(
  archive: string,
  input: TarInput,
  budget: ArchiveBudget,
  signal: AbortSignal,
): Promise<TarIndex> {
  const index: TarIndex = { members: [], skipped: [] };
  const onSkipped = (skipped: SkippedMember) => index.skipped.push(skipped);
  for await (const member of damageToldOf(archive, tarMembers({ archive, input, budget, onSkipped }))) {
    signal.throwIfAborted();
    const { name, sizeBytes, dataOffset, isSparse } = member;
    index.members.push({ name, sizeBytes, dataOffset, isSparse });
  }
  return index;
}
