import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A directory of the running test, removed when it ends. */
export function scratchDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'longhaul-test-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}
