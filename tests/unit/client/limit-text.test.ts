import picocolors from 'picocolors';
import { describe, expect, it } from 'vitest';
import { limitsText, limitText } from '../../../client/output/limit-text.ts';

const paint = picocolors.createColors(false);
const entry = (migrationId: string, weight = 1) => ({ migrationId, runId: 'r', turn: 1, weight });
const view = {
  key: 'https://images.example.com',
  limit: 3,
  holders: [entry('migrate-image-web01-1a2b3c4d', 2), entry('migrate-image-web02-1a2b3c4d')],
  lines: [
    {
      line: 'batch-night',
      waiting: [entry('migrate-image-db01-1a2b3c4d'), entry('migrate-image-db02-1a2b3c4d')],
    },
    { line: 'migrate-image-mail-1a2b3c4d', waiting: [entry('migrate-image-mail-1a2b3c4d')] },
  ],
};

describe('limits as people read them', () => {
  it('are a table', () => {
    expect(limitsText([view, { ...view, bytesPerSecond: 20 * 2 ** 20 }], paint)).toBe(
      [
        'LIMIT OF                    DISKS  TOGETHER  NOW  MIGRATIONS WAIT',
        'https://images.example.com  3      -         3    3',
        'https://images.example.com  3      20 MiB/s  3    3',
      ].join('\n'),
    );
    expect(limitsText([], paint)).toMatch(/defaults hold/);
  });

  it('name those within and those who wait, in the order of their turns', () => {
    expect(limitText(view, paint).split('\n')).toEqual([
      'https://images.example.com: 3 disks fetched at once, 3 allowed; 3 migrations wait',
      '',
      'FETCHES                       DISKS',
      'migrate-image-web01-1a2b3c4d  2',
      'migrate-image-web02-1a2b3c4d  1',
      '',
      'WAITS, BY TURNS              FIRST',
      'batch-night (2)              migrate-image-db01-1a2b3c4d',
      'migrate-image-mail-1a2b3c4d  migrate-image-mail-1a2b3c4d',
    ]);
  });
});
