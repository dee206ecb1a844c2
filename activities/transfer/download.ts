import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { hasErrno, LonghaulError, messageOf } from '../../contracts/errors.ts';
import { formatBytes } from '../../contracts/units.ts';
import { pause } from '../host/pause.ts';
import { DiskFile } from './disk-file.ts';
import { bytesIn, chunksOf, type Extent, extentsDigest, joined } from './extents.ts';
import { Journal } from './journal.ts';
import type { RateLimit } from './rate-limit.ts';
import { type RangeSource, TransferFault } from './range-source.ts';

export interface DownloadJob {
  /** The sparse file of the disk, raw. It is made when it is not there, readable by its owner alone. */
  path: string;
  /** The record beside it; see `Journal`. */
  journalPath: string;
  /** Asks for the disk; again after it turned out to be another one. */
  open: () => Promise<RangeSource>;
  /** Ranges that are read at once. */
  connections: number;
  chunkBytes: number;
  limits: readonly RateLimit[];
  /** What is in the file counts: the extents are what became different since. */
  ontoEarlier?: boolean;
  signal: AbortSignal;
  onProgress: (progress: TransferProgress) => void;
  tuning?: Partial<Tuning>;
}

export interface TransferProgress {
  doneBytes: number;
  totalBytes: number;
  /** Set while the server wants to be left alone, or does not answer: one sentence. */
  waiting?: string;
}

interface Tuning {
  /** How long no byte at all may come before the download fails. */
  patienceMs: number;
  /** Tries of a range in a row whose bytes turn out to be wrong. */
  maxVoid: number;
  firstWaitMs: number;
  maxWaitMs: number;
  /** How often the disk may turn out to be another one. */
  maxRestarts: number;
  settleMs: number;
}

const defaults: Tuning = {
  patienceMs: 15 * 60_000,
  maxVoid: 8,
  firstWaitMs: 500,
  maxWaitMs: 30_000,
  maxRestarts: 3,
  settleMs: 250,
};

export interface Downloaded {
  identity: string;
  sizeBytes: number;
  /** Bytes in extents, and in the gaps between them that were not worth a request of their own. */
  dataBytes: number;
  /** Bytes that came over the wire in this call; less than `dataBytes` after an interruption. */
  fetchedBytes: number;
  /** See `Journal.digestOf`. */
  sha256: string;
}

/**
 * Fetches the extents of a disk into a sparse file. Called again after whatever ended it, it fetches what is
 * not in the file yet: of a killed process at most the chunk of each connection that was under way. The file is
 * durable and whole when this returns. One caller at a time may work on a file: hold a lock.
 *
 * @throws LonghaulError TRANSFER_FAILED, TRANSFER_DENIED, SOURCE_CHANGED, SPACE_INSUFFICIENT, HOST_IO; on abort,
 *   the signal's reason.
 */
export async function download(job: DownloadJob): Promise<Downloaded> {
  const tuning = { ...defaults, ...job.tuning };
  for (let restarts = 0; ; restarts += 1) {
    const source = await job.open();
    try {
      return await downloadOnce(job, source, tuning);
    } catch (error) {
      job.signal.throwIfAborted();
      if (!(error instanceof TransferFault && error.kind === 'changed') || restarts >= tuning.maxRestarts)
        throw typed(error, source);
      // Nothing that came before can be trusted.
      await rm(job.journalPath, { force: true });
    }
  }
}

async function downloadOnce(job: DownloadJob, source: RangeSource, tuning: Tuning): Promise<Downloaded> {
  const chunks = chunksOf(joined(source.extents), source.sizeBytes, job.chunkBytes);
  const lengths = new Map(chunks.map(({ offset, length }) => [offset, length]));
  const file = await DiskFile.open(job.path);
  try {
    const { identity, sizeBytes } = source;
    // A journal says nothing of a file that was cut.
    if ((await file.sizeBytes()) !== sizeBytes) await rm(job.journalPath, { force: true });
    const subject = { identity, sizeBytes, chunks: extentsDigest(chunks), inode: await file.inode() };
    const journal = await Journal.open(job.journalPath, subject, {
      reset: () => file.resize(sizeBytes, { empty: job.ontoEarlier !== true }),
      sync: () => file.sync(),
      confirm: (offset, sha256) => file.confirm({ offset, length: lengths.get(offset) ?? 0 }, sha256),
    });
    try {
      for (const chunk of chunks) if (!journal.has(chunk)) file.forget(chunk);
      return await new Transfer({ job, source, tuning, file, journal, chunks }).run();
    } finally {
      await journal.close();
    }
  } finally {
    await file.close();
  }
}

