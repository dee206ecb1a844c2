import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { exitCodes, exitOfCode, exitOfStatus } from '../../../client/exit-codes.ts';

// Columns are padded in the file.
const manual = readFileSync(new URL('../../../docs/cli.md', import.meta.url), 'utf8').replaceAll(/ +/g, ' ');

describe('exit codes', () => {
  it('tell a migration that waits from one that failed, was blocked, or was given up', () => {
    expect(exitOfStatus('completed')).toBe('ok');
    expect(exitOfStatus('parked', 'GUEST_LOCKED')).toBe('parked');
    expect(exitOfStatus('failed', 'CONVERT_FAILED')).toBe('failed');
    expect(exitOfStatus('failed', 'PREFLIGHT_BLOCKED')).toBe('blocked');
    expect(exitOfStatus('aborted')).toBe('ended');
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
