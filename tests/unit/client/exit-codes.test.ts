import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../../contracts/error-codes.ts';
import type { StepName } from '../../../contracts/steps.ts';
import { exitCodes, exitOfCode, exitOfView } from '../../../client/exit-codes.ts';

// Columns are padded in the file.
const manual = readFileSync(new URL('../../../docs/cli.md', import.meta.url), 'utf8').replaceAll(/ +/g, ' ');

function stopped(status: 'failed' | 'parked', step: StepName, code: ErrorCode) {
  const failure = { code, message: 'm', found: 'f', remedy: 'r' };
  const at = '2026-01-01T00:00:00Z';
  return {
    status,
    failure,
    steps: [{ name: step, state: { status: 'failed' as const, startedAt: at, endedAt: at, failure } }],
  };
}

describe('exit codes', () => {
  it('tell a migration that waits from one that failed, was blocked, or was given up', () => {
    expect(exitOfView({ status: 'completed', steps: [] })).toBe('ok');
    expect(exitOfView({ status: 'aborted', steps: [] })).toBe('ended');
    expect(exitOfView(stopped('parked', 'inspect', 'GUEST_LOCKED'))).toBe('parked');
    expect(exitOfView(stopped('failed', 'convert', 'CONVERT_FAILED'))).toBe('failed');
    expect(exitOfView(stopped('failed', 'preflight', 'PREFLIGHT_BLOCKED'))).toBe('blocked');
    // One thing in the way has a name of its own, which other steps may fail with too.
    expect(exitOfView(stopped('failed', 'preflight', 'TARGET_EXISTS'))).toBe('blocked');
    expect(exitOfView(stopped('failed', 'convert', 'TARGET_EXISTS'))).toBe('failed');
    expect(exitOfView(stopped('failed', 'preflight', 'STEP_TIMEOUT'))).toBe('failed');
  });

  it('tell a mistake in the spec from a server that is away', () => {
    expect(exitOfCode('SPEC_INVALID')).toBe('usage');
    expect(exitOfCode('TEMPORAL_UNREACHABLE')).toBe('unreachable');
    expect(exitOfCode('GUEST_NO_OS')).toBe('failed');
  });

  it('are all in the manual, in its words', () => {
    for (const { code, meaning } of Object.values(exitCodes))
      expect(manual).toContain(`| ${code} | ${meaning} |`);
  });
});
