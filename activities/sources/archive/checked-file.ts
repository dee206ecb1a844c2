import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { ProgressMeter } from '../../host/progress-meter.ts';
import { readIfThere } from '../../host/read-if-there.ts';
import { replaceFile } from '../../host/replace-file.ts';
import type { StepIo } from '../../host/step-io.ts';
import type { WorkDir } from '../../host/work-dir.ts';
import { identify } from '../../image/identity.ts';
import { differs, type PackagePiece } from './ovf-package.ts';
import { bytesOf } from './package-files.ts';

/** How often it is told how far it is. */
const tellEveryMs = 500;

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
  for await (const piece of told(bytesOf(file, io.signal), file, index, io)) hash.update(piece);
  return hash.digest('hex');
}

/** Passes bytes of a file on, and tells how far it is. */
async function* told(
  source: AsyncIterable<Buffer>,
  { name, sizeBytes }: PackagePiece,
  index: number,
  io: StepIo,
): AsyncGenerator<Buffer> {
  const meter = new ProgressMeter(index, sizeBytes, performance.now());
  let [doneBytes, toldAt] = [0, -Infinity];
  for await (const piece of source) {
    doneBytes += piece.length;
    yield piece;
    const now = performance.now();
    if (now - toldAt < tellEveryMs) continue;
    toldAt = now;
    io.report(`comparing ${name} with the manifest`, meter.at(doneBytes / sizeBytes, now));
  }
}
