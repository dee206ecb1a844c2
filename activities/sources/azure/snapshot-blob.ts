import type { Dispatcher } from 'undici';
import { LonghaulError, messageOf } from '../../../contracts/errors.ts';
import { pause } from '../../host/pause.ts';
import { type HttpAccess, publicPart } from '../../transfer/http-access.ts';
import { drain, isTemporary, one } from '../../transfer/http-request.ts';
import { retryAfterMs } from '../../transfer/retry-after.ts';

/** Knows page lists that come in pieces, and comparisons by address. */
export const blobApiVersion = '2021-12-02';

interface BlobQuestion {
  query?: Readonly<Record<string, string>>;
  headers?: Readonly<Record<string, string>>;
}

export interface BlobAnswer {
  headers: Readonly<Record<string, string | string[] | undefined>>;
  text: string;
}

const maxTries = 8;
const firstWaitMs = 500;
const maxWaitMs = 30_000;
/** A page list has 10,000 ranges of some 70 characters; one that comes whole may have more. */
const mostBytes = 64 * 1024 ** 2;

/** Small questions to the blob behind a snapshot; its bytes are fetched by `HttpRangeSource`. */
export class SnapshotBlob {
  /** For people, without the signature. */
  readonly name: string;
  readonly #access: HttpAccess;
  readonly #dispatcher: Dispatcher;

  constructor(name: string, access: HttpAccess, dispatcher: Dispatcher) {
    this.name = name;
    this.#access = access;
    this.#dispatcher = dispatcher;
  }

  /**
   * Asks until there is an answer, or until it is sure that there is none.
   *
   * @throws LonghaulError TRANSFER_DENIED, TRANSFER_FAILED; on abort, the signal's reason.
   */
  async ask(question: BlobQuestion, signal: AbortSignal): Promise<BlobAnswer> {
    let url = await this.#access.current(signal);
    for (let tries = 1; ; tries += 1) {
      const result = await this.#once(url, question, signal);
      if ('answer' in result) {
        this.#access.worked?.(url);
        return result.answer;
      }
      if (result.refused) {
        const renewed = await this.#access.renewed(url, signal);
        if (renewed === undefined) throw denied(this.name, result.why);
        url = renewed;
        continue;
      }
      if (!result.again || tries >= maxTries) throw failed(this.name, result.why, result.cause);
      const wait = Math.min(maxWaitMs, firstWaitMs * 2 ** (tries - 1)) * (0.5 + Math.random() / 2);
      await pause(result.retryAfterMs ?? wait, signal);
      url = await this.#access.current(signal);
    }
  }

  async #once(
    url: URL,
    { query = {}, headers = {} }: BlobQuestion,
    signal: AbortSignal,
  ): Promise<{ answer: BlobAnswer } | Refusal> {
    const place = publicPart(url);
    // The signature stays as it came: what is put behind it does not change it.
    const extra = new URLSearchParams(query).toString();
    const search = [url.search.slice(1), extra].filter((part) => part !== '').join('&');
    try {
      const answer = await this.#dispatcher.request({
        origin: url.origin,
        path: `${url.pathname}?${search}`,
        method: 'GET',
        headers: { 'x-ms-version': blobApiVersion, ...headers },
        signal,
      });
      const { statusCode } = answer;
      if (statusCode === 200) return { answer: { headers: answer.headers, text: await textOf(answer) } };
      await drain(answer);
      const why = `${place} answers ${statusCode}${codeOf(answer)}`;
      if (statusCode === 401 || statusCode === 403) return { refused: true, why };
      const retryAfter = retryAfterMs(one(answer.headers['retry-after']), Date.now());
      return { again: isTemporary(statusCode), why, retryAfterMs: retryAfter };
    } catch (cause) {
      signal.throwIfAborted();
      if (cause instanceof LonghaulError) throw cause;
      return { again: true, why: `${place}: ${messageOf(cause)}`, cause };
    }
  }
}

interface Refusal {
  why: string;
  refused?: boolean;
  again?: boolean;
  retryAfterMs?: number | undefined;
  cause?: unknown;
}

async function textOf({ body }: Dispatcher.ResponseData): Promise<string> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of body as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > mostBytes)
      throw new LonghaulError('TRANSFER_FAILED', {
        found: `an answer about a snapshot has more than ${mostBytes} bytes`,
        remedy: 'See whether a proxy between changes what the service answers.',
      });
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** The service's own word for what is wrong: `AuthenticationFailed`. */
function codeOf({ headers }: Dispatcher.ResponseData): string {
  const code = headers['x-ms-error-code'];
  return typeof code === 'string' && /^\w{1,80}$/.test(code) ? ` (${code})` : '';
}

function denied(name: string, why: string): LonghaulError {
  return new LonghaulError('TRANSFER_DENIED', {
    found: `${name}: ${why}`,
    remedy:
      'See whether the network rules of the disk (networkAccessPolicy, private endpoints) let this host read it.',
  });
}

function failed(name: string, why: string, cause: unknown): LonghaulError {
  return new LonghaulError(
    'TRANSFER_FAILED',
    {
      found: `${name}: ${why}`,
      remedy: 'See whether the network between is well; what was fetched is kept.',
    },
    cause,
  );
}