/** Pieces are gathered to this much before they are written. */
const writeBytes = 1024 ** 2;

interface TransferParts {
  job: DownloadJob;
  source: RangeSource;
  tuning: Tuning;
  file: DiskFile;
  journal: Journal;
  chunks: readonly Extent[];
}

/** One pass over what is missing. */
class Transfer {
  readonly #parts: TransferParts;
  readonly #missing: Extent[];
  readonly #totalBytes: number;
  #doneBytes: number;
  #fetchedBytes = 0;
  /** When the last byte came, of any range; milliseconds of performance.now(). */
  #lastByteAt = performance.now();
  /** Nobody asks before that; milliseconds of performance.now(). */
  #quietUntil = 0;
  /** Ends all connections when one gives up. */
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;

  constructor(parts: TransferParts) {
    this.#parts = parts;
    const { job, chunks, journal } = parts;
    this.#missing = chunks.filter((chunk) => !journal.has(chunk)).reverse();
    this.#totalBytes = bytesIn(chunks);
    this.#doneBytes = this.#totalBytes - bytesIn(this.#missing);
    this.#signal = AbortSignal.any([job.signal, this.#stop.signal]);
  }

  async run(): Promise<Downloaded> {
    this.#tell();
    const settling = this.#settleNowAndThen();
    const connections = Array.from({ length: this.#parts.job.connections }, () => this.#work());
    const results = await Promise.allSettled(connections);
    this.#stop.abort();
    await settling;
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) {
      // What was fetched is kept; that this fails too is not the news.
      await this.#settle().catch(() => undefined);
      throw this.#withNumbers(failed.reason);
    }
    await this.#settle().catch((error: unknown) => {
      throw this.#withNumbers(error);
    });
    return {
      identity: this.#parts.source.identity,
      sizeBytes: this.#parts.source.sizeBytes,
      dataBytes: this.#totalBytes,
      fetchedBytes: this.#fetchedBytes,
      sha256: this.#parts.journal.digestOf(this.#parts.chunks),
    };
  }

  async #work(): Promise<void> {
    try {
      for (let chunk = this.#missing.pop(); chunk; chunk = this.#missing.pop()) {
        this.#signal.throwIfAborted();
        await this.#parts.journal.note(chunk, await this.#fetch(chunk));
      }
    } catch (error) {
      // The first reason is the one that counts; the others end by it.
      if (!this.#signal.aborted) this.#stop.abort(error);
      throw this.#signal.reason;
    }
  }

  /** Brings a chunk into the file, over as many requests as it takes. @returns its SHA-256, in hexadecimal */
  async #fetch(chunk: Extent): Promise<string> {
    const end = chunk.offset + chunk.length;
    let hash = createHash('sha256');
    let at = chunk.offset;
    let [tries, voids] = [0, 0];
    for (;;) {
      await this.#quiet();
      const before = at;
      try {
        for await (const pieces of gathered(
          this.#parts.source.read({ offset: at, length: end - at }, this.#signal),
        )) {
          const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
          for (const limit of this.#parts.job.limits) await limit.take(length, this.#signal);
          await this.#parts.file.write(pieces, at);
          for (const piece of pieces) hash.update(piece);
          at += length;
          this.#doneBytes += length;
          this.#fetchedBytes += length;
          this.#lastByteAt = performance.now();
          this.#tell();
        }
        if (at === end) return hash.digest('hex');
        throw new TransferFault('again', `${this.#parts.source.name} ended a range ${end - at} bytes early`);
      } catch (error) {
        if (!(error instanceof TransferFault) || error.kind === 'changed' || error.kind === 'refused')
          throw error;
        tries = at > before && error.kind === 'again' ? 0 : tries + 1;
        if (error.kind === 'void') {
          this.#doneBytes -= at - chunk.offset;
          hash = createHash('sha256');
          at = chunk.offset;
          voids += 1;
        }
        const { patienceMs, maxVoid } = this.#parts.tuning;
        if (voids >= maxVoid || performance.now() - this.#lastByteAt > patienceMs) throw error;
        await this.#wait(error, tries);
      }
    }
  }

  /** After a fault: the server's wish holds for all connections, a wait of our own for this one. */
  async #wait(fault: TransferFault, tries: number): Promise<void> {
    if (fault.retryAfterMs !== undefined) {
      this.#quietUntil = Math.max(this.#quietUntil, performance.now() + fault.retryAfterMs);
      return;
    }
    const most = Math.min(this.#parts.tuning.maxWaitMs, this.#parts.tuning.firstWaitMs * 2 ** tries);
    this.#tell(`${fault.message}; asking again`);
    await pause(most * (0.5 + Math.random() / 2), this.#signal);
  }

  async #quiet(): Promise<void> {
    for (let waited = false; ; waited = true) {
      const ms = this.#quietUntil - performance.now();
      // Not all at once afterwards.
      if (ms <= 0 && waited) await pause(Math.random() * 500, this.#signal);
      if (ms <= 0) return;
      this.#tell(`${this.#parts.source.name} asks to be left alone for ${Math.ceil(ms / 1000)} s`);
      await pause(Math.min(ms, 1_000), this.#signal);
    }
  }

  /** A full disk says how much is missing. */
  #withNumbers(error: unknown): unknown {
    if (!isFull(error)) return error;
    const { source } = this.#parts;
    const missing = this.#totalBytes - this.#doneBytes;
    return new LonghaulError(
      'SPACE_INSUFFICIENT',
      {
        found: `the host ran full while ${source.name} was fetched: ${formatBytes(missing)} are missing (${missing} bytes)`,
        remedy: 'Make room for them, then retry: what was fetched is kept.',
        details: { missingBytes: missing },
      },
      error,
    );
  }

  async #settleNowAndThen(): Promise<void> {
    for (;;) {
      await pause(this.#parts.tuning.settleMs, this.#signal).catch(() => undefined);
      if (this.#signal.aborted) return;
      await this.#settle().catch((error: unknown) => {
        this.#stop.abort(error);
      });
    }
  }

  #settle(): Promise<void> {
    return this.#parts.journal.settle();
  }

  #tell(waiting?: string): void {
    this.#parts.job.onProgress({
      doneBytes: this.#doneBytes,
      totalBytes: this.#totalBytes,
      ...(waiting === undefined ? {} : { waiting }),
    });
  }
}

