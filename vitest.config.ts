import { configDefaults, defineConfig } from 'vitest/config';

// Tests that are too slow for every run end in .slow.test.ts; LONGHAUL_SLOW=1 adds them.
const exclude = [
  ...configDefaults.exclude,
  ...(process.env['LONGHAUL_SLOW'] === '1' ? [] : ['tests/**/*.slow.test.ts']),
];

const minutes = (count: number) => count * 60_000;

/** Emulated guests want every core there is: their files run one after another, after everything quick. */
const oneAfterAnother = (name: string, folders: string[], groupOrder: number) => ({
  test: {
    name,
    include: folders.map((folder) => `tests/${folder}/**/*.test.ts`),
    exclude,
    pool: 'forks' as const,
    fileParallelism: false,
    sequence: { groupOrder },
    testTimeout: minutes(10),
    hookTimeout: minutes(15),
    teardownTimeout: minutes(1),
  },
});

export default defineConfig({
  test: {
    reporters: ['default', './tests/support/tally-reporter.ts'],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['tests/unit/**/*.test.ts'],
          exclude,
          sequence: { groupOrder: 0 },
          // They take milliseconds; a loaded machine may stretch those that try thousands of inputs.
          testTimeout: minutes(0.5),
        },
      },
      {
        test: {
          name: 'workflow',
          include: ['tests/workflow/**/*.test.ts'],
          exclude,
          pool: 'forks',
          sequence: { groupOrder: 1 },
          testTimeout: minutes(1),
          hookTimeout: minutes(2),
        },
      },
      oneAfterAnother('integration', ['integration', 'simulators'], 2),
      oneAfterAnother('e2e', ['e2e', 'chaos'], 3),
    ],
  },
});
