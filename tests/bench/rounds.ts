import { open, readFile } from 'node:fs/promises';
import { run } from '../guests/lib/run.ts';

/** What one run of a contender cost. */
export interface Cost {
  seconds: number;
  /** Bytes that this process and its children handed to storage; proc(5), `write_bytes` of `/proc/self/io`. */
  writtenBytes: number;
}

export type Contender = () => Promise<unknown>;

/**
 * Runs the contenders one after another, `rounds` times, each from a cold page cache and with nothing left
 * to write back from the one before, and in another order every round, so that none has the better place.
 *
 * @returns the costs of every contender, in the order of the rounds.
 */
export async function inRounds<Name extends string>(
  rounds: number,
  contenders: Record<Name, Contender>,
): Promise<Record<Name, Cost[]>> {
  const names = Object.keys(contenders) as Name[];
  const costs = Object.fromEntries(names.map((name) => [name, [] as Cost[]])) as Record<Name, Cost[]>;
  for (let round = 0; round < rounds; round += 1) {
    for (const index of names.keys()) {
      const name = names[(index + round) % names.length] as Name;
      await coldCache();
      costs[name].push(await costOf(contenders[name]));
    }
  }
  return costs;
}

async function costOf(contender: Contender): Promise<Cost> {
  const before = await writtenBytes();
  const started = performance.now();
  await contender();
  const seconds = (performance.now() - started) / 1000;
  return { seconds, writtenBytes: (await writtenBytes()) - before };
}

/** Linux adds the counters of a child to its parent's when the parent has waited for it. */
async function writtenBytes(): Promise<number> {
  const [, bytes] = /^write_bytes: (\d+)$/m.exec(await readFile('/proc/self/io', 'utf8')) ?? [];
  return Number(bytes);
}

/** proc(5), `/proc/sys/vm/drop_caches`. */
async function coldCache(): Promise<void> {
  await run('sync', []);
  const file = await open('/proc/sys/vm/drop_caches', 'w');
  await file.writeFile('3');
  await file.close();
}

/** The value in the middle; of an even number of them, the mean of the two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low = NaN, high = NaN] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return (low + high) / 2;
}

/** The median of the quotients round by round: what slowed a round down slowed both. */
export function ratio(ours: readonly number[], yardstick: readonly number[]): number {
  return median(ours.map((value, round) => value / (yardstick[round] ?? NaN)));
}
