import { pause } from '../../host/pause.ts';
import type { HttpAccess } from '../../transfer/http-access.ts';

/** Asks Azure for an address of a snapshot, signed for so many seconds. The address is a secret. */
export type GrantAccess = (durationSeconds: number, signal: AbortSignal) => Promise<URL>;

export interface SasLifetime {
  durationSeconds: number;
  /** A new one is asked for when this much of it is left. */
  renewSeconds: number;
  /** It may be refused so long before it works. */
  settleMs: number;
  askAgainMs: number;
}

/**
 * Long enough to be renewed seldom, short enough to end by itself soon should everything else fail. An address is signed
 * by a policy of the blob's container, which may take half a minute until it works;
 * https://learn.microsoft.com/rest/api/storageservices/define-stored-access-policy.
 */
const usualLifetime: SasLifetime = {
  durationSeconds: 4 * 3600,
  renewSeconds: 1800,
  settleMs: 30_000,
  askAgainMs: 2_000,
};

/** So many new addresses in a row that never worked: asking on is no use. */
const mostInVain = 2;

interface Granted {
  url: URL;
  atMs: number;
  /** The server did not refuse it. */
  worked: boolean;
  /** When a new one is to be asked for. */
  renewMs: number;
}

/** Access by a shared access signature that is renewed before it ends, and after it was refused. */
export class SasAccess implements HttpAccess {
  readonly #grant: GrantAccess;
  readonly #lifetime: SasLifetime;
  readonly #now: () => number;
  #granted: Granted | undefined;
  /** Addresses in a row that never worked. */
  #inVain = 0;
  /** All who need a new address wait for the same one. */
  #asking: Promise<Granted> | undefined;

  constructor(grant: GrantAccess, lifetime: SasLifetime = usualLifetime, now: () => number = Date.now) {
    this.#grant = grant;
    this.#lifetime = lifetime;
    this.#now = now;
  }

  async current(signal: AbortSignal): Promise<URL> {
    const granted = this.#granted;
    if (granted && this.#now() < granted.renewMs) return granted.url;
    return (await this.#renew(signal)).url;
  }

  async renewed(refused: URL, signal: AbortSignal): Promise<URL | undefined> {
    const granted = this.#granted;
    if (granted === undefined) return this.current(signal);
    if (granted.url.href !== refused.href) return granted.url;
    const { settleMs, askAgainMs } = this.#lifetime;
    if (!granted.worked && this.#now() - granted.atMs < settleMs) {
      await pause(askAgainMs, signal);
      return granted.url;
    }
    if (!granted.worked && this.#inVain >= mostInVain) return undefined;
    return (await this.#renew(signal)).url;
  }

  worked(url: URL): void {
    if (this.#granted?.url.href !== url.href) return;
    this.#granted.worked = true;
    this.#inVain = 0;
  }

  #renew(signal: AbortSignal): Promise<Granted> {
    this.#asking ??= this.#ask(signal).finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #ask(signal: AbortSignal): Promise<Granted> {
    const { durationSeconds, renewSeconds } = this.#lifetime;
    const url = await this.#grant(durationSeconds, signal);
    const nowMs = this.#now();
    this.#inVain += 1;
    const lastsMs = Math.min((endOf(url) ?? Infinity) - nowMs, durationSeconds * 1000);
    // One that lasts shorter than it was asked for is not renewed at every use.
    this.#granted = {
      url,
      atMs: nowMs,
      worked: false,
      renewMs: nowMs + lastsMs - Math.min(renewSeconds * 1000, lastsMs / 4),
    };
    return this.#granted;
  }
}

/** `se`, the signed expiry; https://learn.microsoft.com/rest/api/storageservices/create-service-sas. */
function endOf(url: URL): number | undefined {
  const ms = Date.parse(url.searchParams.get('se') ?? '');
  return Number.isNaN(ms) ? undefined : ms;
}
