import { stat } from 'node:fs/promises';
import { LonghaulError, messageOf } from '../../contracts/errors.ts';
import { placeOfImage } from '../../contracts/image-place.ts';
import type { ImageNode } from '../../contracts/values.ts';
import type { StepIo } from '../host/step-io.ts';
import { runTool, type ToolResult } from '../host/tool.ts';
import { writtenBehind } from '../host/write-behind.ts';
import { blockdevOf, overlayOn, plainFile, pseudoFileName } from './blockdev.ts';
import { filesOf } from './identity.ts';
import { ProgressMeter } from '../host/progress-meter.ts';
import { shareOf } from './qemu-img.ts';

/** What is read: an image, seen through the overlay that the guest's fixes were written to when there is one. */
interface ConvertSource {
  image: ImageNode;
  overlay?: string;
}

interface ConvertTarget {
  /** An empty file, owned and private already; qemu-img keeps its inode and mode. */
  path: string;
  format: 'qcow2' | 'raw';
  compression: 'none' | 'zstd';
}

export interface ConvertJob {
  source: ConvertSource;
  target: ConvertTarget;
  /** Index of the disk, for progress. */
  index: number;
  /** Bytes there are to copy, for progress and time limits. */
  totalBytes: number;
  io: StepIo;
}

/** Without a step forward for this long, qemu-img is given up. */
const stallMs = 15 * 60_000;
const memoryBytes = 4 * 1024 ** 3;
/** Slower than this is as good as hanging: limits are an hour and a second for every such piece. */
const slowestBytesPerSecond = 1024 ** 2;

/**
 * Copies a disk into the target file in one sparse pass. Written data has reached the disk when it returns.
 *
 * Direct, out-of-order writes: the copy is durable as it goes, which beats writing to the page cache and
 * syncing at the end, and does not push a host's VMs out of memory. Where the processor sets the pace, the
 * page cache is quicker, when it is written out meanwhile: a compressed source, which one thread unpacks, and
 * a compressed target, whose clusters are not aligned besides.
 *
 * @throws LonghaulError CONVERT_FAILED, SPACE_INSUFFICIENT, TOOL_TIMEOUT, TOOL_KILLED, TOOL_MISSING.
 */
export async function convertImage(job: ConvertJob): Promise<void> {
  try {
    const packed = job.target.compression === 'zstd' || (await isCompressed(job));
    await convert(job, packed ? 'page cache' : 'direct');
  } catch (error) {
    // Some file systems (tmpfs, some of FUSE) have no O_DIRECT.
    if (!(error instanceof LonghaulError && /O_DIRECT|Invalid argument/.test(error.found)))
      throw failure(error, job);
    await convert(job, 'page cache').catch((again: unknown) => {
      throw failure(again, job);
    });
  }
}

/** Whether the source holds clearly more data than its files take. */
async function isCompressed({ source, totalBytes }: ConvertJob): Promise<boolean> {
  return totalBytes > 1.1 * (await storedBytes(source.image));
}

async function storedBytes(image: ImageNode): Promise<number> {
  if (image.window) return image.window.sizeBytes;
  const files = await Promise.all(filesOf(image).map((path) => stat(path)));
  return files.reduce((sum, { size }) => sum + size, 0);
}

async function convert(job: ConvertJob, way: 'direct' | 'page cache'): Promise<void> {
  const { source, target } = job;
  const compress = target.compression === 'zstd' ? ['-c', '-o', 'compression_type=zstd'] : [];
  const shape = target.format === 'qcow2' ? ['-o', 'compat=1.1,lazy_refcounts=off'] : [];
  const copy = async () => {
    await watched(job, `copying disk ${job.index + 1}`, [
      'convert',
      '-p',
      ...(way === 'direct' || compress.length > 0 ? ['-W'] : []),
      ...(compress.length > 0 ? ['-m', '16'] : []),
      '-t',
      // Unsafe means that qemu-img leaves it to us to sync what it wrote.
      way === 'direct' ? 'none' : 'unsafe',
      '-O',
      target.format,
      ...shape,
      ...compress,
      sourceName(source),
      target.path,
    ]);
  };
  await (way === 'direct' ? copy() : writtenBehind(target.path, copy));
}

