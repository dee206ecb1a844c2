import { readFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { run } from '../guests/lib/run.ts';

/** What the figures of a run depend on. */
export async function machineFacts(): Promise<Record<string, string>> {
  const firstLine = async (program: string, args: string[]) =>
    (await run(program, args)).stdout.split('\n')[0] ?? '';
  const [, os = ''] = /PRETTY_NAME="(.*)"/.exec(await readFile('/etc/os-release', 'utf8')) ?? [];
  return {
    processor: `${availableParallelism()} × ${cpus()[0]?.model ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 1024 ** 3)} GiB`,
    system: `${os}, Linux ${release()}`,
    'load before': loadavg()[0]?.toFixed(2) ?? '',
    acceleration: 'TCG',
    qemu: await firstLine('qemu-system-x86_64', ['--version']),
    node: process.version,
  };
}

/** The commit that is tried, with a `+` when the checkout differs from it in more than the results. */
export async function sourceCommit(): Promise<string> {
  const git = (...args: string[]) => run('git', ['-C', import.meta.dirname, ...args]);
  const { stdout: head } = await git('rev-parse', '--short=12', 'HEAD');
  const { stdout: changed } = await git(
    ...['status', '--porcelain', '--untracked-files=no', '--', ':/', ':(top,exclude)tests/matrix/results'],
  );
  return `${head.trim()}${changed === '' ? '' : '+'}`;
}
