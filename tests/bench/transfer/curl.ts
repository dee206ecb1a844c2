import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Extent } from '../../../activities/transfer/extents.ts';
import { run } from '../../guests/lib/run.ts';

/** Has `curl --parallel` fetch each range into a file of its own, over so many connections. @returns its arguments */
export async function curlTask(
  url: string,
  ranges: readonly Extent[],
  { dir, connections, caPath }: { dir: string; connections: number; caPath?: string },
): Promise<string[]> {
  const configured = ranges.map(({ offset, length }, index) => [
    `url = "${url}"`,
    `range = "${offset}-${offset + length - 1}"`,
    `output = "${join(dir, String(index))}"`,
    ...(caPath === undefined ? [] : [`cacert = "${caPath}"`]),
  ]);
  const path = `${dir}.curl`;
  await writeFile(path, configured.map((lines) => lines.join('\n')).join('\nnext\n'));
  await mkdir(dir, { recursive: true });
  return ['--parallel', '--parallel-immediate', '--parallel-max', `${connections}`, '--config', path];
}

/** @param wrapper a command that starts it, if any @returns seconds */
export async function curl(args: readonly string[], wrapper: readonly string[] = []): Promise<number> {
  // A cold page cache is no part of the comparison.
  await run('curl', ['--version']);
  const [program = '', ...all] = [...wrapper, 'curl', '--silent', '--fail', ...args];
  const started = performance.now();
  await run(program, all);
  return (performance.now() - started) / 1000;
}
