import { createHash, type Hash } from 'node:crypto';

export type DigestName = 'sha1' | 'sha256' | 'sha512';
export type Digests = Partial<Record<DigestName, string>>;

/** Several digests over the same bytes. */
export class Digester {
  readonly #hashes: ReadonlyMap<DigestName, Hash>;
  sizeBytes = 0;

  constructor(names: Iterable<DigestName>) {
    this.#hashes = new Map([...new Set(names)].map((name) => [name, createHash(name)]));
  }

  update(piece: Buffer): void {
    this.sizeBytes += piece.length;
    for (const hash of this.#hashes.values()) hash.update(piece);
  }

  /** In hexadecimal. To be called once. */
  digests(): Digests {
    return Object.fromEntries([...this.#hashes].map(([name, hash]) => [name, hash.digest('hex')]));
  }
}
