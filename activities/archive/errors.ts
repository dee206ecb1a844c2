import type { ErrorCode } from '../../contracts/error-codes.ts';
import { LonghaulError } from '../../contracts/errors.ts';
import { MalformedArchive } from '../host/byte-reader.ts';

const remedies = {
  ARCHIVE_HOSTILE:
    'Do not unpack it with other tools either before you know who made it; ask for another export.',
  ARCHIVE_DAMAGED: 'Export or copy the archive again, compare sizes or checksums with the source, and retry.',
  ARCHIVE_UNSUPPORTED: 'Unpack it yourself and give the disks inside.',
} as const satisfies Partial<Record<ErrorCode, string>>;

/** An error about one archive; `what` continues the sentence that begins with its name. */
export function archiveError(
  code: keyof typeof remedies,
  archive: string,
  what: string,
  { remedy = remedies[code], details = {}, cause }: ErrorParticulars = {},
): LonghaulError {
  return new LonghaulError(
    code,
    { found: `${archive} ${what}`, remedy, details: { archive, ...details } },
    cause,
  );
}

/** What a generator yields, with what it finds damaged told of the archive. @throws LonghaulError ARCHIVE_DAMAGED */
export async function* damageToldOf<T>(archive: string, source: AsyncGenerator<T>): AsyncGenerator<T> {
  try {
    yield* source;
  } catch (error) {
    throw damageOf(archive, error);
  }
}

/** The same of a promise. */
export function told<T>(archive: string, promise: Promise<T>): Promise<T> {
  return promise.catch((error: unknown) => {
    throw damageOf(archive, error);
  });
}

function damageOf(archive: string, error: unknown): unknown {
  if (!(error instanceof MalformedArchive)) return error;
  return archiveError('ARCHIVE_DAMAGED', archive, `cannot be read on: ${error.message}`, { cause: error });
}

interface ErrorParticulars {
  remedy?: string;
  details?: Readonly<Record<string, unknown>>;
  cause?: unknown;
}

/** A name from an archive as it may be shown: quoted, control characters escaped, cut. */
export function shownName(name: string): string {
  const shown = JSON.stringify(name.slice(0, 200)).replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return name.length > 200 ? `${shown.slice(0, -1)}..."` : shown;
}
