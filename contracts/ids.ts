import { createHash } from 'node:crypto';
import type { MigrationSpec } from './spec.ts';

/**
 * The workflow id of a migration, derived from its source and its VM so that a second start of the same
 * is refused by Temporal instead of doubled. Shape: `migrate-<source kind>-<vm name>-<8 hex digits>`.
 */
export function migrationIdOf(spec: MigrationSpec): string {
  const identity = JSON.stringify([spec.source.kind, ...identityOf(spec.source), spec.name]);
  const digest = createHash('sha256').update(identity).digest('hex').slice(0, 8);
  return `migrate-${spec.source.kind}-${spec.name}-${digest}`;
}

function identityOf(source: MigrationSpec['source']): unknown[] {
  switch (source.kind) {
    case 'image':
      return [source.disks.map((disk) => ('url' in disk ? disk.url : disk.path))];
    case 'archive':
      return [source.path ?? source.url, source.system ?? null];
    case 'azure':
      // Azure's names are the same in whatever case they are written.
      return [source.subscription, source.resourceGroup.toLowerCase(), source.vm.toLowerCase()];
  }
}
