import pc from 'picocolors';
import { describe, expect, it } from 'vitest';
import { batchText } from '../../../client/output/batch-text.ts';
import { type BatchView, emptyCounts } from '../../../contracts/batch.ts';

const counts = { ...emptyCounts(), waiting: 2 };
const view: BatchView = {
  batchId: 'batch-night',
  name: 'night',
  status: 'running',
  startedAt: '2026-01-15T20:00:00Z',
  atOnce: 10,
  onFailure: { then: 'continue' },
  wave: 0,
  waves: [{ name: 'all', approval: false, approved: false, counts }],
  counts,
  dataBytes: 0,
  activePages: [],
  lastPage: 1,
  lostPages: 0,
};
const style = { paint: pc.createColors(false), columns: 80, nowMs: Date.parse('2026-01-15T20:01:00Z') };

describe('a batch on a screen', () => {
  it('says what came of looking for VMs, and shows nothing that a terminal would obey', () => {
    const selected = {
      vms: 2,
      leftOut: 5,
      refused: ['evil\u001b[2J: target.cpus must be at least 1'],
      refusedCount: 3,
      gaps: ['the disks of db07 cannot be read'],
    };
    const shown = batchText({ ...view, selected }, [], style);
    expect(shown).toContain('Found 10 VMs, 5 of them migrated before, under way, or found twice.');
    expect(shown).toMatch(
      /Cannot be migrated so\n {2}evil.*: target\.cpus must be at least 1\n {2}and 2 more/,
    );
    expect(shown).toContain('warning: the disks of db07 cannot be read');
    expect(shown).not.toContain('\u001b');
  });

  it('says why one that could not look has begun nothing', () => {
    const failure = {
      code: 'AZURE_LOGIN_FAILED' as const,
      message: 'm',
      found: 'no login',
      remedy: 'Log in.',
    };
    const shown = batchText({ ...view, status: 'failed', failure }, [], style);
    expect(shown).toContain('night  failed');
    expect(shown).toContain('AZURE_LOGIN_FAILED no login\n  do: Log in.');
  });
});
