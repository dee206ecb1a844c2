import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { chunksOf } from '../../../activities/transfer/extents.ts';
import { run, type Say } from '../../guests/lib/run.ts';
import { rounded, type Figure } from '../figure.ts';
import { inRounds, median, ratio } from '../rounds.ts';
import { BlobServer } from '../transfer/blob-server.ts';
import { curl, curlTask } from '../transfer/curl.ts';
import {
  chunkBytes,
  connections,
  type DownloadCost,
  downloadInProcess,
  taskOf,
} from '../transfer/downloading.ts';
import { scatteredDisk, type ScatteredDisk } from '../transfer/scattered-disk.ts';

const GiB = 1024 ** 3;
const rounds = 5;

/** Downloading a tenth of a disk from a server beside us, against `curl --parallel` with the same ranges. */
export async function transferFigures(scratch: string, say: Say): Promise<Figure[]> {
  const server = await BlobServer.start(join(scratch, 'server'), { address: '127.0.0.1' });
  try {
    const disk = await scatteredDisk(join(server.root, 'disk.raw'), 8 * GiB);
    say(`downloading ${disk.extents.length} extents, ${rounds} rounds of three`);
    return await measured(disk, server, scratch);
  } finally {
    await server.stop();
  }
}

async function measured(disk: ScatteredDisk, server: BlobServer, scratch: string): Promise<Figure[]> {
  const url = `${server.origin}/disk.raw`;
  const dir = join(scratch, 'files');
  const ranges = chunksOf(disk.extents, disk.sizeBytes, chunkBytes);
  const fetchFiles = await curlTask(url, ranges, { dir, connections });
  const path = join(scratch, 'disk.raw');
  const costs: DownloadCost[] = [];
  const bytes: number[] = [];
  const seconds = { bare: [] as number[], synced: [] as number[] };

  await server.traffic();
  await inRounds(rounds, {
    ours: async () => {
      costs.push(await downloadInProcess(taskOf(disk, url, path)));
      bytes.push((await server.traffic()).bytes);
      await sameBytes(join(server.root, 'disk.raw'), path);
      await rm(path);
      await rm(`${path}.journal`);
    },
    bare: async () => {
      seconds.bare.push(await curl(fetchFiles));
      await server.traffic();
      await emptied(dir);
    },
    synced: async () => {
      const fetched = await curl(fetchFiles);
      const started = performance.now();
      await run('sync', ['--file-system', dir]);
      seconds.synced.push(fetched + (performance.now() - started) / 1000);
      await server.traffic();
      await emptied(dir);
    },
  });

  const ours = costs.map((cost) => cost.seconds);
  const memory = costs.map(({ idleMb, peakMb }) => peakMb - idleMb);
  const cpu = costs.map(({ cpuSeconds }) => cpuSeconds / (disk.dataBytes / GiB));
  const readings = {
    ourSeconds: rounded(ours),
    curlSeconds: rounded(seconds.bare),
    syncedSeconds: rounded(seconds.synced),
  };
  const what = 'a tenth of 8 GiB';
  return [
    {
      name: `download, bytes over the wire: ${what}`,
      measured: 'allocated bytes; requests and heads included, as the server counts them',
      value: Math.max(...bytes) / disk.dataBytes,
      unit: '×',
      bound: 1.02,
      readings: { bytes, dataBytes: [disk.dataBytes] },
    },
    {
      name: `download, time: ${what}`,
      measured:
        '`curl --parallel` with the same ranges into files, which are still in the page cache when it ends',
      value: ratio(ours, seconds.bare),
      unit: '×',
      bound: 1.1,
      readings,
    },
    {
      name: `download, time: ${what}, durable`,
      measured:
        '`curl --parallel` with the same ranges into files, and `sync`: what ours has done when it ends',
      value: ratio(ours, seconds.synced),
      unit: '×',
      bound: 1.1,
      readings,
    },
    {
      name: 'download, processor time of each GiB',
      measured: 'user and system time of all threads, digests and journal included',
      value: median(cpu),
      unit: 's',
      readings: { cpuSeconds: rounded(cpu) },
    },
    {
      name: 'download, memory over idle',
      measured: 'highest resident set of the process above what it has before, at full speed',
      value: Math.max(...memory),
      unit: 'MB',
      bound: 200,
      readings: { overIdleMb: rounded(memory), idleMb: rounded(costs.map(({ idleMb }) => idleMb)) },
    },
  ];
}

/** What was downloaded is the disk, byte for byte; a figure of anything else says nothing. */
async function sameBytes(disk: string, copy: string): Promise<void> {
  await run('cmp', ['--silent', disk, copy]);
}

async function emptied(dir: string): Promise<void> {
  await rm(dir, { recursive: true });
  await mkdir(dir);
}
