import type { ArchiveLimits } from '../../../activities/archive/limits.ts';
import type { ErrorCode } from '../../../contracts/error-codes.ts';

/** An archive that nobody means well with, and what has to come of it. */
export interface HostileCase {
  title: string;
  bytes: Buffer;
  limits?: Partial<ArchiveLimits>;
  /** How it is refused: the code, and what the message has to say. */
  refused?: readonly [code: ErrorCode, found: RegExp] | undefined;
  /** Where a stream is refused otherwise, as nobody knows its end. */
  refusedAsStream?: HostileCase['refused'];
  /** Members that are left out and recorded. */
  skipped?: readonly string[];
  /** Files that are written all the same. */
  written?: readonly string[];
}

export const hostile = (found: RegExp) => ['ARCHIVE_HOSTILE', found] as const;
export const damaged = (found: RegExp) => ['ARCHIVE_DAMAGED', found] as const;
export const overLimit = (found: RegExp) => ['ARCHIVE_LIMIT', found] as const;
export const unsupported = (found: RegExp) => ['ARCHIVE_UNSUPPORTED', found] as const;

/** The same with one byte turned. */
export const flipped = (bytes: Buffer, at: number): Buffer => {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 0xff;
  return copy;
};
