import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run, type Say } from '../guests/lib/run.ts';
import { matrixGuests } from './guests.ts';
import { machineFacts, sourceCommit } from './machine-facts.ts';
import { migrateMatrixGuest, withMatrixHost } from './migrate.ts';
import { readResults, writeResults, type GuestResult, type Results } from './result.ts';

/**
 * `npm run test:matrix [NAME|NUMBER...]`: builds the guests, migrates them, boots them, and keeps what they said
 * in tests/matrix/results. Without a name, those that the day's results do not have yet as passed.
 */
const date = new Date().toISOString().slice(0, 10);
const path = join(import.meta.dirname, 'results', `${date}.json`);
const names = matrixGuests.map(({ name }) => name);

const asked = process.argv.slice(2).map((word) => matrixGuests[Number(word)]?.name ?? word);
const unknown = asked.filter((name) => !names.includes(name));
if (unknown.length > 0)
  throw new Error(`no such guest: ${unknown.join(', ')}; there are\n${names.join('\n')}`);

const results = await readResults(path);
const passed = results.guests.filter(({ outcome }) => outcome === 'passed').map(({ guest }) => guest);
const wanted = asked.length > 0 ? asked : names.filter((name) => !passed.includes(name));

const started = Date.now();
const say: Say = (line) => {
  console.error(`matrix: ${String(Math.round((Date.now() - started) / 1000)).padStart(5)} s  ${line}`);
};

const facts = await machineFacts();
const commit = await sourceCommit();
// Not below /tmp, which may be memory, nor below a home directory, where QEMU's user does not get.
const scratch = await mkdtemp('/var/tmp/longhaul-matrix-');
try {
  await run('chmod', ['0711', scratch]);
  await withMatrixHost(join(scratch, 'host'), async (host) => {
    for (const guest of matrixGuests.filter(({ name }) => wanted.includes(name))) {
      say(guest.name);
      const { result, consoleLog } = await migrateMatrixGuest(host, scratch, guest, say);
      say(`${guest.name}: ${[result.outcome, ...result.problems].join(': ')}`);
      await keep({ ...result, date, commit }, consoleLog);
    }
  });
} finally {
  await rm(scratch, { recursive: true, force: true });
}
const now = await readResults(path);
process.exitCode = now.guests.some(({ guest, outcome }) => wanted.includes(guest) && outcome === 'failed')
  ? 1
  : 0;

/** At once, so that a run that is ended can be taken up again. Console logs of failures stay beside, for people. */
async function keep(result: GuestResult, consoleLog: string | undefined): Promise<void> {
  const before: Results = await readResults(path);
  const others = before.guests.filter(({ guest }) => guest !== result.guest);
  await writeResults(path, { machine: facts, guests: [...others, result] }, names);
  if (result.outcome === 'passed' || consoleLog === undefined) return;
  const logs = join(scratch, '..', 'longhaul-matrix-logs');
  await mkdir(logs, { recursive: true });
  await writeFile(join(logs, `${result.guest}.log`), consoleLog);
  say(`its console: ${join(logs, `${result.guest}.log`)}`);
}
