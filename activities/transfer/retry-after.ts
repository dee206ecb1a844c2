const mostMs = 10 * 60_000;

/**
 * How long a server wants to be left alone: seconds or a date; RFC 9110, section 10.2.3. At most ten minutes.
 *
 * @returns milliseconds; undefined when it does not say so.
 */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), mostMs);
}
