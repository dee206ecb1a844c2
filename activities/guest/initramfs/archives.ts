import { createReadStream } from 'node:fs';
import { ByteReader, MalformedArchive } from '../../host/byte-reader.ts';
import { compressionOf, decompress, magicBytes, type Compression } from './compression.ts';
import { isCpio } from './cpio.ts';

/** A real initramfs with firmware for everything unpacks to some 300 MiB. */
const maxUnpackedBytes = 2 * 1024 * 1024 * 1024;
const wallMs = 300_000;

/**
 * Opens an initramfs for reading, with limits on time and output.
 *
 * @throws MalformedArchive when it takes too long, and what `work` throws
 */
export async function readImage(
  path: string,
  signal: AbortSignal,
  work: (reader: ByteReader, limited: AbortSignal) => Promise<void>,
): Promise<void> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(wallMs)]);
  const file = createReadStream(path, { highWaterMark: 256 * 1024 });
  // Whoever reads is told; one that was never read from fails for nobody.
  file.on('error', () => undefined);
  try {
    await work(new ByteReader(file, maxUnpackedBytes), limited);
  } catch (error) {
    signal.throwIfAborted();
    if (limited.aborted) throw new MalformedArchive(`it took more than ${wallMs / 1000} s to read`);
    throw error;
  } finally {
    file.destroy();
  }
}

/**
 * A stretch of an image: zeros between archives, an archive to be read from `reader`, a compressed part that
 * holds archives, or what the kernel ignores.
 */
export type ImagePart =
  | { kind: 'zeros'; count: number }
  | { kind: 'archive'; reader: ByteReader }
  /** `reader` is at the compressed bytes. */
  | { kind: 'compressed'; compression: Compression; reader: ByteReader }
  | { kind: 'rest'; reader: ByteReader };

/**
 * The parts of an image one after another: any sequence of cpio archives, plain (microcode, Ubuntu's modules)
 * or compressed.
 *
 * @param enter whether the archives in a compressed part are handed out in its place
 * @param mayExpand false inside a compressed part: the kernel does not look for a second layer either
 * @throws MalformedArchive
 */
export async function* imageParts(
  reader: ByteReader,
  signal: AbortSignal,
  enter: boolean,
  mayExpand = true,
): AsyncGenerator<ImagePart> {
  for (let archives = 0; ;) {
    signal.throwIfAborted();
    const before = reader.position;
    const more = await reader.skipZeros();
    if (reader.position > before) yield { kind: 'zeros', count: reader.position - before };
    if (!more && archives === 0) throw new MalformedArchive('it holds nothing');
    if (!more) return;
    const magic = await reader.peek(magicBytes);
    const compression = mayExpand ? compressionOf(magic) : undefined;
    if (isCpio(magic)) {
      yield { kind: 'archive', reader };
      archives++;
    } else if (compression !== undefined) {
      if (enter)
        yield* within(reader, compression, signal, (unpacked) => imageParts(unpacked, signal, true, false));
      else yield { kind: 'compressed', compression, reader };
      return;
    } else if (archives === 0) {
      throw new MalformedArchive('it is neither a cpio archive nor compressed in a known way');
    } else {
      yield { kind: 'rest', reader };
      return;
    }
  }
}

/** What `work` makes of the archives in a compressed part. */
export async function* within<T>(
  reader: ByteReader,
  compression: Compression,
  signal: AbortSignal,
  work: (unpacked: ByteReader) => AsyncGenerator<T>,
): AsyncGenerator<T> {
  const unpacked = new ByteReader(decompress(compression, reader.rest(), signal), maxUnpackedBytes);
  try {
    yield* work(unpacked);
  } finally {
    await unpacked.close();
  }
}
