import type { GuestFacts } from '../../../contracts/values.ts';

const maxValueChars = 200;

/**
 * Parses os-release(5): assignments in shell syntax without expansion. Lines that are none are ignored; the
 * first 200 characters of each value count.
 */
export function parseOsRelease(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, key, raw] = /^\s*([A-Z][A-Z0-9_]*)=(.*)/.exec(line.trimEnd()) ?? [];
    if (key === undefined || raw === undefined) continue;
    found.set(key, clean(unquote(raw)));
  }
  return found;
}

/** Distribution by os-release, or by the release files of systems older than it. */
export function distroOf(files: {
  osRelease?: string;
  redhatRelease?: string;
  debianVersion?: string;
}): GuestFacts['distro'] {
  const release = parseOsRelease(files.osRelease ?? '');
  const id = release.get('ID');
  if (id !== undefined) {
    const versionId = release.get('VERSION_ID') ?? '';
    return { id, versionId, prettyName: release.get('PRETTY_NAME') ?? `${id} ${versionId}`.trim() };
  }
  if (files.redhatRelease !== undefined) {
    const prettyName = clean(files.redhatRelease);
    const versionId = /release (\d[\d.]*)/.exec(prettyName)?.[1] ?? '';
    const name = /^(CentOS|Fedora|Scientific|Oracle)/i.exec(prettyName)?.[1]?.toLowerCase();
    return { id: name ?? 'rhel', versionId, prettyName };
  }
  if (files.debianVersion !== undefined) {
    const versionId = clean(files.debianVersion);
    return { id: 'debian', versionId, prettyName: `Debian ${versionId}` };
  }
  return undefined;
}

function unquote(raw: string): string {
  const [, quote, inner] = /^(["'])(.*)\1$/.exec(raw) ?? [];
  if (inner === undefined) return raw;
  return quote === '"' ? inner.replace(/\\(["\\$`])/g, '$1') : inner;
}

/** One printable line: the text goes to logs, reports and terminals. */
function clean(text: string): string {
  return text
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, maxValueChars);
}
