import { constants, createGunzip, createGzip, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { MalformedArchive } from '../../host/byte-reader.ts';
import { FilterFailed, throughProgram as filtered } from '../../host/through-program.ts';
import { throughZlib } from '../../host/through-zlib.ts';

/** How many bytes `compressionOf` looks at. */
export const magicBytes = 6;

const memoryBytes = 1024 * 1024 * 1024;
const cpuSeconds = 120;

/**
 * The compressions the kernel takes an initramfs in, by their magic numbers: lib/decompress.c. What `pack`
 * writes keeps to what the kernel reads: CRC32 and no other check of xz, the legacy frames of lz4.
 */
const compressions = [
  { name: 'gzip', magic: '1f8b' },
  { name: 'zstd', magic: '28b52ffd' },
  {
    name: 'xz',
    magic: 'fd377a585a00',
    unpack: ['xz', '-dc'],
    pack: ['xz', '--check=crc32', '--lzma2=preset=3,dict=1MiB', '-T0', '-c'],
  },
  { name: 'lz4', magic: '02214c18', unpack: ['lz4', '-dc'], pack: ['lz4', '-l', '-6', '-c'] },
  { name: 'lz4', magic: '04224d18', unpack: ['lz4', '-dc'], pack: ['lz4', '-l', '-6', '-c'] },
  { name: 'bzip2', magic: '425a68', unpack: ['bzip2', '-dc'], pack: ['bzip2', '-c'] },
  {
    name: 'lzma',
    magic: '5d0000',
    unpack: ['xz', '--format=lzma', '-dc'],
    pack: ['xz', '--format=lzma', '-3', '-c'],
  },
] as const;

export type Compression = (typeof compressions)[number];

/** Close to what the tools of the distributions use, at a fraction of the time of the highest. */
const gzipLevel = 6;
const zstdLevel = 7;

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
  return 'unpack' in compression
    ? throughProgram(compression.unpack, source, signal)
    : throughZlib(compression.name === 'gzip' ? createGunzip() : createZstdDecompress(), source, signal);
}

/** Compresses a stream in the same way, so that the kernel it is for can read it. An error of `source` is thrown. */
export function compress(
  compression: Compression,
  source: AsyncIterable<Buffer>,
  signal: AbortSignal,
): AsyncIterable<Buffer> {
  if ('pack' in compression) return throughProgram(compression.pack, source, signal);
  const zstd = { params: { [constants.ZSTD_c_compressionLevel]: zstdLevel } };
  const transform = compression.name === 'gzip' ? createGzip({ level: gzipLevel }) : createZstdCompress(zstd);
  return throughZlib(transform, source, signal);
}

async function* throughProgram(
  [program, ...args]: readonly [string, ...string[]],
  source: AsyncIterable<Buffer>,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  try {
    yield* filtered({ program, args, limits: { memoryBytes, cpuSeconds } }, source, signal);
  } catch (error) {
    throw error instanceof FilterFailed ? new MalformedArchive(error.message) : error;
  }
}
