import { rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { extract } from '../../../activities/archive/extract.ts';
import { defaultLimits } from '../../../activities/archive/limits.ts';
import { guestDisks } from '../../guests/guests.ts';
import { run, type Say } from '../../guests/lib/run.ts';
import { testIo } from '../../support/io.ts';
import { type Figure, rounded } from '../figure.ts';
import { inRounds, ratio } from '../rounds.ts';

const rounds = 3;
/** 0.9 times the speed. */
const timeBound = 1.11;
const memoryBound = 150;

const extractProcess = fileURLToPath(
  new URL('../../integration/archive/extract-process.ts', import.meta.url),
);

/** Extracting a disk, with digest, holes and sync, against `tar x`. */
export async function extractFigures(scratch: string, say: Say): Promise<Figure[]> {
  const [guest = ''] = await guestDisks('debian-bios', 'raw', say);
  const figures: Figure[] = [];
  // What is in the guest, without its holes.
  const dense = join(scratch, 'dense.raw');
  await run('tar', ['-Scf', dense, '-C', dirname(guest), basename(guest)]);
  for (const [disk, what] of [
    [guest, 'Debian guest of 3 GiB'],
    [dense, 'data without holes'],
  ] as const)
    for (const [kind, option] of [
      ['tar.gz', '-z'],
      ['tar.zst', '--zstd'],
    ] as const) {
      const archive = join(scratch, `disk.${kind}`);
      say(`extracting ${what} from ${kind}, ${rounds} rounds of three`);
      await run('tar', [option, '-cf', archive, '-C', dirname(disk), basename(disk)]);
      figures.push(...(await extractOne(archive, basename(disk), `${kind}, ${what}`, scratch)));
      await rm(archive);
    }
  return figures;
}

async function extractOne(archive: string, name: string, what: string, scratch: string): Promise<Figure[]> {
  const ours = join(scratch, 'ours');
  const theirs = join(scratch, 'theirs');
  await run('mkdir', ['-p', theirs]);
  const untar = () => run('tar', ['-xf', archive, '-C', theirs]);
  const costs = await inRounds(rounds, {
    ours: async () => {
      await rm(ours, { recursive: true, force: true });
      const job = { path: archive, directory: ours, limits: defaultLimits, purpose: 'bench' };
      await extract({ ...job, want: () => 'write', io: testIo() });
    },
    tar: untar,
    synced: async () => {
      await untar();
      await run('sync', [join(theirs, name)]);
    },
  });
  await rm(ours, { recursive: true });
  const { stdout } = await run(process.execPath, [extractProcess, archive, ours]);
  for (const path of [ours, theirs]) await rm(path, { recursive: true });

  const seconds = (name: keyof typeof costs) => costs[name].map((cost) => cost.seconds);
  const readings = {
    ourSeconds: rounded(seconds('ours')),
    tarSeconds: rounded(seconds('tar')),
    syncedSeconds: rounded(seconds('synced')),
  };
  return [
    {
      name: `extraction, time: ${what}`,
      measured: '`tar xf`, whose result is still in the page cache when it ends',
      value: ratio(seconds('ours'), seconds('tar')),
      unit: '×',
      bound: timeBound,
      readings,
    },
    {
      name: `extraction, time: ${what}, durable`,
      measured: '`tar xf` and `sync FILE`: what ours has done when it ends, and SHA-256 besides',
      value: ratio(seconds('ours'), seconds('synced')),
      unit: '×',
      bound: timeBound,
      readings,
    },
    {
      name: `extraction, memory over idle: ${what}`,
      measured: 'highest resident set of a process that extracts, with three digests',
      value: Number(stdout) / 1e6,
      unit: 'MB',
      bound: memoryBound,
      readings: {},
    },
  ];
}
