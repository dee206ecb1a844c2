import { run } from '../guests/lib/run.ts';
import { hostFacts, versionOf } from '../support/machine-facts.ts';

/** What the figures of a run depend on. */
export async function machineFacts(): Promise<Record<string, string>> {
  return { ...(await hostFacts()), qemu: await versionOf('qemu-system-x86_64'), node: process.version };
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
