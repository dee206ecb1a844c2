import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasErrno } from '../../contracts/errors.ts';
import { hostFacts } from '../support/machine-facts.ts';

type Facts = Readonly<Record<string, unknown>>;

/** Keeps what a test of a site measured with the others of the day, in tests/site/results. */
export async function keepResult(title: string, facts: Facts): Promise<void> {
  const results = join(import.meta.dirname, 'results');
  const date = new Date().toISOString().slice(0, 10);
  const path = join(results, `${date}.json`);
  const kept = { ...(await readResults(path)), [title]: facts };
  await mkdir(results, { recursive: true });
  await writeFile(path, `${JSON.stringify(kept, null, 2)}\n`);
  const machine = { ...(await hostFacts()), node: process.version };
  const sections = Object.entries(kept).flatMap(([name, each]) => [`## ${name}`, '', ...listOf(each), '']);
  await writeFile(
    path.replace(/\.json$/, '.md'),
    [`# Site of ${date}`, '', ...listOf(machine), '', ...sections].join('\n'),
  );
}

const listOf = (facts: Facts) =>
  Object.entries(facts).map(
    ([fact, value]) => `- ${fact}: ${Array.isArray(value) ? value.join(', ') : String(value)}`,
  );

async function readResults(path: string): Promise<Record<string, Facts>> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Record<string, Facts>;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return {};
    throw error;
  }
}
