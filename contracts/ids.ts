import { createHash } from 'node:crypto';
import type { MigrationSpec } from './spec.ts';

/**
 * The workflow id of a migration, derived from its source and its VM so that a second start of the same
 * is refused by Temporal instead of doubled. Shape: `migrate-<source kind>-<vm name>-<8 hex digits>`.
 */
export function migrationIdOf(spec: MigrationSpec): string {
  const identity = JSON.stringify([spec.source.kind, spec.source.disks.map((disk) => disk.path), spec.name]);
  const digest = createHash('sha256').update(identity).digest('hex').slice(0, 8);
  return `migrate-${spec.source.kind}-${spec.name}-${digest}`;
}
