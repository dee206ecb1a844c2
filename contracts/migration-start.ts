import { namedLabels } from './labels.ts';
import { searchAttributes } from './search-attributes.ts';
import type { MigrationSpec } from './spec.ts';
import type { MigrationInput, Tuning } from './steps.ts';

/** How a migration is started, whoever starts it. */

/**
 * The newest edition of `migrateVm`: what a migration does that was started for an older one stays as it was then. 2: lists
 * are told of a step when it lasts, not of each. 3: disks are copied behind gates. See docs/workflow-changes.md.
 */
export const newestEdition = 3;

export const migrationInput = (spec: MigrationSpec, tuning?: Tuning): MigrationInput => ({
  spec,
  edition: newestEdition,
  ...(tuning === undefined ? {} : { tuning }),
});

/** How it is called in the Temporal UI, and found, from its start on. */
export const migrationLabels = (spec: MigrationSpec, batchId?: string) => ({
  staticSummary: `${spec.name}: ${sourceNames[spec.source.kind]} to ${hostName(spec.target)}`.slice(0, 200),
  typedSearchAttributes: [
    { key: searchAttributes.vm, value: spec.name },
    { key: searchAttributes.source, value: spec.source.kind },
    { key: searchAttributes.state, value: 'running' },
    ...(spec.target.host === 'any' ? [] : [{ key: searchAttributes.host, value: spec.target.host }]),
    ...(batchId === undefined ? [] : [{ key: searchAttributes.batch, value: batchId }]),
  ],
});

const sourceNames: Record<MigrationSpec['source']['kind'], string> = {
  image: 'disk images',
  archive: 'an archive (OVA or the like)',
  azure: 'a VM of Azure',
};

function hostName({ host, labels = [] }: MigrationSpec['target']): string {
  if (host !== 'any') return `the KVM host ${host}`;
  return labels.length === 0 ? 'any KVM host' : `a KVM host with ${namedLabels(labels)}`;
}

/** Query for workflows that are about a host and have not ended. */
export const underWayOn = (hostId: string, type: 'migrateVm' | 'cleanUpHost' = 'migrateVm'): string =>
  `WorkflowType = '${type}' AND ExecutionStatus = 'Running' AND ${searchAttributes.host.name} = '${hostId.replaceAll("'", "''")}'`;
