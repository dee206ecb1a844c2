import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { guestDisks } from '../../guests/guests.ts';
import type { Say } from '../../guests/lib/run.ts';
import { LonghaulHost } from '../../support/longhaul-host.ts';
import { rounded, type Figure } from '../figure.ts';
import { MiB, noiseDisk } from '../noise-disk.ts';

const bound = 250;
const name = 'longhaul-bench-memory';
/** The data disk beside the guest's own: what grows is its data, and its size. */
const disks = [
  { what: '128 MiB of data on 1 GiB', dataBytes: 128 * MiB, virtualBytes: 1024 * MiB },
  { what: '4 GiB of data on 8 TiB', dataBytes: 4096 * MiB, virtualBytes: 8 * MiB * MiB },
];

/** Resident memory of the worker above what it has when it idles, at its highest during a migration. */
export async function memoryFigures(scratch: string, say: Say): Promise<Figure[]> {
  const [guest = ''] = await guestDisks('debian-bios', 'qcow2', say);
  const figures: Figure[] = [];
  for (const { what, ...size } of disks) {
    say(`memory of the worker: a data disk with ${what}`);
    const data = await noiseDisk(join(scratch, 'memory.qcow2'), size);
    const host = await LonghaulHost.start(join(scratch, 'host'));
    try {
      await sleep(5_000);
      const idle = await residentMb(host.pid);
      const samples = await whileRunning(host.migrate(name, [guest, data], ['--no-verify-boot']), () =>
        residentMb(host.pid),
      );
      await host.remove(name);
      const peak = Math.max(...samples);
      figures.push({
        name: `worker memory over idle: ${what}`,
        measured: 'its resident set before the migration; highest of ten samples a second',
        value: peak - idle,
        unit: 'MB',
        bound,
        readings: { idleMb: rounded([idle]), peakMb: rounded([peak]), samples: [samples.length] },
      });
    } finally {
      await host.stop();
    }
  }
  return figures;
}

/** Samples ten times a second until the work has ended. */
async function whileRunning(work: Promise<unknown>, sample: () => Promise<number>): Promise<number[]> {
  const ended = new AbortController();
  const finished = work.finally(() => ended.abort());
  const samples: number[] = [];
  while (!ended.signal.aborted) {
    samples.push(await sample());
    await sleep(100);
  }
  await finished;
  return samples;
}

/** proc(5), `VmRSS`, which is in units of 1024 bytes. @returns MB of a million bytes. */
async function residentMb(pid: number): Promise<number> {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
  return (Number(kib) * 1024) / 1e6;
}
