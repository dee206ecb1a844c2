/** Tags of everything that is made in Azure: found by them again, whoever made it. */
export const tagNames = {
  /** Id of the migration. */
  migration: 'longhaul-migration',
  /** Id of its run. */
  run: 'longhaul-run',
} as const;
