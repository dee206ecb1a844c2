import type { HttpAccess } from './http-access.ts';

/** An address that is looked up, and looked up again when it is refused: it may then be another one. */
export class FollowedAccess implements HttpAccess {
  #now: URL;
  #looking: Promise<URL> | undefined;
  readonly #find: (signal: AbortSignal) => Promise<URL>;

  /** @param now as `find` gave it before */
  constructor(now: URL, find: (signal: AbortSignal) => Promise<URL>) {
    this.#now = now;
    this.#find = find;
  }

  current(): Promise<URL> {
    return Promise.resolve(this.#now);
  }

  async renewed(refused: URL, signal: AbortSignal): Promise<URL | undefined> {
    // Another connection may have been refused before, and have looked.
    if (this.#now.href !== refused.href) return this.#now;
    this.#looking ??= this.#find(signal).finally(() => (this.#looking = undefined));
    const found = await this.#looking;
    this.#now = found;
    return found.href === refused.href ? undefined : found;
  }
}
