import type { Say } from '../lib/run.ts';

/** How to make one guest. */
export interface Recipe {
  /** One sentence on what it looks like. */
  about: string;
  /** How many disks `build` writes. */
  disks: number;
  /** Packages it is made of; part of its identity in the cache. */
  packages: readonly string[];
  /** Names of the files under recipes/ and files/ it is made of, itself included. */
  madeOf: readonly string[];
  /**
   * Builds the disks as raw files `disk0.raw`, `disk1.raw` ... in `dir`, which is empty and may be used for
   * scratch files too; they must be gone at the end.
   */
  build(dir: string, say: Say): Promise<void>;
}

/** Path of a disk that `build` writes. */
export function rawDisk(dir: string, index: number): string {
  return `${dir}/disk${index}.raw`;
}
