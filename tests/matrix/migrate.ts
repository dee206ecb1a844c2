import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../contracts/errors.ts';
import type { MigrationReport } from '../../contracts/steps.ts';
import type { Say } from '../guests/lib/run.ts';
import { buildMatrixGuest } from '../guests/matrix/build.ts';
import { isEncrypted, luksPassphrase, type MatrixGuest } from '../guests/matrix/guest.ts';
import { readProof } from '../guests/matrix/proof.ts';
import { LonghaulHost } from '../support/longhaul-host.ts';
import { problemsOf } from './judge.ts';
import type { GuestResult } from './result.ts';

export async function withMatrixHost(
  directory: string,
  work: (host: LonghaulHost) => Promise<void>,
): Promise<void> {
  const host = await LonghaulHost.start(directory);
  try {
    await work(host);
  } finally {
    await host.stop();
  }
}

export interface Migrated {
  result: Omit<GuestResult, 'date' | 'commit'>;
  /** What the guest said on its serial port when it was booted. */
  consoleLog?: string;
}

/** Builds a guest, migrates it by the command line, and judges what came of it. Nothing of it stays behind. */
export async function migrateMatrixGuest(
  host: LonghaulHost,
  scratch: string,
  guest: MatrixGuest,
  say: Say,
): Promise<Migrated> {
  const dir = join(scratch, 'guest');
  const { name, drivers, fallbackLoader } = guest;
  const about = { guest: name, drivers, fallbackLoader };
  await mkdir(dir, { mode: 0o711 });
  try {
    const started = performance.now();
    const images = await buildMatrixGuest(dir, guest, say);
    const build = Math.round((performance.now() - started) / 1000);
    say('migrating');
    const report = await migrated(host, dir, guest, images);
    const consoleLog = await host.consoleLog(report);
    await host.remove(name, { failed: report.status !== 'completed' });
    const result = { ...about, ...outcomeOf(guest, report, consoleLog, build) };
    return { result, ...(consoleLog === undefined ? {} : { consoleLog }) };
  } catch (error) {
    const nothing = { fixed: [], warnings: [], seconds: {}, heard: [] };
    return { result: { ...about, ...nothing, outcome: 'failed', problems: [messageOf(error)] } };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function migrated(
  host: LonghaulHost,
  dir: string,
  guest: MatrixGuest,
  images: readonly string[],
): Promise<MigrationReport> {
  const options = ['--memory', '1G', '--cpus', '1', '--mac', '52:54:00:12:34:56@default'];
  if (isEncrypted(guest)) {
    const keyFile = join(dir, 'key');
    await writeFile(keyFile, luksPassphrase, { mode: 0o600 });
    options.push('--set', `guest.luksKeys=[{key: "file:${keyFile}"}]`);
  }
  return host.migrate(guest.name, images, options, [1, 4]);
}

function outcomeOf(
  guest: MatrixGuest,
  report: MigrationReport,
  consoleLog: string | undefined,
  build: number,
): Omit<Migrated['result'], 'guest' | 'drivers' | 'fallbackLoader'> {
  const proof = consoleLog === undefined ? undefined : readProof(consoleLog);
  const problems = report.failure === undefined ? problemsOf(guest, report, proof) : [report.failure.message];
  // A run that failed may leave no report of the worker's own, but a view without these.
  const { fixes = [], facts, boot } = report as Partial<MigrationReport>;
  return {
    outcome: problems.length === 0 ? 'passed' : 'failed',
    problems,
    fixed: fixes.flatMap(({ fix, changes }) => changes.map(({ path, what }) => `${fix}: ${path}: ${what}`)),
    warnings: [...(facts?.warnings ?? []), ...fixes.flatMap(({ warnings }) => warnings)],
    seconds: { build, ...secondsOf(report) },
    ...(proof === undefined ? {} : { proof }),
    heard: boot?.addresses.map(({ address }) => address) ?? [],
  };
}

/** Wall-clock seconds of the steps that do something, and of what the appliance took to start. */
function secondsOf({ steps, facts }: MigrationReport): Record<string, number> {
  const seconds: Record<string, number> = {};
  for (const { name, state } of steps) {
    if (!['inspect', 'fix', 'convert', 'verify-boot'].includes(name)) continue;
    if (state.status !== 'done' && state.status !== 'failed') continue;
    seconds[name] = Math.round((Date.parse(state.endedAt) - Date.parse(state.startedAt)) / 100) / 10;
  }
  return facts === undefined
    ? seconds
    : { ...seconds, launch: facts.timings.launchSeconds, inspection: facts.timings.inspectSeconds };
}
