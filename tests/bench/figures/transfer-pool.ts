import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Say } from '../../guests/lib/run.ts';
import { makeCertificates } from '../../simulators/azure/certificates.ts';
import { rounded, type Figure } from '../figure.ts';
import { MiB } from '../noise-disk.ts';
import { inRounds, ratio } from '../rounds.ts';
import { BlobServer } from '../transfer/blob-server.ts';
import { farAway } from '../transfer/delay.ts';
import { connections, downloadInProcess, taskOf } from '../transfer/downloading.ts';
import { scatteredDisk } from '../transfer/scattered-disk.ts';

const rounds = 5;
const disks = 10;

/** Ten small disks at once over TLS with round trips of 20 ms: one pool for all, against a connection per request. */
export async function transferPoolFigures(scratch: string, say: Say): Promise<Figure[]> {
  const certificates = makeCertificates(scratch);
  const here = { address: '127.0.0.1' };
  const server = await BlobServer.start(join(scratch, 'server'), here, certificates);
  try {
    const far = await farAway(server, here);
    try {
      return await measured({ server, far: far.authority, caPath: certificates.caPath, scratch, say });
    } finally {
      await far.stop();
    }
  } finally {
    await server.stop();
  }
}

interface Setup {
  server: BlobServer;
  /** Address and port of the server, far away. */
  far: string;
  caPath: string;
  scratch: string;
  say: Say;
}

async function measured({ server, far, caPath, scratch, say }: Setup): Promise<Figure[]> {
  const disk = await scatteredDisk(join(server.root, 'disk.raw'), 128 * MiB);
  const dir = join(scratch, 'disks');
  const tasks = Array.from({ length: disks }, (_, index) =>
    taskOf(disk, `https://${far}/disk.raw`, join(dir, `disk${index}`)),
  );
  const task = { disks: tasks.flatMap((each) => each.disks), connections };
  const seconds = { pooled: [] as number[], single: [] as number[] };
  const sockets = { pooled: [] as number[], single: [] as number[] };
  const contender = (name: keyof typeof seconds) => async () => {
    await mkdir(dir);
    await server.traffic();
    const connectionPerRequest = name === 'single';
    const env = { NODE_EXTRA_CA_CERTS: caPath };
    seconds[name].push((await downloadInProcess({ ...task, connectionPerRequest }, { env })).seconds);
    sockets[name].push((await server.traffic()).connections);
    await rm(dir, { recursive: true });
  };
  say(`downloading ${disks} small disks at once, ${rounds} rounds of two`);
  await inRounds(rounds, { pooled: contender('pooled'), single: contender('single') });

  return [
    {
      name: `download of ${disks} disks at once, connections`,
      measured: `all that the server saw; ${connections} are configured`,
      value: Math.max(...sockets.pooled),
      unit: 'sockets',
      bound: connections,
      readings: { pooled: sockets.pooled, perRequest: sockets.single },
    },
    {
      name: `download of ${disks} disks at once, time with the shared pool`,
      measured: 'a connection for each request, as many at once; TLS, round trips of 20 ms',
      value: ratio(seconds.pooled, seconds.single),
      unit: '×',
      readings: { pooledSeconds: rounded(seconds.pooled), perRequestSeconds: rounded(seconds.single) },
    },
  ];
}
