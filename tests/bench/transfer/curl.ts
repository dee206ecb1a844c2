import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Extent } from '../../../activities/transfer/extents.ts';
import { run } from '../../guests/lib/run.ts';

/** What curl is to do. */
export interface CurlTask {
  args: readonly string[];
  /** Where its files go; made when it starts. */
  dir: string;
}

/** Has `curl --parallel` fetch each range into a file of its own, over so many connections. */
export async function curlTask(
  url: string,
  ranges: readonly Extent[],
  { dir, connections }: { dir: string; connections: number },
): Promise<CurlTask> {
  const configured = ranges.map(({ offset, length }, index) => [
    `url = "${url}"`,
    `range = "${offset}-${offset + length - 1}"`,
    `output = "${join(dir, String(index))}"`,
  ]);
  const path = `${dir}.curl`;
  await writeFile(path, configured.map((lines) => lines.join('\n')).join('\nnext\n'));
  const parallel = ['--parallel', '--parallel-immediate', '--parallel-max', `${connections}`];
  return { args: [...parallel, '--silent', '--fail', '--config', path], dir };
}

/** @param wrapper a command that starts it, if any @returns seconds */
export async function curl({ args, dir }: CurlTask, wrapper: readonly string[] = []): Promise<number> {
  await mkdir(dir);
  // A cold page cache is no part of the comparison.
  await run('curl', ['--version']);
  const [program = '', ...all] = [...wrapper, 'curl', ...args];
  const started = performance.now();
  await run(program, all);
  return (performance.now() - started) / 1000;
}
