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

/** One row for each guest, and below what was done to it and what it said of itself. */
export function tableOf({ machine, guests }: Results, names: readonly string[]): string {
  const passed = guests.filter(({ outcome }) => outcome === 'passed').length;
  const of = (name: string) => guests.find(({ guest }) => guest === name);
  return [
    '# Matrix of guests',
    '',
    `${passed} of ${names.length} guests passed, ${guests.length - passed} failed, ${names.length - guests.length} did not run.`,
    '',
    'A guest passes when it shows its login prompt after the migration, has its own address on ens192, has mounted',
    'all that it mounted before, its root from its own container, volume or mirror, and none of its units failed. The',
    'containers of guests with LUKS open by the key file in their initramfs: the boot check has no keyboard.',
    '',
    ...Object.entries(machine).map(([fact, value]) => `- ${fact}: ${value}`),
    '',
    '| | Guest | Outcome | Own address | Root | Fix, s | Boot check, s | Migration, s |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...names.map((name, index) => rowOf(index, name, of(name))),
    ...names.flatMap((name, index) => detailsOf(index, of(name))),
    '',
  ].join('\n');
}

function rowOf(index: number, name: string, result: GuestResult | undefined): string {
  if (result === undefined) return row(`${index}`, name, 'did not run', '', '', '', '', '');
  const { seconds, proof, outcome } = result;
  const root = proof?.mounts.find(({ path }) => path === '/');
  return row(
    ...[`${index}`, name, outcome === 'passed' ? outcome : `**${outcome}**`],
    proof?.addresses.map(({ address }) => address).join(', ') ?? '',
    root === undefined ? '' : `${root.source} ${root.type}`,
    ...[seconds['fix'], seconds['verify-boot'], allSeconds(seconds)].map((count) => `${count ?? ''}`),
  );
}

/** Of the migration; `launch` and `inspection` are parts of `inspect`, and building the guest is none of it. */
function allSeconds(seconds: Readonly<Record<string, number>>): number {
  const steps = ['inspect', 'fix', 'convert', 'verify-boot'];
  return Math.round(steps.reduce((sum, step) => sum + (seconds[step] ?? 0), 0));
}

const row = (...cells: string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;

function detailsOf(index: number, result: GuestResult | undefined): string[] {
  if (result === undefined) return [];
  const { guest, drivers, fallbackLoader, problems, fixed, warnings, seconds, proof, heard, commit } = result;
  const traits = [
    ...(drivers === 'vmware' ? ["Its initramfs had VMware's drivers only."] : []),
    // Only GRUB's is left out: systemd-boot installs itself as the fallback, and a BIOS asks for none.
    ...(!fallbackLoader && /-uefi-/.test(guest) ? ['It had no fallback loader.'] : []),
  ];
  const times = Object.entries(seconds).map(([step, count]) => `${step} ${count}`);
  return [
    ...['', `## ${index}. ${guest}`, ''],
    [`Run from ${commit}.`, ...traits, `Seconds: ${times.join(', ')}.`].join(' '),
    ...listOf('Failed', problems),
    ...listOf('Fixed', fixed),
    ...listOf('Warnings', warnings),
    ...(proof === undefined ? [] : listOf('Its own word after the boot', wordsOf(proof, heard))),
  ];
}

function listOf(title: string, items: readonly string[]): string[] {
  if (items.length === 0) return [];
  return ['', `${title}:`, '', ...items.map((item) => `- ${item.replaceAll('\n', ' ')}`)];
}

function wordsOf({ mounts, swaps, addresses, commandLine }: Proof, heard: readonly string[]): string[] {
  return [
    ...addresses.map(({ card, address }) => `address ${address} on ${card}`),
    ...(heard.length > 0 ? [`on the wire the boot check heard ${heard.join(', ')}`] : []),
    ...mounts.map(({ path, source, type }) => `${path} from ${source}, ${type}`),
    ...swaps.map((swap) => `swap on ${swap}`),
    `kernel started with \`${commandLine}\``,
  ];
}
