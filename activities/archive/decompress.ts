import type { FileHandle } from 'node:fs/promises';
import { createGunzip, createInflateRaw } from 'node:zlib';
import { LonghaulError } from '../../contracts/errors.ts';
import { MalformedArchive } from '../host/byte-reader.ts';
import { type Filter, FilterFailed, throughProgram } from '../host/through-program.ts';
import { throughZlib } from '../host/through-zlib.ts';
import { fileBytes, RandomReader } from './random-reader.ts';
import type { Compression } from './kinds.ts';

/** Large pieces: what each costs besides its bytes is the same for all sizes. */
const pieceBytes = 512 * 1024;

const MiB = 1024 ** 2;
/** Files that ask for larger windows are refused by the programs: 128 MiB are what zstd takes by itself. */
const windowMiB = 128;
const behindTheEnd = 'there is something behind the end of the compressed data';
/** Programs map more than they use. */
const limits = { memoryBytes: 1024 * MiB };

/**
 * Node's zlib unpacks gzip faster than gzip does. The programs are as fast as Node otherwise, find what is wrong behind
 * the end too, and have the windows of hostile files in memory of their own.
 */
const programs: Record<Exclude<Compression, 'gzip'>, Filter> = {
  zstd: { program: 'zstd', args: ['-dcq', `--memory=${windowMiB}MiB`], limits },
  xz: { program: 'xz', args: ['-dcq', '--threads=1', `--memlimit-decompress=${2 * windowMiB}MiB`], limits },
  bzip2: { program: 'bzip2', args: ['-dc'], limits, complaint: /trailing garbage/ },
};

/**
 * The bytes of a compressed file, all of the streams that stand in it one behind the other.
 *
 * @throws MalformedArchive when it is damaged, goes on behind its end, or needs too much memory; LonghaulError
 *   TOOL_MISSING; on abort, the signal's reason
 */
export async function* decompressFile(
  compression: Compression,
  file: FileHandle,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  if (compression !== 'gzip') {
    yield* throughFilter(compression, file, signal);
    return;
  }
  const { size } = await file.stat();
  yield* gunzipped(new RandomReader(fileBytes(file, size)).rest(), signal);
}

/** The same of what comes from within another archive. What comes is read to its end, whatever it is. */
export function decompressStream(
  compression: Compression,
  source: AsyncIterable<Buffer>,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  return compression === 'gzip' ? gunzipped(source, signal) : throughFilter(compression, source, signal);
}

/**
 * Tapes were padded with zeros. Once zlib has seen one behind the end it says nothing of what follows, and whoever
 * compares digests of the source has to see all of it.
 */
async function* gunzipped(source: AsyncIterable<Buffer>, signal: AbortSignal): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: pieceBytes });
  const pieces = source[Symbol.asyncIterator]();
  /** Bytes that came, and those of them up to the last that is not zero. */
  let [cameBytes, dataBytes] = [0, 0];
  const next = async () => {
    const result = await pieces.next();
    if (result.done === true) return result;
    const last = result.value.findLastIndex((byte) => byte !== 0);
    if (last >= 0) dataBytes = cameBytes + last + 1;
    cameBytes += result.value.length;
    return result;
  };
  try {
    // Without `return`: that zlib stops does not end the source.
    yield* throughZlib(gunzip, { [Symbol.asyncIterator]: () => ({ next }) }, signal);
    while ((await next()).done !== true) signal.throwIfAborted();
    if (dataBytes > gunzip.bytesWritten) throw new MalformedArchive(behindTheEnd);
  } finally {
    await pieces.return?.();
  }
}

/** Bare deflate of so many bytes, as zip has it. @throws MalformedArchive; on abort, the signal's reason */
export async function* inflate(
  source: AsyncIterable<Buffer>,
  compressedBytes: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const transform = createInflateRaw({ chunkSize: pieceBytes });
  yield* throughZlib(transform, source, signal);
  if (transform.bytesWritten !== compressedBytes) throw new MalformedArchive(behindTheEnd);
}

async function* throughFilter(
  compression: Exclude<Compression, 'gzip'>,
  source: FileHandle | AsyncIterable<Buffer>,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  try {
    yield* throughProgram(programs[compression], source, signal);
  } catch (error) {
    if (!(error instanceof FilterFailed)) throw error;
    if (!error.missing) throw new MalformedArchive(`the compressed data is damaged: ${error.message}`);
    throw new LonghaulError(
      'TOOL_MISSING',
      {
        found: `${programs[compression].program} is not installed, and the archive is compressed with it`,
        remedy: 'Run `longhaul doctor`; it names the package.',
      },
      error,
    );
  }
}
