import type { FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { ByteReader } from '../host/byte-reader.ts';
import { openSourceFile } from '../image/formats/image-file.ts';
import { decompressFile, decompressStream } from './decompress.ts';
import { archiveError, damageToldOf, told } from './errors.ts';
import { fileBytes, RandomReader } from './random-reader.ts';
import { type Compression, kindBytes, kindOfHead } from './kinds.ts';
import type { ArchiveBudget } from './limits.ts';
import type { OpenMember, SkippedMember } from './members.ts';
import { contentOf, headOf } from './tar-content.ts';
import { type TarInput, tarMembers } from './tar-members.ts';
import { zipMembers } from './zip-members.ts';

export interface ReadJob {
  /** A file of any kind that `archiveKindOf` knows; one that is merely compressed has one member. */
  path: string;
  /** What members are counted against; shared with archives inside. */
  budget: ArchiveBudget;
  signal: AbortSignal;
  /** Members that are left out are told here. */
  onSkipped: (skipped: SkippedMember) => void;
  /**
   * Puts what comes as a stream into a file, which is closed when it was read. A zip has its directory at the end:
   * inside something else it is one file where there is none to do that.
   */
  toFile?: (name: string, content: AsyncGenerator<Buffer>) => Promise<FileHandle>;
}

/**
 * The members of an archive in their order, each checked before it is handed over.
 *
 * @throws LonghaulError ARCHIVE_HOSTILE, ARCHIVE_LIMIT, ARCHIVE_DAMAGED, ARCHIVE_UNSUPPORTED, SOURCE_NOT_FOUND,
 *   SOURCE_UNREADABLE, TOOL_MISSING; on abort, the signal's reason
 */
export async function* readMembers(job: ReadJob): AsyncGenerator<OpenMember> {
  const { path, budget, signal } = job;
  const { handle, sizeBytes } = await openSourceFile(path);
  const level: Level = {
    ...job,
    archive: path,
    prefix: '',
    content: contentName(path),
    depth: 1,
    decompressed: false,
  };
  try {
    const input = new RandomReader(fileBytes(handle, sizeBytes), (bytes) => budget.countBytes(bytes));
    const { container, compression } = kindOfHead(await input.peek(kindBytes));
    if (compression !== 'none')
      yield* membersOfStream(
        { ...level, decompressed: true },
        counted(level, decompressFile(compression, handle, signal)),
      );
    else if (container === 'tar') yield* membersOfTar(level, input);
    else if (container === 'zip') yield* membersOfZip(level, handle, sizeBytes);
    else throw archiveError('ARCHIVE_UNSUPPORTED', path, 'is neither an archive nor compressed');
  } finally {
    await handle.close();
  }
}

/** An archive, or one in another. */
interface Level extends ReadJob {
  /** For people. */
  archive: string;
  /** What goes before the names of members. */
  prefix: string;
  /** Name of the only member of what is merely compressed. */
  content: string;
  depth: number;
  /** Whether what comes was compressed. */
  decompressed: boolean;
}

const contentName = (path: string): string => basename(path).replace(/(?<=.)\.(gz|xz|zst|bz2)$/i, '');

/** The members of what comes as a stream: an archive, something compressed, or one file. */
async function* membersOfStream(level: Level, source: AsyncGenerator<Buffer>): AsyncGenerator<OpenMember> {
  level.budget.requireDepth(level.depth);
  const reader = new ByteReader(source, Infinity);
  try {
    const { container, compression } = kindOfHead(await told(level.archive, reader.peek(kindBytes)));
    if (compression !== 'none') yield* membersOfCompressed(level, compression, reader);
    else if (container === 'tar') yield* membersOfTar(level, reader);
    else if (container === 'zip' && level.toFile !== undefined)
      yield* membersOfInnerZip(level, level.toFile(level.content, reader.rest()));
    else yield onlyMember(level, reader);
  } finally {
    await reader.close();
  }
}

/** A tar.gz is one level, a gz of a gz is two. */
function membersOfCompressed(
  level: Level,
  compression: Compression,
  source: ByteReader,
): AsyncGenerator<OpenMember> {
  const depth = level.decompressed ? level.depth + 1 : level.depth;
  const unpacked = decompressStream(compression, source.rest(), level.signal);
  return membersOfStream({ ...level, depth, decompressed: true }, counted(level, unpacked));
}

function onlyMember(level: Level, reader: ByteReader): OpenMember {
  level.budget.countMember();
  return opened(
    { ...level, prefix: '' },
    { name: level.content, head: (count) => reader.peek(count), body: () => reader.rest() },
  );
}

async function* membersOfTar(level: Level, input: TarInput): AsyncGenerator<OpenMember> {
  for await (const member of damageToldOf(level.archive, tarMembers({ ...level, input }))) {
    level.signal.throwIfAborted();
    yield opened(level, {
      name: member.name,
      sizeBytes: member.sizeBytes,
      head: (count) => headOf(input, member, count),
      body: () => contentOf(input, member, (bytes) => level.budget.countBytes(bytes)),
    });
  }
}

async function* membersOfInnerZip(level: Level, file: Promise<FileHandle>): AsyncGenerator<OpenMember> {
  const handle = await told(level.archive, file);
  try {
    const { size } = await handle.stat();
    yield* membersOfZip(level, handle, size);
  } finally {
    await handle.close();
  }
}

async function* membersOfZip(level: Level, file: FileHandle, sizeBytes: number): AsyncGenerator<OpenMember> {
  const members = zipMembers({ ...level, file, sizeBytes });
  for await (const member of damageToldOf(level.archive, members)) yield opened(level, member);
}

/** A member as it is handed out: damage is told of its archive, and it may be an archive itself. */
function opened(level: Level, member: Omit<OpenMember, 'unpack'>): OpenMember {
  const name = level.prefix + member.name;
  const inside: Level = {
    ...level,
    archive: `${level.path}: ${name}`,
    prefix: `${name}/`,
    onSkipped: (skipped) => level.onSkipped({ ...skipped, name: `${member.name}/${skipped.name}` }),
    content: name,
    depth: level.depth + 1,
    decompressed: false,
  };
  return {
    ...member,
    name,
    head: (count) => told(level.archive, member.head(count)),
    body: () => damageToldOf(level.archive, member.body()),
    unpack: (body) => membersOfStream(inside, body),
  };
}

/** What is decompressed counts, whether somebody wants it or not. */
async function* counted({ budget, signal }: Level, source: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  for await (const piece of source) {
    signal.throwIfAborted();
    budget.countBytes(piece.length);
    yield piece;
  }
}
