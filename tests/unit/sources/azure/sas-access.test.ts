import { describe, expect, it } from 'vitest';
import { SasAccess } from '../../../../activities/sources/azure/sas-access.ts';

const signal = new AbortController().signal;
const hour = 3_600_000;

/** A clock that stands, and a service that signs addresses which last as long as was asked for, or `lasts`. */
function service(lasts?: number) {
  const clock = { ms: Date.parse('2026-01-01T00:00:00Z') };
  const granted: URL[] = [];
  const access = new SasAccess(
    (seconds) => {
      const ends = new Date(clock.ms + (lasts ?? seconds * 1000)).toISOString();
      const url = new URL(`https://blob.test/disk?se=${ends}&sig=${granted.length}`);
      granted.push(url);
      return Promise.resolve(url);
    },
    { durationSeconds: 4 * 3600, renewSeconds: 1800, settleMs: 30_000, askAgainMs: 1 },
    () => clock.ms,
  );
  return { clock, granted, access };
}

describe('access by a signature', () => {
  it('uses one address until its end is near, then another', async () => {
    const { clock, granted, access } = service();
    expect(await access.current(signal)).toBe(granted[0]);
    clock.ms += 3 * hour;
    expect(await access.current(signal)).toBe(granted[0]);
    clock.ms += hour / 2;
    expect(await access.current(signal)).toBe(granted[1]);
    expect(granted).toHaveLength(2);
  });

  it('believes the end that the signature states, and does not renew at every use of a short one', async () => {
    const { clock, granted, access } = service(60_000);
    await access.current(signal);
    clock.ms += 40_000;
    expect(await access.current(signal)).toBe(granted[0]);
    clock.ms += 6_000;
    expect(await access.current(signal)).toBe(granted[1]);
  });

  it('asks once for all connections that were refused at the same time', async () => {
    const { granted, access } = service();
    const first = await access.current(signal);
    access.worked(first);
    const urls = await Promise.all([1, 2, 3, 4].map(() => access.renewed(first, signal)));
    expect(new Set(urls)).toEqual(new Set([granted[1]]));
    // One that was refused with the old address after the others got a new one.
    expect(await access.renewed(first, signal)).toBe(granted[1]);
    expect(granted).toHaveLength(2);
  });

  it('asks a fresh address again for half a minute: its policy may not work yet', async () => {
    const { clock, granted, access } = service();
    const first = await access.current(signal);
    clock.ms += 29_000;
    expect(await access.renewed(first, signal)).toBe(first);
    access.worked(first);
    // One that worked is refused for another reason.
    expect(await access.renewed(first, signal)).toBe(granted[1]);
  });

  it('gives up when new addresses never work', async () => {
    const { clock, granted, access } = service();
    let url = await access.current(signal);
    for (let again: URL | undefined = url; again !== undefined;) {
      url = again;
      clock.ms += 10_000;
      again = await access.renewed(url, signal);
    }
    expect(granted).toHaveLength(2);
    expect(clock.ms - Date.parse('2026-01-01T00:00:00Z')).toBe(60_000);
  });
});