/**
 * Small pieces, put together for fewer writes. What came before a connection was cut counts, as TLS vouches for it; a
 * digest that the server gave with the whole range is of no use for a part.
 */
async function* gathered(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array[]> {
  let held: Uint8Array[] = [];
  let length = 0;
  const flush = () => {
    const whole = held;
    [held, length] = [[], 0];
    return whole;
  };
  try {
    for await (const piece of pieces) {
      held.push(piece);
      length += piece.length;
      if (length >= writeBytes) yield flush();
    }
  } catch (error) {
    // What came before the fault counts.
    if (length > 0 && error instanceof TransferFault && error.kind === 'again') yield flush();
    throw error;
  }
  if (length > 0) yield flush();
}

const isFull = (error: unknown) => hasErrno(error, 'ENOSPC') || hasErrno(error, 'EDQUOT');

function typed(error: unknown, { name }: RangeSource): unknown {
  if (error instanceof TransferFault) {
    const code = {
      again: 'TRANSFER_FAILED',
      void: 'TRANSFER_FAILED',
      changed: 'SOURCE_CHANGED',
      refused: 'TRANSFER_DENIED',
    } as const;
    const remedy = {
      again: 'See whether the server and the network between are well; what was fetched is kept.',
      void: 'Something between the server and this host changes data; what was fetched is kept.',
      changed: 'Let nobody write to the source while it is fetched, then retry.',
      refused: 'See whether the address, its signature and the rights of the account are still good.',
    };
    return new LonghaulError(code[error.kind], { found: error.message, remedy: remedy[error.kind] }, error);
  }
  if (error instanceof LonghaulError) return error;
  if (isFull(error))
    return new LonghaulError(
      'SPACE_INSUFFICIENT',
      {
        found: `the host is full: ${messageOf(error)}`,
        remedy: 'Make room, then retry: what was fetched is kept.',
      },
      error,
    );
  return new LonghaulError(
    'HOST_IO',
    {
      found: `${name} could not be written to this host: ${messageOf(error)}`,
      remedy: 'See dmesg for errors of the storage, then retry.',
    },
    error,
  );
}
