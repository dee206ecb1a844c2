import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { DiskTeller } from '../../host/disk-teller.ts';
import { readIfThere } from '../../host/read-if-there.ts';
import { replaceFile } from '../../host/replace-file.ts';
import type { StepIo } from '../../host/step-io.ts';
import type { WorkDir } from '../../host/work-dir.ts';
import { identify } from '../../image/identity.ts';
import { differs, type PackagePiece } from './ovf-package.ts';
import { bytesOf } from './package-files.ts';

/**
 * Compares a file of a package with its digest, by one read of it from start to end. What was found right is noted
 * in the work directory, so that it is not read again as long as nobody touches the file.
 *
 * @param index of the disk it belongs to
 * @throws LonghaulError ARCHIVE_CHECKSUM, SOURCE_UNREADABLE, IMAGE_TRUNCATED; on abort, the signal's reason
 */
export async function checkFile(file: PackagePiece, index: number, work: WorkDir, io: StepIo): Promise<void> {
  const { digest } = file;
  if (digest === undefined) return;
  const note = join(work.scratch, `checked-disk${index}.json`);
  const subject = JSON.stringify([await identify([file.path]), file.window ?? null, digest]);
  if ((await readIfThere(note)) === subject) return;
  const hex = file.digests?.[digest.algorithm] ?? (await hexOf(file, digest.algorithm, index, io));
  if (hex !== digest.hex) throw differs(file, digest, hex);
  await replaceFile(note, subject);
}

async function hexOf(file: PackagePiece, algorithm: string, index: number, io: StepIo): Promise<string> {
  const hash = createHash(algorithm);
  const teller = new DiskTeller(index, file.sizeBytes, io);
  for await (const piece of bytesOf(file, io.signal)) {
    hash.update(piece);
    teller.passed(piece.length, `comparing ${file.name} with the manifest`);
  }
  return hash.digest('hex');
}
