import { ByteReader } from '../host/byte-reader.ts';
import { openSourceFile } from '../image/formats/image-file.ts';
import { decompressFile } from './decompress.ts';
import { damageToldOf } from './errors.ts';
import { fileBytes, RandomReader } from './random-reader.ts';
import { isTarHeader } from './tar-header.ts';

export type Compression = 'gzip' | 'xz' | 'zstd' | 'bzip2';

/** What a file is, by its content. `none` and `none`: no archive, and not compressed. */
export interface ArchiveKind {
  /** Of a compressed file: what it holds. */
  container: 'tar' | 'zip' | 'none';
  compression: Compression | 'none';
}

/** How many bytes `kindOfHead` looks at. */
export const kindBytes = 512;

const compressions: readonly (readonly [Compression, RegExp])[] = [
  ['gzip', /^1f8b08/],
  ['xz', /^fd377a585a00/],
  // A frame, or a skippable one such as pzstd puts first; RFC 8878, 3.1.
  ['zstd', /^(28b52ffd|5.2a4d18)/],
  ['bzip2', /^425a683[1-9](314159265359|177245385090)/],
];

/** What the beginning of a file says; of a compressed one it says nothing of what is inside. */
export function kindOfHead(head: Buffer): ArchiveKind {
  const hex = head.toString('hex', 0, 16);
  const compression = compressions.find(([, magic]) => magic.test(hex))?.[0];
  if (compression !== undefined) return { container: 'none', compression };
  // A member, an empty archive, the first of several disks; APPNOTE.TXT 4.3.
  if (/^504b(0304|0506|0708)/.test(hex)) return { container: 'zip', compression: 'none' };
  return { container: isTarHeader(head) ? 'tar' : 'none', compression: 'none' };
}

/**
 * What kind of archive a file is, of a compressed one what it holds, from its content and never from its name.
 *
 * @throws LonghaulError SOURCE_NOT_FOUND, SOURCE_UNREADABLE, ARCHIVE_DAMAGED; on abort, the signal's reason
 */
export async function archiveKindOf(path: string, signal: AbortSignal): Promise<ArchiveKind> {
  const { handle, sizeBytes } = await openSourceFile(path);
  try {
    const outer = kindOfHead(await new RandomReader(fileBytes(handle, sizeBytes)).peek(kindBytes));
    if (outer.compression === 'none') return outer;
    const source = damageToldOf(path, decompressFile(outer.compression, handle, signal));
    const inside = new ByteReader(source, Infinity);
    const { container } = kindOfHead(await inside.peek(kindBytes));
    await inside.close();
    return { ...outer, container };
  } finally {
    await handle.close();
  }
}
