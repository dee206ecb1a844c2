import { describe, expect, it } from 'vitest';
import { firstRunIdOf, leftoverIdOf, nextRun, shortRunId } from '../../../contracts/runs.ts';

const run = { migrationId: 'migrate-image-web01-1a2b3c4d', runId: '01234567-89ab-cdef-0123-456789abcdef' };

describe('runs of a migration that was given to other hosts', () => {
  it('are told apart, and lead to the run that the server knows', () => {
    const second = nextRun(run);
    const third = nextRun(second);
    expect([second.runId, third.runId]).toEqual([`${run.runId}.2`, `${run.runId}.3`]);
    for (const { runId } of [run, second, third]) expect(firstRunIdOf(runId)).toBe(run.runId);
    expect([run, second, third].map(({ runId }) => shortRunId(runId))).toEqual([
      '456789abcdef',
      '456789abcdef.2',
      '456789abcdef.3',
    ]);
    expect(leftoverIdOf(second, 'kvm1')).toBe('migrate-image-web01-1a2b3c4d-left-kvm1-456789abcdef.2');
  });
});
