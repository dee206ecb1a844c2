import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run, type Say } from '../../guests/lib/run.ts';
import { rounded, type Figure } from '../figure.ts';
import { inRounds, median, ratio } from '../rounds.ts';
import { BlobServer } from '../transfer/blob-server.ts';
import { curl } from '../transfer/curl.ts';
import { farAway } from '../transfer/delay.ts';
import { downloadInProcess, taskOf } from '../transfer/downloading.ts';
import { Link } from '../transfer/link.ts';
import { scatteredDisk, type ScatteredDisk } from '../transfer/scattered-disk.ts';

const GiB = 1024 ** 3;
const rounds = 5;

/** Downloading a tenth of a disk over 1 Gbit/s with round trips of 20 ms, against what the link carries. */
export async function transferLinkFigures(scratch: string, say: Say): Promise<Figure[]> {
  const link = await Link.start();
  try {
    const server = await BlobServer.start(join(scratch, 'server'), link.server);
    try {
      const disk = await scatteredDisk(join(server.root, 'disk.raw'), 8 * GiB);
      const far = await farAway(server, link.server);
      try {
        return await measured(disk, { server, link, far: `http://${far.authority}/disk.raw`, scratch, say });
      } finally {
        await far.stop();
      }
    } finally {
      await server.stop();
    }
  } finally {
    await link.stop();
  }
}

interface Setup {
  server: BlobServer;
  link: Link;
  /** Address of the disk, far away. */
  far: string;
  scratch: string;
  say: Say;
}

async function measured(disk: ScatteredDisk, { server, link, far, scratch, say }: Setup): Promise<Figure[]> {
  const { wrapper } = link.client;
  const path = join(scratch, 'disk.raw');
  const streams = await fromNearby(`${server.origin}/disk.raw`, disk.dataBytes, scratch);
  const seconds = { ours: [] as number[], link: [] as number[] };
  say(`downloading ${disk.extents.length} extents over a link, ${rounds} rounds of two`);
  await inRounds(rounds, {
    ours: async () => {
      seconds.ours.push((await downloadInProcess(taskOf(disk, far, path), { wrapper })).seconds);
      await run('cmp', ['--silent', disk.path, path]);
      await rm(path);
      await rm(`${path}.journal`);
    },
    link: async () => {
      seconds.link.push(await curl(streams, wrapper));
    },
  });
  say('downloading the whole disk with one request');
  const whole = await curl(['--output', '/dev/null', far], wrapper);

  const megabits = (all: readonly number[]) => rounded(all.map((each) => (disk.dataBytes * 8) / each / 1e6));
  const readings = {
    ourSeconds: rounded(seconds.ours),
    linkSeconds: rounded(seconds.link),
    ourMegabits: megabits(seconds.ours),
    linkMegabits: megabits(seconds.link),
    wholeSeconds: rounded([whole]),
  };
  return [
    {
      name: 'download over 1 Gbit/s with round trips of 20 ms, time: a tenth of 8 GiB',
      measured: 'as many bytes in four streams without the round trips, thrown away: what the link carries',
      value: ratio(seconds.ours, seconds.link),
      unit: '×',
      // 0.95 of the link.
      bound: 1.053,
      readings,
    },
    {
      name: 'download over 1 Gbit/s with round trips of 20 ms, against the whole disk',
      measured: '`curl` with one request for all 8 GiB, thrown away, once',
      value: median(seconds.ours) / whole,
      unit: '×',
      bound: 0.125,
      readings,
    },
  ];
}

/** What fills a link best: few long streams. @returns arguments of curl */
async function fromNearby(url: string, bytes: number, scratch: string): Promise<string[]> {
  const part = bytes / 4;
  const streams = [0, 1, 2, 3].map((index) => [
    `url = "${url}"`,
    `range = "${index * part}-${(index + 1) * part - 1}"`,
    'output = "/dev/null"',
  ]);
  const path = join(scratch, 'streams.curl');
  await writeFile(path, streams.map((lines) => lines.join('\n')).join('\nnext\n'));
  return ['--parallel', '--parallel-immediate', '--config', path];
}