/**
 * Reads source and target back and compares them as a guest would see them.
 *
 * @throws LonghaulError VERIFY_MISMATCH with the first offset that differs, in bytes; TOOL_*.
 */
export async function verifyCopy(job: ConvertJob): Promise<void> {
  const { stdout, exitCode } = await watched(
    job,
    `comparing disk ${job.index + 1} with its source`,
    ['compare', '-p', sourceName(job.source), pseudoFileName(plainFile(job.target.path, job.target.format))],
    [1],
  );
  if (exitCode === 0) return;
  const [, offset] = /mismatch at offset (\d+)/.exec(stdout) ?? [];
  throw new LonghaulError('VERIFY_MISMATCH', {
    found: `disk ${job.index + 1} differs from its source ${placeOfImage(job.source.image)} ${offset === undefined ? 'in size' : `at byte ${offset}`}`,
    remedy:
      'Check the host for storage or memory errors (dmesg, smartctl), then retry: the disk is copied again.',
    details: { offset: offset === undefined ? null : Number(offset) },
  });
}

function sourceName({ image, overlay }: ConvertSource): string {
  return pseudoFileName(overlay === undefined ? blockdevOf(image) : overlayOn(overlay, image));
}

/** Runs qemu-img with its progress shown, and stops it when there is none. */
async function watched(
  job: ConvertJob,
  doing: string,
  args: string[],
  acceptExitCodes: number[] = [],
): Promise<ToolResult> {
  const meter = new ProgressMeter(job.index, job.totalBytes, performance.now());
  const stalled = new AbortController();
  const giveUp = () => stalled.abort(stallError(doing));
  let watchdog = setTimeout(giveUp, stallMs);
  let lastShare = -1;
  const wallSeconds = 3600 + Math.ceil(job.source.image.virtualSizeBytes / slowestBytesPerSecond);
  try {
    job.io.report(doing);
    return await runTool({
      program: 'qemu-img',
      args,
      limits: { wallMs: Math.min(wallSeconds * 1000, 2 ** 31 - 1), cpuSeconds: wallSeconds, memoryBytes },
      signal: AbortSignal.any([job.io.signal, stalled.signal]),
      acceptExitCodes,
      onLine: (line, stream) => {
        const share = stream === 'stdout' ? shareOf(line) : undefined;
        if (share === undefined || share <= lastShare) return;
        lastShare = share;
        clearTimeout(watchdog);
        watchdog = setTimeout(giveUp, stallMs);
        job.io.report(doing, meter.at(share, performance.now()));
      },
    });
  } finally {
    clearTimeout(watchdog);
  }
}

function stallError(doing: string): LonghaulError {
  return new LonghaulError('TOOL_TIMEOUT', {
    found: `${doing}: qemu-img made no progress for ${stallMs / 60_000} minutes`,
    remedy: 'See whether the storage of the source or the target hangs, then retry.',
  });
}

function failure(error: unknown, job: ConvertJob): unknown {
  const said = saidBySystem(error);
  if (said === undefined) return error;
  if (/No space left on device|Disk quota exceeded/i.test(said))
    return new LonghaulError(
      'SPACE_INSUFFICIENT',
      {
        found: `the target filled up while disk ${job.index + 1} was written to ${job.target.path}`,
        remedy: 'Free space on the target or choose another directory or pool, then retry.',
      },
      error,
    );
  return new LonghaulError(
    'CONVERT_FAILED',
    {
      found: `disk ${job.index + 1} (${placeOfImage(job.source.image)}): ${said}`,
      remedy: "The message is qemu-img's own, or the system's; mend what it names and retry.",
    },
    error,
  );
}

/** What qemu-img, or a call of the system that failed, said; undefined for anything else, such as a cancellation. */
function saidBySystem(error: unknown): string | undefined {
  if (error instanceof LonghaulError) return error.code === 'TOOL_FAILED' ? error.found : undefined;
  return error instanceof Error && 'errno' in error ? messageOf(error) : undefined;
}
