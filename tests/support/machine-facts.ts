import { readFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { run } from '../guests/lib/run.ts';

/** First line of what a program says to `--version`. */
export async function versionOf(program: string): Promise<string> {
  return (await run(program, ['--version'])).stdout.split('\n')[0] ?? '';
}

/** What a measurement depends on besides the programs. */
export async function hostFacts(): Promise<Record<string, string>> {
  const [, os = ''] = /PRETTY_NAME="(.*)"/.exec(await readFile('/etc/os-release', 'utf8')) ?? [];
  return {
    processor: `${availableParallelism()} × ${cpus()[0]?.model ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 1024 ** 3)} GiB`,
    system: `${os}, Linux ${release()}`,
    'load before': loadavg()[0]?.toFixed(2) ?? '',
    acceleration: 'TCG',
  };
}

/** What a measurement depends on: the machine, and the versions of the programs. */
export async function machineFacts(programs: readonly string[]): Promise<Record<string, string>> {
  const versions = programs.map(async (program) => [program, await versionOf(program)] as const);
  return {
    date: new Date().toISOString().slice(0, 10),
    ...(await hostFacts()),
    ...Object.fromEntries(await Promise.all(versions)),
    node: process.version,
  };
}
