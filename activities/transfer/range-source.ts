import type { Extent } from './extents.ts';

/** A disk that can be read in ranges, wherever it lies. */
export interface RangeSource {
  /** As people know it; without anything secret. */
  readonly name: string;
  /** The same as long as the bytes are: an ETag, the id of a snapshot. */
  readonly identity: string;
  readonly sizeBytes: number;
  /** Where there is data, in order. */
  readonly extents: readonly Extent[];
  /**
   * The bytes of a range, exactly as many. Ends early or throws a TransferFault when they cannot be had.
   *
   * @param signal ends the reading; the iterable then rejects with its reason
   */
  read(range: Extent, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/**
 * Why a range did not come, and what that means for the download:
 * `again` the rest of the range may come later; `void` what came of it is wrong; `changed` the disk is another one now, and all that was read is void;
 * `refused` asking again is no use.
 */
export class TransferFault extends Error {
  override readonly name = 'TransferFault';
  readonly kind: 'again' | 'void' | 'changed' | 'refused';
  /** How long the server wants to be left alone. */
  readonly retryAfterMs: number | undefined;

  constructor(
    kind: TransferFault['kind'],
    found: string,
    more: { retryAfterMs?: number | undefined; cause?: unknown } = {},
  ) {
    super(found, { cause: more.cause });
    this.kind = kind;
    this.retryAfterMs = more.retryAfterMs;
  }
}
