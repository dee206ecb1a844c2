import { errorCodes, type ErrorCode } from './error-codes.ts';

/** What a LonghaulError carries besides its code; plain JSON, because it crosses workflow history. */
export interface ErrorFacts {
  /** What was found: one or two sentences with the names and numbers of this case. Never a secret. */
  found: string;
  /** What the operator can do about it. */
  remedy: string;
  /** Overrides the catalogue's default for this occurrence. */
  retryable?: boolean;
  /** Machine-readable particulars (paths, sizes in bytes, findings). */
  details?: Readonly<Record<string, unknown>>;
}

/**
 * The one error type that leaves a module of Longhaul. It says what was found and what to do; `cause` keeps
 * the lower error. Anything else that is thrown is a programming mistake and is reported as INTERNAL.
 */
export class LonghaulError extends Error {
  override readonly name = 'LonghaulError';
  readonly code: ErrorCode;
  readonly found: string;
  readonly remedy: string;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, facts: ErrorFacts, cause?: unknown) {
    super(`${errorCodes[code].summary}: ${facts.found}`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.found = facts.found;
    this.remedy = facts.remedy;
    this.retryable = facts.retryable ?? errorCodes[code].retryable;
    this.details = facts.details ?? {};
  }
}

/** The message of anything thrown, its chain of causes included, in one line. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message} (${messageOf(error.cause)})`;
}

/** True for an error of Node's file system and process calls, which carries an errno name in `code`. */
export function hasErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
