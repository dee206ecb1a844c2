import { LonghaulError } from '../../contracts/errors.ts';
import { formatBytes } from '../../contracts/units.ts';
import { archiveError } from './errors.ts';

/** How much an archive may unpack to, archives inside it included. */
export interface ArchiveLimits {
  /** Members of all kinds. */
  maxMembers: number;
  /** Bytes of members, zeros included. */
  maxTotalBytes: number;
  /** Bytes of members for each byte of the archive. */
  maxRatio: number;
  /** Archives and compressed files inside one another; the outermost is 1. */
  maxDepth: number;
  /** What must stay free where the members are written, in bytes. */
  reserveBytes: number;
}

export const defaultLimits: ArchiveLimits = {
  maxMembers: 10_000,
  maxTotalBytes: 4 * 1024 ** 4,
  maxRatio: 500,
  maxDepth: 3,
  reserveBytes: 1024 ** 3,
};

/** Small disks that are mostly empty compress better than any bomb needs to: below this the ratio says nothing. */
const ratioGraceBytes = 256 * 1024 ** 2;

/** Parts of sparse files in all; a disk has seldom more than some ten thousands. */
const maxTotalExtents = 1_000_000;

/** Counts what comes out of an archive and of those inside it, and ends the reading when it is too much. */
export class ArchiveBudget {
  readonly limits: ArchiveLimits;
  /** For people: the outermost archive. */
  readonly #archive: string;
  readonly #archiveBytes: number;
  #members = 0;
  #totalBytes = 0;
  #extents = 0;

  constructor(archive: string, archiveBytes: number, limits: ArchiveLimits = defaultLimits) {
    this.#archive = archive;
    this.#archiveBytes = archiveBytes;
    this.limits = limits;
  }

  /** @throws LonghaulError ARCHIVE_LIMIT */
  countMember(): void {
    this.#members += 1;
    if (this.#members > this.limits.maxMembers)
      throw this.#exceeded('maxMembers', this.#members, `has more than ${this.limits.maxMembers} members`);
  }

  /** Bytes that were unpacked. @throws LonghaulError ARCHIVE_LIMIT */
  countBytes(bytes: number): void {
    this.#totalBytes += bytes;
    this.#requireWithin(this.#totalBytes);
  }

  /** Refuses a member whose stated size would break a limit, before it is unpacked. @throws LonghaulError ARCHIVE_LIMIT */
  announceBytes(bytes: number): void {
    this.#requireWithin(this.#totalBytes + bytes);
  }

  /** Parts that a sparse file is in. @throws LonghaulError ARCHIVE_HOSTILE */
  countExtents(extents: number): void {
    this.#extents += extents;
    if (this.#extents > maxTotalExtents)
      throw archiveError(
        'ARCHIVE_HOSTILE',
        this.#archive,
        `has sparse files in more than ${maxTotalExtents} parts altogether`,
      );
  }

  /** @throws LonghaulError ARCHIVE_LIMIT */
  requireDepth(depth: number): void {
    if (depth > this.limits.maxDepth)
      throw this.#exceeded('maxDepth', depth, `holds archives in archives, ${depth} deep`);
  }

  #requireWithin(totalBytes: number): void {
    const { maxTotalBytes, maxRatio } = this.limits;
    if (totalBytes > maxTotalBytes)
      throw this.#exceeded('maxTotalBytes', totalBytes, `unpacks to ${formatBytes(totalBytes)} or more`);
    const ratio = Math.ceil(totalBytes / Math.max(this.#archiveBytes, 1));
    if (totalBytes > ratioGraceBytes && ratio > maxRatio)
      throw this.#exceeded('maxRatio', ratio, `unpacks to ${ratio} times its size or more`);
  }

  #exceeded(limit: keyof ArchiveLimits, value: number, what: string): LonghaulError {
    const allowed = this.limits[limit];
    return new LonghaulError('ARCHIVE_LIMIT', {
      found: `${this.#archive} ${what}; ${limit} is ${allowed}`,
      remedy: `If the archive is to be trusted, raise source.limits.${limit} in the spec, then retry.`,
      details: { archive: this.#archive, limit, allowed, value },
    });
  }
}
