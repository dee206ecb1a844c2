import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { scratchDirectory } from '../../support/scratch.ts';

const checkout = fileURLToPath(new URL('../../..', import.meta.url));

/** A small checkout with our test script, configuration and reporter, and these tests instead of ours. */
function runTests(files: Record<string, string>, options: { setup?: string; args?: string[] } = {}) {
  const root = scratchDirectory();
  const put = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  for (const path of ['scripts/test.sh', 'scripts/as-root.sh', 'vitest.config.ts', 'tests/support']) {
    cpSync(join(checkout, path), join(root, path), { recursive: true });
  }
  symlinkSync(join(checkout, 'node_modules'), join(root, 'node_modules'));
  put('package.json', '{ "type": "module" }');
  put('scripts/setup.sh', options.setup ?? 'echo setup: everything is in place');
  for (const [path, text] of Object.entries(files)) put(path, text);

  const { status, stdout } = spawnSync('bash', ['scripts/test.sh', ...(options.args ?? [])], {
    cwd: root,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: root },
  });
  return { status, closing: stdout.trimEnd().split('\n').at(-1) };
}

const testFile = (...tests: string[]) => `import { expect, it } from 'vitest';\n${tests.join('\n')}\n`;
const good = "it('is good', () => expect(1).toBe(1));";
const bad = "it('is bad', () => expect(1).toBe(2));";

describe('npm test', () => {
  it('closes with what passed, and ends with 0', () => {
    const files = { 'tests/unit/a.test.ts': testFile(good), 'tests/workflow/b.test.ts': testFile(good) };
    expect(runTests(files)).toEqual({ status: 0, closing: '2 passed, 0 failed' });
  });

  it('closes with what failed, and does not end with 0', () => {
    const files = { 'tests/unit/a.test.ts': testFile(good, bad) };
    expect(runTests(files)).toEqual({ status: 1, closing: '1 passed, 1 failed' });
  });

  it('counts a file that does not load', () => {
    const files = {
      'tests/unit/a.test.ts': testFile(good),
      'tests/unit/b.test.ts': "import './not-there.ts';",
    };
    expect(runTests(files)).toEqual({ status: 1, closing: '1 passed, 1 failed' });
  });

  it('does not let a skipped test pass', () => {
    const files = { 'tests/unit/a.test.ts': testFile(good, good.replace('it(', 'it.skip(')) };
    expect(runTests(files)).toEqual({ status: 1, closing: '1 passed, 1 failed' });
  });

  it('fails without a single test', () => {
    expect(runTests({})).toEqual({ status: 1, closing: '0 passed, 1 failed' });
  });

  it('fails when the set-up does', () => {
    const files = { 'tests/unit/a.test.ts': testFile(good) };
    expect(runTests(files, { setup: 'exit 1' })).toEqual({ status: 1, closing: '0 passed, 1 failed' });
  });

  it('runs the tests that are named, the slow ones only when asked for', () => {
    const files = {
      'tests/unit/a.test.ts': testFile(good, bad),
      'tests/unit/b.slow.test.ts': testFile(bad),
    };
    expect(runTests(files, { args: ['-t', 'is good'] })).toEqual({
      status: 0,
      closing: '1 passed, 0 failed',
    });
  });
});
