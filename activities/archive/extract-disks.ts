import { openSourceFile } from '../image/formats/image-file.ts';
import { extract, type ExtractJob } from './extract.ts';
import { fileBytes, RandomReader } from './random-reader.ts';
import {
  type ChosenDisks,
  chooseDisks,
  type DiskCandidate,
  diskHeadBytes,
  diskOf,
  isDescriptorName,
} from './find-disks.ts';
import { apartByName } from './joined-parts.ts';
import type { SkippedMember } from './members.ts';

export interface ExtractedDisk extends DiskCandidate {
  path: string;
  /** Of the file. */
  sha256: string;
}

/**
 * The disks of an archive that says nothing of them: what is a disk by its content is extracted, archives inside it are
 * looked into, the rest is left. Resumes as `extract` does; once all is extracted, to name disks costs nothing.
 *
 * @returns `descriptor` where it turned out to be an OVF package: which disks are meant is said in there
 * @param named names of members, where it is not clear which disks are meant
 * @throws what `extract` throws; LonghaulError ARCHIVE_AMBIGUOUS, ARCHIVE_UNSUPPORTED when it holds no disk
 */
export async function extractDisks(
  job: Pick<ExtractJob, 'path' | 'directory' | 'limits' | 'io'>,
  named?: readonly string[],
): Promise<ChosenDisks<ExtractedDisk> & { skipped: SkippedMember[]; descriptor?: string }> {
  const { members, skipped } = await extract({
    ...job,
    purpose: ['disks', ...apartByName(named)].join(' '),
    joinParts: { named },
    want: (member) => {
      // Pieces of a split VMDK, which its descriptor names, need not look like anything.
      if (diskOf(member, member.head) !== undefined || /\.vmdk$/i.test(member.name)) return 'write';
      const { container, compression } = member.kind;
      return container !== 'none' || compression !== 'none' ? 'unpack' : 'skip';
    },
  });
  const names = [...members, ...skipped].map(({ name }) => name);
  const inner = members.filter(({ file }) => file === undefined).map(({ name }) => `${name}/`);
  const descriptor = names.find(
    (name) => isDescriptorName(name) && !inner.some((folder) => name.startsWith(folder)),
  );
  if (descriptor !== undefined) return { disks: [], leftOut: [], skipped, descriptor };
  const candidates: ExtractedDisk[] = [];
  for (const { name, file } of members) {
    if (file === undefined) continue;
    const disk = diskOf({ name, sizeBytes: file.sizeBytes }, await headOfFile(file.path));
    if (disk !== undefined) candidates.push({ ...disk, path: file.path, sha256: file.sha256 });
  }
  return { ...chooseDisks(job.path, candidates, names, named), skipped };
}

async function headOfFile(path: string): Promise<Buffer> {
  const { handle, sizeBytes } = await openSourceFile(path);
  try {
    return await new RandomReader(fileBytes(handle, sizeBytes)).peek(diskHeadBytes);
  } finally {
    await handle.close();
  }
}
