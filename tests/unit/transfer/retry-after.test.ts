import { expect, it } from 'vitest';
import { retryAfterMs } from '../../../activities/transfer/retry-after.ts';

const now = Date.parse('2026-01-01T00:00:00Z');

it.each([
  ['seconds', '7', 7_000],
  ['a date', 'Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
  ['a date that is over', 'Wed, 31 Dec 2025 23:59:59 GMT', 0],
  ['what is neither', 'soon', undefined],
  ['nothing', undefined, undefined],
])('Retry-After of %s', (_what, header, expected) => {
  expect(retryAfterMs(header, now)).toBe(expected);
});
