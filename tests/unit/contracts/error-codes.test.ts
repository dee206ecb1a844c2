import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { errorCodes } from '../../../contracts/error-codes.ts';

const guide = readFileSync(new URL('../../../TROUBLESHOOTING.md', import.meta.url), 'utf8');
const entries = new Map(
  guide
    .split(/^### /m)
    .slice(1)
    .map((entry) => [entry.split('\n', 1)[0] ?? '', entry.slice(entry.indexOf('\n')).trim()]),
);

describe('TROUBLESHOOTING.md', () => {
  it('has an entry for every error code and for no other', () => {
    expect([...entries.keys()].toSorted()).toEqual(Object.keys(errorCodes).toSorted());
  });

  it.each(Object.keys(errorCodes))('says what to do about %s', (code) => {
    expect(entries.get(code)).toMatch(/\*\*What to do\.\*\* .{40}/s);
  });
});
