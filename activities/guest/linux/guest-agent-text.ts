/** An offered package file by its name: Debian's name_version_arch.deb, name-version-release.arch.rpm. */
export interface OfferedPackage {
  path: string;
  isAgent: boolean;
}

const architectures: Record<string, readonly string[]> = {
  x86_64: ['amd64', 'x86_64'],
  i386: ['i386', 'i686', 'i586'],
  aarch64: ['arm64', 'aarch64'],
};

/**
 * Of the files offered those that are for this guest: of its package manager and architecture. The newest
 * agent comes first, by the numbers in its name.
 *
 * @param arch as the inspector gives it; packages of any architecture fit a guest whose own is not known
 */
export function fittingPackages(
  files: readonly string[],
  manager: 'dpkg' | 'rpm',
  arch: string | undefined,
): OfferedPackage[] {
  const suffix = manager === 'dpkg' ? '.deb' : '.rpm';
  const own = arch === undefined ? undefined : (architectures[arch] ?? [arch]);
  return files
    .filter((path) => path.endsWith(suffix))
    .filter((path) => {
      const found = /[._]([A-Za-z0-9_]+|x86_64)\.(?:deb|rpm)$/.exec(baseName(path))?.[1] ?? '';
      const label = found.endsWith('x86_64') ? 'x86_64' : (found.split('_').at(-1) ?? '');
      return ['all', 'noarch'].includes(label) || own === undefined || own.includes(label);
    })
    .map((path) => ({ path, isAgent: baseName(path).startsWith('qemu-guest-agent') }))
    .sort(
      (a, b) =>
        Number(b.isAgent) - Number(a.isAgent) ||
        baseName(b.path).localeCompare(baseName(a.path), 'en', { numeric: true }),
    );
}

/** The targets and devices that a unit says it is started with, systemd.unit(5). */
export function wantedBy(unit: string): string[] {
  return [...unit.matchAll(/^WantedBy[ \t]*=[ \t]*(.*)$/gm)]
    .flatMap(([, names]) => (names ?? '').split(/\s+/))
    .filter((name) => /^[\w.\\@:-]+\.(target|device)$/.test(name));
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
