import { defineSearchAttributeKey } from '@temporalio/common';

/**
 * What every migration can be searched by in `longhaul list` and the Temporal UI. All are keywords: compared
 * whole. They are registered by `ensureSearchAttributes` in workers/search-attributes.ts; a server keeping its
 * visibility in SQLite (the embedded one) has room for ten of a kind.
 */
export const searchAttributes = {
  /** Kind of source, such as `image`. */
  source: defineSearchAttributeKey('LonghaulSource', 'KEYWORD'),
  /** Name of the VM, which is that of the libvirt domain. */
  vm: defineSearchAttributeKey('LonghaulVm', 'KEYWORD'),
  /** A StepName: the step that runs, or ran last. */
  step: defineSearchAttributeKey('LonghaulStep', 'KEYWORD'),
  /** Id of the host the VM was placed on. */
  host: defineSearchAttributeKey('LonghaulHost', 'KEYWORD'),
  /** Workflow id of the batch the migration belongs to. */
  batch: defineSearchAttributeKey('LonghaulBatch', 'KEYWORD'),
  /** A MigrationStatus. */
  state: defineSearchAttributeKey('LonghaulState', 'KEYWORD'),
} as const;
