import { configDefaults, defineConfig } from 'vitest/config';

// Tests that are too slow for every run end in .slow.test.ts; LONGHAUL_SLOW=1 adds them.
const exclude = [
  ...configDefaults.exclude,
  ...(process.env['LONGHAUL_SLOW'] === '1' ? [] : ['tests/**/*.slow.test.ts']),
];

const minutes = (count: number) => count * 60_000;

/** What is awaited may take its time on a machine that does other things too. */
const expect = { poll: { timeout: minutes(1) } };

/** Tests with emulated machines: so many files at once, after everything quick. */
const emulated = (
  name: string,
  folders: string,
  groupOrder: number,
  filesAtOnce: number,
  except: string[] = [],
) => ({
  test: {
    name,
    include: [`tests/${folders}/**/*.test.ts`],
    exclude: [...exclude, ...except],
    pool: 'forks' as const,
    maxWorkers: filesAtOnce,
    sequence: { groupOrder },
    testTimeout: minutes(10),
    hookTimeout: minutes(15),
    teardownTimeout: minutes(1),
    expect,
  },
});

export default defineConfig({
  test: {
    reporters: ['default', './tests/support/tally-reporter.ts'],
    // `npm run test:coverage`: what must not lose a byte has hardly a line that no test runs.
    coverage: {
      include: ['activities/sources/azure/**', 'activities/transfer/**'],
      reporter: ['text'],
      thresholds: { lines: 90 },
    },
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
          testTimeout: minutes(3),
          hookTimeout: minutes(3),
          expect,
        },
      },
      // Chromium looks at the web UI of a real server.
      {
        test: {
          name: 'ui',
          include: ['tests/ui/**/*.test.ts'],
          exclude,
          pool: 'forks',
          sequence: { groupOrder: 2 },
          testTimeout: minutes(3),
          hookTimeout: minutes(3),
          expect,
        },
      },
      // An appliance has one processor, and nothing of the host but its own files.
      emulated('guest', 'integration/guest', 3, 2),
      emulated('integration', 'integration', 4, 1, ['tests/integration/guest/**']),
      emulated('e2e', '{e2e,chaos}', 5, 2),
      // Temporal on PostgreSQL: `npm run test:site`.
      ...(process.env['LONGHAUL_SITE'] === '1' ? [emulated('site', 'site', 6, 1)] : []),
    ],
  },
});
