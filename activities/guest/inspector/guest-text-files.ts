import { isGuestfsFailure } from '../guest-errors.ts';
import type { Guestfs } from '../session/guestfs.ts';

const maxTextBytes = 64 * 1024;

/** The first of the files that is there and can be read; undefined when none is. Only its first bytes count. */
export async function readText(
  guest: Guestfs,
  paths: readonly string[],
  maxBytes = maxTextBytes,
): Promise<string | undefined> {
  for (const path of paths) {
    try {
      return (await guest.readFile(path, maxBytes)).toString();
    } catch (error) {
      if (!isGuestfsFailure(error)) throw error;
    }
  }
  return undefined;
}
