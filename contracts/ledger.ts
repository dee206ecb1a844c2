/**
 * What batches know of VMs that were migrated when the server has forgotten their migrations: a mark for each, in volumes
 * of which each is a workflow. A volume that is full stays as it is, and the next begins.
 */

/** A mark: 72 bits of the SHA-256 of a migration's id, in base64url. */
export const markLength = 12;
/** Marks of a volume at most: they have to fit into one message. */
export const marksPerVolume = 4000;

/** Input of `keepLedger`. */
export interface LedgerInput {
  /** From 1. */
  volume: number;
  /** Marks, one behind the other; when it continues as new. */
  marks?: string;
  tuning?: {
    /** Marks of a volume at most. */
    volumeMarks?: number;
    /** Events after which it continues as new. Default 2000. */
    historyEvents?: number;
  };
}

/** The workflow id of a volume. */
export const ledgerIdOf = (volume: number): string => `migrated-${volume}`;

/** The marks that stand in a text. */
export const marksIn = (text: string): string[] =>
  Array.from({ length: Math.floor(text.length / markLength) }, (_one, index) =>
    text.slice(index * markLength, (index + 1) * markLength),
  );
