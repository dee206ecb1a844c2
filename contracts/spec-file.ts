import { resolve } from 'node:path';
import { isMap, isPair, isScalar, LineCounter, parseAllDocuments, type Document } from 'yaml';
import { looksLikeAddress } from './disk-address.ts';
import { LonghaulError, messageOf } from './errors.ts';
import { secretRef } from './spec-atoms.ts';
import type { MigrationSpec } from './spec.ts';
import { checkSpec, placeName, type SpecProblem } from './spec-problems.ts';
import { vmNameFromPath } from './vm-name.ts';

/** More than any spec needs; a disk image given by mistake is refused instead of parsed. */
export const maxSpecLength = 1024 * 1024;
/** An alias may be used this often before the file counts as an attempt to exhaust memory. */
const maxAliases = 100;

interface Located {
  line: number;
  column: number;
  message: string;
}

/**
 * Reads a spec file in YAML 1.2 or JSON. Relative paths count from `baseDir` (absolute), the directory of the
 * file; a missing name becomes the first disk's. Throws SPEC_INVALID that lists every problem with its place
 * as `fileName:line:column`; `details.problems` holds them as `{ line, column, message }` (from 1).
 */
export function parseSpecFile(text: string, fileName: string, baseDir: string): MigrationSpec {
  const lines = new LineCounter();
  const document = parseDocument(text, fileName, lines);
  const value = toValue(document, fileName);
  const result = checkSpec(withDefaults(value, baseDir));
  if (result.ok) return result.spec;
  throw invalid(
    fileName,
    result.problems.map((problem) => locate(problem, document, lines)),
  );
}

function parseDocument(text: string, fileName: string, lines: LineCounter): Document {
  if (text.length > maxSpecLength)
    throw invalid(fileName, [
      {
        line: 1,
        column: 1,
        message: `the file has more than ${maxSpecLength} characters; a spec has at most that`,
      },
    ]);
  const documents = parseAllDocuments(text, {
    lineCounter: lines,
    uniqueKeys: true,
    prettyErrors: false,
    logLevel: 'silent',
  });
  const [document, second] = 'empty' in documents ? [] : documents;
  if (document === undefined) throw invalid(fileName, [{ line: 1, column: 1, message: 'the file is empty' }]);
  const faults = [document, ...(second === undefined ? [] : [second])].flatMap((d) => [
    ...d.errors,
    ...d.warnings,
  ]);
  if (faults.length > 0)
    throw invalid(
      fileName,
      faults.map((fault) => ({ ...position(lines, fault.pos[0]), message: oneLine(fault.message) })),
    );
  if (second !== undefined)
    throw invalid(fileName, [
      {
        ...position(lines, second.range[0]),
        message:
          'a second document begins here; a spec file holds one VM, so put this one in a file of its own',
      },
    ]);
  return document;
}

function toValue(document: Document, fileName: string): unknown {
  try {
    return document.toJS({ maxAliasCount: maxAliases });
  } catch (error) {
    throw invalid(fileName, [{ line: 1, column: 1, message: messageOf(error) }], error);
  }
}

/** Copies the value with its paths made absolute and its name filled in; shapes that are wrong stay as they are. */
function withDefaults(value: unknown, baseDir: string): unknown {
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

function locate(problem: SpecProblem, document: Document, lines: LineCounter): Located {
  const message = `${placeName(problem.path)}: ${problem.message}`;
  return { ...position(lines, offsetOf(problem, document)), message };
}

/** Where the problem's key or value begins; for what is missing, the nearest parent that is there. */
function offsetOf(problem: SpecProblem, document: Document): number {
  if (problem.atKey) {
    const parent: unknown = document.getIn(problem.path.slice(0, -1), true) ?? document.contents;
    const key = String(problem.path.at(-1));
    const pair = isMap(parent)
      ? parent.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === key)
      : undefined;
    if (pair !== undefined) return startOf(pair.key) ?? 0;
  }
  for (let depth = problem.path.length; depth > 0; depth -= 1) {
    const start = startOf(document.getIn(problem.path.slice(0, depth), true));
    if (start !== undefined) return start;
  }
  return startOf(document.contents) ?? 0;
}

function startOf(node: unknown): number | undefined {
  const range: unknown =
    typeof node === 'object' && node !== null && 'range' in node ? node.range : undefined;
  return Array.isArray(range) ? Number(range[0]) : undefined;
}

function position(lines: LineCounter, offset: number): { line: number; column: number } {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

function invalid(fileName: string, problems: Located[], cause?: unknown): LonghaulError {
  const sorted = problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
  const count = sorted.length === 1 ? 'one problem' : `${sorted.length} problems`;
  const list = sorted.map(({ line, column, message }) => `\n  ${fileName}:${line}:${column}: ${message}`);
  return new LonghaulError(
    'SPEC_INVALID',
    {
      found: `${fileName} has ${count}.${list.join('')}`,
      remedy: `Correct the file; \`longhaul spec check ${fileName}\` looks at it again without starting anything.`,
      details: { fileName, problems: sorted },
    },
    cause,
  );
}

const oneLine = (text: string) => text.replaceAll(/\s+/g, ' ').trim();

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
