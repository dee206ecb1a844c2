import { mkdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { convertDisk } from '../../../activities/image/convert-disk.ts';
import { WorkDir } from '../../../activities/host/work-dir.ts';
import { testSources } from '../../support/sources.ts';
import { migrationSpec } from '../../../contracts/spec.ts';
import type { StepContext } from '../../../contracts/steps.ts';
import type { AcquiredDisk } from '../../../contracts/values.ts';
import { guestDisks } from '../../guests/guests.ts';
import { run, type Say } from '../../guests/lib/run.ts';
import { testIo } from '../../support/io.ts';
import { rounded, type Figure } from '../figure.ts';
import { MiB, noiseDisk } from '../noise-disk.ts';
import { inRounds, ratio } from '../rounds.ts';

const rounds = 5;
const timeBound = 1.05;
const bytesBound = 1.02;

/** The `convertDisk` activity, with all it does, against `qemu-img convert` on the same image. */
export async function convertFigures(scratch: string, say: Say): Promise<Figure[]> {
  say('preparing a disk of 3 GiB that does not compress');
  const noise = await noiseDisk(join(scratch, 'noise.qcow2'), {
    dataBytes: 3072 * MiB,
    virtualBytes: 16384 * MiB,
  });
  const [guest = ''] = await guestDisks('debian-bios', 'vmdk-stream', say);
  const figures: Figure[] = [];
  for (const [image, what] of [
    [noise, '3 GiB of noise in qcow2'],
    [guest, 'Debian guest in streamOptimized VMDK'],
  ] as const) {
    say(`converting: ${what}, ${rounds} rounds of three`);
    figures.push(...(await convertOne(image, what, scratch)));
  }
  return figures;
}

async function convertOne(image: string, what: string, scratch: string): Promise<Figure[]> {
  const disk = await acquired(image, scratch);
  const bare = join(scratch, 'bare.qcow2');
  const source = ['-f', disk.image.format, '-O', 'qcow2', image, bare];
  let round = 0;
  const costs = await inRounds(rounds, {
    ours: () => ours(disk, image, scratch, `round${(round += 1)}`),
    bare: () => run('qemu-img', ['convert', ...source]),
    synced: async () => {
      await run('qemu-img', ['convert', ...source]);
      await run('sync', [bare]);
    },
  });
  await rm(bare);

  const seconds = (name: keyof typeof costs) => costs[name].map((cost) => cost.seconds);
  const bytes = costs.ours.map((cost) => cost.writtenBytes / disk.allocatedBytes);
  const readings = {
    ourSeconds: rounded(seconds('ours')),
    bareSeconds: rounded(seconds('bare')),
    syncedSeconds: rounded(seconds('synced')),
  };
  return [
    {
      name: `convert, time: ${what}`,
      measured: 'bare `qemu-img convert`, whose result is still in the page cache when it ends',
      value: ratio(seconds('ours'), seconds('bare')),
      unit: '×',
      bound: timeBound,
      readings,
    },
    {
      name: `convert, time: ${what}, durable`,
      measured: '`qemu-img convert` and `sync FILE`: what ours has done when it ends',
      value: ratio(seconds('ours'), seconds('synced')),
      unit: '×',
      bound: timeBound,
      readings,
    },
    {
      name: `convert, bytes written: ${what}`,
      measured: 'allocated bytes of the image',
      value: Math.max(...bytes),
      unit: '×',
      bound: bytesBound,
      readings: { ratios: bytes, allocatedBytes: [disk.allocatedBytes] },
    },
  ];
}

const disksAtOnce = 4;

/** Four disks at once, as a migration converts them, against one after the other. */
export async function parallelFigures(scratch: string, say: Say): Promise<Figure[]> {
  const [guest = ''] = await guestDisks('debian-bios', 'vmdk-stream', say);
  const disk = await acquired(guest, scratch);
  say(`converting ${disksAtOnce} compressed disks at once and one after the other, ${rounds} rounds of two`);
  const disks = Array.from({ length: disksAtOnce }, (_, index) => index);
  let round = 0;
  const costs = await inRounds(rounds, {
    together: async () => {
      round += 1;
      await Promise.all(disks.map((index) => ours(disk, guest, scratch, `together${round}-${index}`, index)));
    },
    inTurn: async () => {
      round += 1;
      for (const index of disks) await ours(disk, guest, scratch, `turn${round}-${index}`, index);
    },
  });
  const seconds = (name: keyof typeof costs) => costs[name].map((cost) => cost.seconds);
  return [
    {
      name: 'convert, four streamOptimized VMDKs at once',
      measured: 'one after the other, on the processors of this machine',
      value: ratio(seconds('together'), seconds('inTurn')),
      unit: '×',
      // 1.5 times as fast.
      bound: 0.667,
      readings: { togetherSeconds: rounded(seconds('together')), inTurnSeconds: rounded(seconds('inTurn')) },
    },
  ];
}

const specOf = (image: string) =>
  migrationSpec.parse({ name: basename(image).split('.')[0], source: { kind: 'image', disks: [image] } });

async function acquired(image: string, scratch: string): Promise<AcquiredDisk> {
  const { name, source } = specOf(image);
  const work = new WorkDir(join(scratch, 'state'), { migrationId: 'bench', runId: 'acquire' });
  const [disk] = await testSources()(source.kind).acquire({ name, source, run: work.run }, work, testIo());
  if (!disk) throw new Error(`${image} has no disk`);
  return disk;
}

/** One conversion as the worker does it: lock, identity of the source, hidden file, publishing. */
async function ours(
  disk: AcquiredDisk,
  image: string,
  scratch: string,
  runId: string,
  index = disk.index,
): Promise<void> {
  const spec = specOf(image);
  const ctx: StepContext = { spec, run: { migrationId: `bench-${spec.name}`, runId } };
  const host = { stateDir: join(scratch, 'state') };
  const directory = join(scratch, `target-${runId}`);
  await mkdir(directory);
  await convertDisk(ctx, { ...disk, index }, directory, { host, io: testIo() });
  await rm(directory, { recursive: true });
}
