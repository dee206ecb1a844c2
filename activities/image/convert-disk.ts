import { lstat, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LonghaulError } from '../../contracts/errors.ts';
import type { StepContext } from '../../contracts/steps.ts';
import type { AcquiredDisk, TargetDisk } from '../../contracts/values.ts';
import { withFileLock } from '../host/file-lock.ts';
import type { Host } from '../host/host.ts';
import { sideBySide } from '../host/side-by-side.ts';
import type { StepIo } from '../host/step-io.ts';
import { WorkDir } from '../host/work-dir.ts';
import { compareDisk, isToCompare } from './content-digest.ts';
import { convertImage, verifyCopy, type ConvertJob } from './convert.ts';
import { assertUnchanged } from './identity.ts';
import { completeOverlay } from './overlay.ts';
import {
  createPartial,
  dropPartial,
  findPublished,
  linkFinal,
  partialPathOf,
  recordPartial,
  requireFree,
} from './publish.ts';

/** Final path of a disk: `<name>-disk<N>.<format>`, counted from 1. Preflight looks here for clashes. */
export function targetPathOf(spec: StepContext['spec'], directory: string, index: number): string {
  return join(directory, `${spec.name}-disk${index + 1}.${spec.target.format}`);
}

/**
 * Body of the `convertDisk` activity: copies one disk, with the guest's fixes when all were made, and
 * gives it its final name once it is whole. Repeating it after success returns the same disk and copies
 * nothing; repeating it after a kill starts the copy again. Source files must not have changed.
 *
 * @throws LonghaulError ARCHIVE_CHECKSUM when the source is not what its manifest says, TARGET_EXISTS, TARGET_DIRECTORY_UNUSABLE, SOURCE_CHANGED, WORK_LOCKED, and what
 *   `convertImage` and `verifyCopy` throw.
 */
export async function convertDisk(
  ctx: StepContext,
  disk: AcquiredDisk,
  targetDirectory: string,
  deps: { host: Pick<Host, 'stateDir'>; io: StepIo },
): Promise<TargetDisk> {
  const work = new WorkDir(deps.host.stateDir, ctx.run);
  await work.create();
  return withFileLock(work.lock(`disk${disk.index}`), deps.io.signal, () =>
    convertLocked(ctx, disk, targetDirectory, work, deps.io),
  );
}

async function convertLocked(
  ctx: StepContext,
  disk: AcquiredDisk,
  directory: string,
  work: WorkDir,
  io: StepIo,
): Promise<TargetDisk> {
  const partial = partialPathOf(directory, ctx.run, disk.index);
  const published = await findPublished(work, partial, disk.index);
  if (published) return published;

  const path = targetPathOf(ctx.spec, directory, disk.index);
  await requireFree(path);
  await assertUnchanged(disk.files);
  const { format, compression } = ctx.spec.target;
  const overlay = await completeOverlay(work.scratch, disk.index);
  const job: ConvertJob = {
    source: overlay === undefined ? { image: disk.image } : { image: disk.image, overlay },
    target: { path: partial, format, compression },
    index: disk.index,
    totalBytes: disk.allocatedBytes,
    io,
  };
  const started = performance.now();
  const { verifyCopy: verified } = ctx.spec.policy;
  await createPartial(work, partial);
  try {
    await (isToCompare(ctx, disk) ? copyCompared(disk, job) : convertImage(job));
    if (verified) await verifyCopy(job);
    await assertUnchanged(disk.files);
    const target: TargetDisk = {
      index: disk.index,
      path,
      format,
      virtualSizeBytes: disk.virtualSizeBytes,
      allocatedBytes: (await lstat(partial)).blocks * 512,
      dataBytes: disk.allocatedBytes,
      seconds: Math.round((performance.now() - started) / 100) / 10,
      verified,
    };
    await recordPartial(work, partial, target);
    await linkFinal(work, partial, target);
    await dropPartial(partial);
    io.log.info({ disk: disk.index, path, seconds: target.seconds }, 'disk converted');
    return target;
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

/**
 * Copies a disk and compares it with its digest meanwhile, out of the same pages of memory. What qemu-img cannot read may
 * be damaged: then that is what has to be said.
 */
async function copyCompared(disk: AcquiredDisk, job: ConvertJob): Promise<void> {
  let comparison: Promise<void> | undefined;
  const compare = (io: StepIo) => (comparison = compareDisk(disk, { ...io, report: () => undefined }));
  const copy = async (io: StepIo) => {
    try {
      await convertImage({ ...job, io });
    } catch (error) {
      if (error instanceof LonghaulError && error.code === 'CONVERT_FAILED') await comparison;
      throw error;
    }
  };
  await sideBySide([compare, copy], job.io, (work, io) => work(io));
}
