import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hasErrno } from '../../contracts/errors.ts';
import type { Proof } from '../guests/matrix/proof.ts';

/** What became of one guest. */
export interface GuestResult {
  guest: string;
  /** `failed` with the reasons in `problems`. */
  outcome: 'passed' | 'failed';
  problems: string[];
  /** Day of the run, and the commit it was made from, with `+` when files differed from it. */
  date: string;
  commit: string;
  drivers: 'all' | 'vmware';
  fallbackLoader: boolean;
  /** What the fixes changed, one line for each change. */
  fixed: string[];
  warnings: string[];
  /** Seconds of the steps that take any, and of the fixes among them. */
  seconds: Record<string, number>;
  proof?: Proof;
  /** Heard on the guest's wire by the boot check. */
  heard: string[];
}

export interface Results {
  /** The machine of the last run. */
  machine: Record<string, string>;
  guests: GuestResult[];
}

/** Results kept so far; none when there is no such file. */
export async function readResults(path: string): Promise<Results> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Results;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return { machine: {}, guests: [] };
    throw error;
  }
}

/** Writes the results, and beside them the table for people. `names` are all guests, in their order. */
export async function writeResults(path: string, results: Results, names: readonly string[]): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const known = [...results.guests].sort((a, b) => names.indexOf(a.guest) - names.indexOf(b.guest));
  await writeFile(path, `${JSON.stringify({ ...results, guests: known }, null, 2)}\n`);
  await writeFile(path.replace(/\.json$/, '.md'), tableOf({ ...results, guests: known }, names));
}

function tableOf({ machine, guests }: Results, names: readonly string[]): string {
  const passed = guests.filter(({ outcome }) => outcome === 'passed').length;
  const rows = names.map((name, index) =>
    rowOf(
      index,
      name,
      guests.find(({ guest }) => guest === name),
    ),
  );
  return [
    '# Matrix of guests',
    '',
    `${passed} of ${names.length} guests passed, ${guests.length - passed} failed, ${names.length - guests.length} did not run.`,
    'A guest passes when it shows its login prompt after the migration, has its own address on ens192, has mounted',
    'all that it mounted before, and none of its units failed.',
    '',
    ...Object.entries(machine).map(([fact, value]) => `- ${fact}: ${value}`),
    '',
    '| | Guest | Outcome | Fixed | Seconds | Its own word |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

function rowOf(index: number, name: string, result: GuestResult | undefined): string {
  if (result === undefined) return `| ${index} | ${name} | did not run | | | |`;
  const traits = [
    ...(result.drivers === 'vmware' ? ['VMware drivers only'] : []),
    ...(result.fallbackLoader ? [] : ['no fallback loader']),
  ];
  const outcome = result.outcome === 'passed' ? 'passed' : `**failed**: ${result.problems.join('; ')}`;
  const times = Object.entries(result.seconds).map(([step, seconds]) => `${step} ${seconds}`);
  const cells = [
    `${name}${traits.length > 0 ? ` (${traits.join(', ')})` : ''}`,
    outcome,
    result.fixed.join('<br>'),
    times.join('<br>'),
    result.proof === undefined ? '' : wordOf(result.proof),
  ];
  return `| ${index} | ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
}

function wordOf({ mounts, swaps, addresses }: Proof): string {
  return [
    ...addresses.map(({ card, address }) => `${card} ${address}`),
    ...mounts.map(({ path, source, type }) => `${path} ${source} ${type}`),
    ...swaps.map((swap) => `swap ${swap}`),
  ].join('<br>');
}
