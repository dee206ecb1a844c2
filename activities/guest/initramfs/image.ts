import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { imageParts, readImage, within } from './archives.ts';
import { MalformedArchive, type ByteReader } from '../../host/byte-reader.ts';
import { compress } from './compression.ts';
import { attributesOf, cpioEntries, cpioEntry, padding } from './cpio.ts';

const maxNames = 200_000;
/** The indexes of a kernel with every module take some 4 MiB together. */
const maxKeptBytes = 16 * 1024 * 1024;
const fileMode = 0o100644;
const directoryMode = 0o040755;

/** What is in an initramfs. */
export interface ImageSurvey {
  /** Every name in it, as it is spelled. */
  names: Set<string>;
  /** Contents of the files that were asked for. */
  files: Map<string, Buffer>;
  /** Names outside compressed parts: microcode, Ubuntu's modules. */
  plain: Set<string>;
}

/**
 * Reads the names of an initramfs, and the files whose name `keep` takes. Memory, output and time are bounded.
 *
 * @throws MalformedArchive when it cannot be read to its end
 */
export async function surveyImage(
  path: string,
  keep: (name: string) => boolean,
  signal: AbortSignal,
): Promise<ImageSurvey> {
  const survey: ImageSurvey = { names: new Set(), files: new Map(), plain: new Set() };
  let keptBytes = 0;
  await readImage(path, signal, async (reader, limited) => {
    for await (const part of imageParts(reader, limited, true)) {
      if (part.kind !== 'archive') continue;
      for await (const { name, fileBytes } of cpioEntries(part.reader)) {
        if (survey.names.size >= maxNames) throw new MalformedArchive(`it has more than ${maxNames} names`);
        survey.names.add(name);
        if (part.reader === reader) survey.plain.add(name);
        if (fileBytes === 0 || !keep(name)) continue;
        keptBytes += fileBytes;
        if (keptBytes > maxKeptBytes) throw new MalformedArchive(`${name} is too large`);
        survey.files.set(name, Buffer.from(await part.reader.read(fileBytes)));
      }
    }
  });
  return survey;
}

export interface ImageEdit {
  /** Contents by name: in place of what has the name, or beside it. */
  files: ReadonlyMap<string, Buffer>;
  /** A name that stands in the archive to which new files are added. */
  beside: string;
  survey: ImageSurvey;
}

/**
 * Writes a copy of an initramfs with some files new or changed, in the same sequence of archives and the same
 * compression. All else stays byte for byte; a compressed part in which nothing changes is not opened.
 *
 * @throws MalformedArchive when `from` cannot be read to its end
 */
export async function rewriteImage(
  from: string,
  to: string,
  edit: ImageEdit,
  signal: AbortSignal,
): Promise<void> {
  await readImage(from, signal, async (reader, limited) => {
    const output = createWriteStream(to, { flags: 'wx', mode: 0o600 });
    await pipeline(Readable.from(rewritten(reader, edit, limited, true)), output, { signal: limited });
  });
}

async function* rewritten(
  reader: ByteReader,
  edit: ImageEdit,
  signal: AbortSignal,
  mayExpand: boolean,
): AsyncGenerator<Buffer> {
  for await (const part of imageParts(reader, signal, false, mayExpand)) {
    if (part.kind === 'zeros') yield Buffer.alloc(part.count);
    else if (part.kind === 'archive') yield* rewrittenArchive(part.reader, edit);
    else if (part.kind === 'rest' || !changesWithin(edit)) yield* part.reader.rest();
    else {
      const inner = within(part.reader, part.compression, signal, (unpacked) =>
        rewritten(unpacked, edit, signal, false),
      );
      yield* compress(part.compression, inner, signal);
    }
  }
}

/** Whether something changes in the compressed part. */
function changesWithin({ files, beside, survey }: ImageEdit): boolean {
  const inside = (name: string) => survey.names.has(name) && !survey.plain.has(name);
  return inside(beside) || [...files.keys()].some(inside);
}

async function* rewrittenArchive(reader: ByteReader, edit: ImageEdit): AsyncGenerator<Buffer> {
  let isTheOne = false;
  let trailer: Buffer = Buffer.alloc(0);
  for await (const entry of cpioEntries(reader, (head) => (trailer = head))) {
    isTheOne ||= entry.name === edit.beside;
    const content = edit.files.get(entry.name);
    if (content !== undefined) {
      yield cpioEntry(entry.name, content, attributesOf(entry));
      continue;
    }
    yield entry.head;
    let left = entry.fileBytes + padding(entry.fileBytes);
    while (left > 0) {
      const bytes = await reader.readSome(left);
      left -= bytes.length;
      yield bytes;
    }
  }
  if (isTheOne) yield Buffer.concat(added(edit));
  yield trailer;
}

/**
 * The files that are new, each after the directories it needs. Those of an archive before this one stand for
 * the kernel, but not for programs that unpack archives apart.
 */
function added({ files, survey, beside }: ImageEdit): Buffer[] {
  const { names, plain } = survey;
  const present = new Set([...names].filter((name) => plain.has(name) === plain.has(beside)));
  const entries: Buffer[] = [];
  for (const [name, content] of files) {
    if (survey.names.has(name)) continue;
    for (let at = name.indexOf('/', 1); at >= 0; at = name.indexOf('/', at + 1)) {
      const directory = name.slice(0, at);
      if (present.has(directory) || directory === '.') continue;
      present.add(directory);
      entries.push(cpioEntry(directory, Buffer.alloc(0), { mode: directoryMode, mtimeSeconds: 0 }));
    }
    entries.push(cpioEntry(name, content, { mode: fileMode, mtimeSeconds: 0 }));
  }
  return entries;
}
