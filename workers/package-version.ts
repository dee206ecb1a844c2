import { readFileSync } from 'node:fs';

/** The version of Longhaul, from the package's own file, beside the sources or above the built files. */
export function packageVersion(): string {
  for (const place of ['../package.json', '../../package.json']) {
    try {
      const manifest = JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8')) as {
        version?: string;
      };
      return manifest.version ?? 'unknown';
    } catch {
      // Not there: it is the other place.
    }
  }
  return 'unknown';
}
