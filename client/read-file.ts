import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { dirname, resolve } from 'node:path';
import type { ErrorCode } from '../contracts/error-codes.ts';
import { hasErrno, LonghaulError, messageOf } from '../contracts/errors.ts';

export interface WrittenFile {
  /** Said when it cannot be read. */
  code: ErrorCode;
  remedy: string;
  maxLength: number;
}

/**
 * Reads a file that an operator wrote and understands it; `-` reads standard input, whose relative paths count from here.
 *
 * @throws what `parse` throws; LonghaulError of the file's code when it cannot be read
 */
export async function readWritten<T>(
  path: string,
  { code, remedy, maxLength }: WrittenFile,
  parse: (text: string, fileName: string, baseDir: string) => T,
): Promise<T> {
  if (path === '-') return parse(await readText(process.stdin, maxLength), 'standard input', process.cwd());
  try {
    return parse(await readText(createReadStream(path), maxLength), path, dirname(resolve(path)));
  } catch (error) {
    if (error instanceof LonghaulError) throw error;
    const found = hasErrno(error, 'ENOENT')
      ? `There is no file ${path}.`
      : `${path} cannot be read: ${messageOf(error)}.`;
    throw new LonghaulError(code, { found, remedy }, error);
  }
}

/** All of a text, or as much of it as shows that it is too long: a disk image given by mistake is not read whole. */
async function readText(stream: Readable, maxLength: number): Promise<string> {
  stream.setEncoding('utf8');
  let text = '';
  for await (const chunk of stream) {
    text += String(chunk);
    if (text.length > maxLength) break;
  }
  return text;
}
