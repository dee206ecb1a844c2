import type { Guestfs } from '../../session/guestfs.ts';

/**
 * The paths that match any of the patterns, glob(7) with braces, in one call to the appliance. libguestfs wants
 * a slash first, which doubles the one that patterns have.
 */
export async function findAny(guest: Guestfs, patterns: readonly string[]): Promise<string[]> {
  const found = await guest.glob(`/{${patterns.join(',')}}`);
  return found.map((path) => path.replace(/\/{2,}/g, '/')).filter((path) => path !== '/');
}
