import type { ErrorCode } from '../../contracts/error-codes.ts';
import { hasErrno, LonghaulError } from '../../contracts/errors.ts';

/** What to do about an image that is damaged or incomplete. */
const copyAgain = 'Export or copy the image again, compare sizes or checksums with the source, and retry.';

/** An error about one image file; `what` continues the sentence that begins with its path. */
export function imageError(
  code: ErrorCode,
  path: string,
  what: string,
  remedy = copyAgain,
  details: Readonly<Record<string, unknown>> = {},
): LonghaulError {
  return new LonghaulError(code, { found: `${path} ${what}`, remedy, details: { path, ...details } });
}

/** Turns an error of the file system about a source file into ours; anything else passes through. */
export function sourceFileError(path: string, error: unknown): unknown {
  if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ENOTDIR'))
    return new LonghaulError(
      'SOURCE_NOT_FOUND',
      {
        found: `${path} does not exist`,
        remedy: 'Correct the path in the spec, or copy the file to this host.',
        details: { path },
      },
      error,
    );
  if (error instanceof Error && 'code' in error && !(error instanceof LonghaulError))
    return new LonghaulError(
      'SOURCE_UNREADABLE',
      {
        found: `${path} cannot be read (${String(error.code)})`,
        remedy: "Give the worker's user read permission on the file and its folders, and retry.",
        details: { path },
      },
      error,
    );
  return error;
}
