import { resolve } from 'node:path';
import { looksLikeAddress } from './disk-address.ts';
import { isRecord } from './records.ts';
import { secretRef } from './spec-atoms.ts';
import type { MigrationSpec } from './spec.ts';
import { checkSpec } from './spec-problems.ts';
import { vmNameFromPath } from './vm-name.ts';
import { type FileKind, YamlFile } from './yaml-file.ts';

/** More than any spec needs; a disk image given by mistake is refused instead of parsed. */
export const maxSpecLength = 1024 * 1024;

const specKind: FileKind = {
  code: 'SPEC_INVALID',
  what: 'a spec',
  maxLength: maxSpecLength,
  oneOnly: 'a spec file holds one VM, so put this one in a file of its own',
  remedy: (fileName) =>
    `Correct the file; \`longhaul spec check ${fileName}\` looks at it again without starting anything.`,
};

/**
 * Reads a spec file in YAML 1.2 or JSON. Relative paths count from `baseDir` (absolute), the directory of the
 * file; a missing name becomes the first disk's. Throws SPEC_INVALID that lists every problem with its place
 * as `fileName:line:column`; `details.problems` holds them as `{ line, column, message }` (from 1).
 */
export function parseSpecFile(text: string, fileName: string, baseDir: string): MigrationSpec {
  const file = new YamlFile(text, fileName, specKind);
  const result = checkSpec(withDefaults(file.value, baseDir));
  if (result.ok) return result.spec;
  throw file.refusal(result.problems);
}

/** Copies the value with its paths made absolute and its name filled in; shapes that are wrong stay as they are. */
export function withDefaults(value: unknown, baseDir: string): unknown {
  if (!isRecord(value)) return value;
  const spec: Record<string, unknown> = { ...value };
  const absolute = (path: unknown) =>
    typeof path === 'string' && path !== '' && !path.startsWith('~') && !looksLikeAddress(path)
      ? resolve(baseDir, path)
      : path;
  if (isRecord(spec.source)) {
    spec.source = sourcePaths(spec.source, absolute);
    spec.name ??= nameOfSource(spec.source as Record<string, unknown>);
  }
  if (isRecord(spec.guest)) spec.guest = guestPaths(spec.guest, absolute);
  if (isRecord(spec.target) && 'directory' in spec.target)
    spec.target = { ...spec.target, directory: absolute(spec.target.directory) };
  return spec;
}

function sourcePaths(
  source: Record<string, unknown>,
  absolute: (path: unknown) => unknown,
): Record<string, unknown> {
  // The disks of an archive are names in it.
  if (source.kind === 'archive')
    return 'path' in source ? { ...source, path: absolute(source.path) } : source;
  if (!Array.isArray(source.disks)) return source;
  const disks = source.disks.map((disk: unknown) =>
    isRecord(disk) ? ('path' in disk ? { ...disk, path: absolute(disk.path) } : disk) : absolute(disk),
  );
  return { ...source, disks };
}

function guestPaths(
  guest: Record<string, unknown>,
  absolute: (path: unknown) => unknown,
): Record<string, unknown> {
  const made = { ...guest };
  for (const key of ['agentPackages', 'firstBoot']) {
    const paths = guest[key];
    if (Array.isArray(paths)) made[key] = paths.map(absolute);
  }
  if (Array.isArray(guest.sshKeys))
    made.sshKeys = guest.sshKeys.map((entry: unknown) =>
      isRecord(entry) && 'keyFile' in entry ? { ...entry, keyFile: absolute(entry.keyFile) } : entry,
    );
  return made;
}

function nameOfSource(source: Record<string, unknown>): string | undefined {
  if (source.kind === 'archive') return nameOfVm(source.system) ?? nameOfPlace(source);
  const first: unknown = Array.isArray(source.disks) ? source.disks[0] : undefined;
  return nameOfPlace(first) ?? nameOfVm(source.vm);
}

function nameOfPlace(first: unknown): string | undefined {
  const place = isRecord(first) ? (first.path ?? first.url) : first;
  // Of a disk whose address only the worker knows there is no name.
  const told = typeof place === 'string' && !(isRecord(first) && secretRef.safeParse(first.url).success);
  return told ? vmNameFromPath(place) : undefined;
}

function nameOfVm(vm: unknown): string | undefined {
  return typeof vm === 'string' ? vmNameFromPath(vm) : undefined;
}
