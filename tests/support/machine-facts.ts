import { readFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { run } from '../guests/lib/run.ts';

/** What a measurement depends on: the machine, and the versions of the programs, first lines of `--version`. */
export async function machineFacts(programs: readonly string[]): Promise<Record<string, string>> {
  const [, os = ''] = /PRETTY_NAME="(.*)"/.exec(await readFile('/etc/os-release', 'utf8')) ?? [];
  const versions = programs.map(
    async (program) => [program, (await run(program, ['--version'])).stdout.split('\n')[0] ?? ''] as const,
  );
  return {
    date: new Date().toISOString().slice(0, 10),
    processor: `${availableParallelism()} × ${cpus()[0]?.model ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 1024 ** 3)} GiB`,
    system: `${os}, Linux ${release()}`,
    'load before': loadavg()[0]?.toFixed(2) ?? '',
    acceleration: 'TCG',
    ...Object.fromEntries(await Promise.all(versions)),
    node: process.version,
  };
}
