import { describe, expect, it } from 'vitest';
import { batchHtml } from '../../../client/output/batch-html.ts';
import { type BatchView, emptyCounts, type VmOutcome } from '../../../contracts/batch.ts';

const view: BatchView = {
  batchId: 'batch-night',
  name: 'night',
  status: 'completed',
  startedAt: '2026-01-15T20:00:00Z',
  atOnce: 10,
  onFailure: { then: 'continue' },
  wave: 1,
  waves: [
    { name: 'all', approval: false, approved: false, counts: { ...emptyCounts(), completed: 1, failed: 1 } },
  ],
  counts: { ...emptyCounts(), completed: 1, failed: 1 },
  dataBytes: 3 * 2 ** 30,
  activePages: [],
  lastPage: 1,
  lostPages: 0,
};

const vms: VmOutcome[] = [
  {
    vm: 'web01',
    migrationId: 'm1',
    status: 'completed',
    hostId: 'kvm1',
    startedAt: '2026-01-15T20:00:00Z',
    endedAt: '2026-01-15T20:10:00Z',
    dataBytes: 3 * 2 ** 30,
    virtualBytes: 40 * 2 ** 30,
    resumedBytes: 2 ** 30,
  },
  {
    vm: 'evil</td><script>alert(1)</script>',
    migrationId: 'm2',
    status: 'failed',
    startedAt: '2026-01-15T20:05:00Z',
    endedAt: '2026-01-15T20:06:00Z',
    code: 'SPACE_INSUFFICIENT',
    found: '"><img src=https://tracker.example/x onerror=alert(2)>',
    remedy: 'Free space.',
  },
];

describe('the report of a batch as a page', () => {
  const page = batchHtml(view, vms, new Date('2026-01-15T21:00:00Z'));

  it('has nothing of what names and messages say as markup', () => {
    expect(page).not.toMatch(/<script|<img/i);
    expect(page).toContain('evil&lt;/td&gt;&lt;script&gt;');
  });

  it('needs nothing from elsewhere', () => {
    expect(page).not.toMatch(/<[^>]*\b(src|href)=/i);
    expect(page).toContain("default-src 'none'");
  });

  it('tells bytes, what was not copied, failures with what to do, and when each VM had its turn', () => {
    expect(page).toContain('1 of 2');
    expect(page).toContain('37 GiB');
    expect(page).toContain('<code>SPACE_INSUFFICIENT</code>');
    expect(page).toContain('Not fetched twice</span><b>1 GiB</b>');
    expect(page).toContain('Free space.');
    expect(page).toContain('left:50.00%;width:10.00%');
  });
});
