import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasErrno } from '../../contracts/errors.ts';
import { run } from '../guests/lib/run.ts';
import { machineFacts } from '../support/machine-facts.ts';
import { tableOf, type Figure } from './figure.ts';
import { batchFigures, largeBareFigures, largeBatchFigures, onEmbeddedServer } from './figures/batch.ts';
import { batchPostgresFigures } from './figures/batch-postgres.ts';
import { conversionFigures } from './figures/conversion.ts';
import { controlPlaneFigures } from './figures/control-plane.ts';
import { convertFigures, parallelFigures } from './figures/convert.ts';
import { extractFigures } from './figures/extract.ts';
import { gateFigures } from './figures/gate.ts';
import { inventoryFigures } from './figures/inventory.ts';
import { memoryFigures } from './figures/memory.ts';
import { migrationFigures, ovaMigrationFigures } from './figures/migration.ts';
import { ovaFigures } from './figures/ova.ts';
import { transferFigures } from './figures/transfer.ts';
import { transferAzuriteFigures } from './figures/transfer-azurite.ts';
import { transferLinkFigures } from './figures/transfer-link.ts';
import { transferPoolFigures } from './figures/transfer-pool.ts';

/**
 * `npm run bench [GROUP...]`: measures, prints a table, and keeps it with the others of the day in
 * tests/bench/results.
 */
const groups = {
  batch: (scratch, say) => batchFigures(say, onEmbeddedServer(scratch)),
  'batch-large': (scratch, say) => largeBatchFigures(say, onEmbeddedServer(scratch)),
  'batch-large-bare': (scratch, say) => largeBareFigures(say, onEmbeddedServer(scratch)),
  'batch-postgres': (_scratch, say) => batchPostgresFigures(say),
  'control-plane': (_scratch, say) => controlPlaneFigures(say),
  convert: convertFigures,
  conversion: conversionFigures,
  extract: extractFigures,
  gate: (_scratch, say) => gateFigures(say),
  inventory: (_scratch, say) => inventoryFigures(say),
  memory: memoryFigures,
  parallel: parallelFigures,
  migration: migrationFigures,
  ova: ovaFigures,
  'ova-migration': ovaMigrationFigures,
  transfer: transferFigures,
  'transfer-azurite': transferAzuriteFigures,
  'transfer-link': transferLinkFigures,
  'transfer-pool': transferPoolFigures,
} satisfies Record<string, (scratch: string, say: (line: string) => void) => Promise<Figure[]>>;

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in groups));
if (unknown.length > 0)
  throw new Error(`no such group: ${unknown.join(', ')}; ${Object.keys(groups).join(', ')}`);

const started = Date.now();
const say = (line: string) => {
  console.error(`bench: ${String(Math.round((Date.now() - started) / 1000)).padStart(5)} s  ${line}`);
};

const facts = await machineFacts(['qemu-img', 'virt-v2v', 'curl', 'tar']);
// Not below /tmp, which may be memory, nor below a home directory, where QEMU's user does not get.
const scratch = await mkdtemp('/var/tmp/longhaul-bench-');
const figures: Figure[] = [];
try {
  for (const [name, measure] of Object.entries(groups)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const directory = join(scratch, name);
    await mkdir(directory);
    await run('chmod', ['0711', scratch, directory]);
    figures.push(...(await measure(directory, say)));
    await rm(directory, { recursive: true });
  }
} finally {
  await rm(scratch, { recursive: true, force: true });
}

console.log(tableOf(figures));
const results = join(import.meta.dirname, 'results');
const day = join(results, facts['date'] ?? '');
// Groups may be measured one after another: those of a day stand together, each measured last.
const kept = [
  ...(await figuresIn(`${day}.json`)).filter(({ name }) => !figures.some((each) => each.name === name)),
  ...figures,
];
const facets = Object.entries(facts).map(([fact, value]) => `- ${fact}: ${value}`);
await mkdir(results, { recursive: true });
await writeFile(
  `${day}.md`,
  [`# Bench of ${facts['date'] ?? ''}`, '', ...facets, '', tableOf(kept), ''].join('\n'),
);
await writeFile(`${day}.json`, `${JSON.stringify({ facts, figures: kept }, null, 2)}\n`);
process.exitCode = figures.some(({ value, bound }) => bound !== undefined && value > bound) ? 1 : 0;

async function figuresIn(path: string): Promise<Figure[]> {
  try {
    return (JSON.parse(await readFile(path, 'utf8')) as { figures: Figure[] }).figures;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw error;
  }
}
