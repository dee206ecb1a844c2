import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import type { Transform } from 'node:stream';
import { limitedCommand } from '../../host/tool.ts';
import { MalformedArchive } from './byte-reader.ts';

/** How many bytes `compressionOf` looks at. */
export const magicBytes = 6;

const memoryBytes = 1024 * 1024 * 1024;
const cpuSeconds = 120;

/** The compressions the kernel takes an initramfs in, by their magic numbers: lib/decompress.c. */
const compressions = [
  { name: 'gzip', magic: '1f8b' },
  { name: 'zstd', magic: '28b52ffd' },
  { name: 'xz', magic: 'fd377a585a00', program: ['xz', '-dc'] },
  { name: 'lz4', magic: '02214c18', program: ['lz4', '-dc'] },
  { name: 'lz4', magic: '04224d18', program: ['lz4', '-dc'] },
  { name: 'bzip2', magic: '425a68', program: ['bzip2', '-dc'] },
  { name: 'lzma', magic: '5d0000', program: ['xz', '--format=lzma', '-dc'] },
] as const;

export type Compression = (typeof compressions)[number];

export function compressionOf(head: Buffer): Compression | undefined {
  return compressions.find(({ magic }) => head.toString('hex').startsWith(magic));
}

/**
 * Decompresses a stream, with Node's zlib or the usual program under limits. Data after the compressed part
 * ends the stream with MalformedArchive, as does damage.
 */
export function decompress(
  compression: Compression,
  source: AsyncIterable<Buffer>,
  signal: AbortSignal,
): AsyncIterable<Buffer> {
  return 'program' in compression
    ? throughProgram(compression.program, source, signal)
    : throughZlib(compression.name === 'gzip' ? createGunzip() : createZstdDecompress(), source, signal);
}

async function* throughZlib(
  transform: Transform,
  source: AsyncIterable<Buffer>,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const done = pipeline(Readable.from(source), transform, { signal });
  // The reader may stop early; the failure is seen below when it matters.
  done.catch(() => undefined);
  try {
    for await (const chunk of transform) yield chunk as Buffer;
  } catch (error) {
    signal.throwIfAborted();
    throw new MalformedArchive(`the compressed data is damaged: ${String(error)}`);
  } finally {
    transform.destroy();
  }
}

async function* throughProgram(
  [program, ...args]: readonly [string, ...string[]],
  source: AsyncIterable<Buffer>,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const [command, commandArgs] = limitedCommand(program, args, { memoryBytes, cpuSeconds });
  const child = spawn(command, commandArgs, {
    env: { PATH: '/usr/local/bin:/usr/bin:/bin', LANG: 'C.UTF-8' },
    stdio: ['pipe', 'pipe', 'ignore'],
    signal,
    killSignal: 'SIGKILL',
  });
  const ended = new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(null));
    child.once('close', resolve);
  });
  // A program that stops reading is judged by its exit code.
  pipeline(Readable.from(source), child.stdin).catch(() => undefined);
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer;
    const exitCode = await ended;
    signal.throwIfAborted();
    if (exitCode === 127) throw new MalformedArchive(`${program} is not installed on this host`);
    if (exitCode !== 0) throw new MalformedArchive(`${program} ended with ${exitCode ?? 'a signal'}`);
  } finally {
    child.kill('SIGKILL');
  }
}
