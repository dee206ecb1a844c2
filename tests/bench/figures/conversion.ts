import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { convertWithLonghaul, convertWithV2v, overlayOn } from '../../differential/conversion.ts';
import { guestDisks, type GuestName } from '../../guests/guests.ts';
import { run, type Say } from '../../guests/lib/run.ts';
import { rounded, type Figure } from '../figure.ts';
import { inRounds, median, ratio } from '../rounds.ts';

/** virt-v2v rebuilds the initramfs of every guest under emulation: a quarter of an hour. */
const rounds = 2;
const inspectionBound = 3;

/** Making a guest fit for KVM: the appliance from its launch to everything unmounted, against virt-v2v-in-place. */
export async function conversionFigures(scratch: string, say: Say): Promise<Figure[]> {
  return [
    ...(await conversion(scratch, 'debian-bios', 'virtio present', 0.1, say)),
    ...(await conversion(scratch, 'debian-bios-novirtio', 'virtio missing', 0.6, say)),
  ];
}

async function conversion(
  scratch: string,
  guest: GuestName,
  what: string,
  bound: number,
  say: Say,
): Promise<Figure[]> {
  const [disk = ''] = await guestDisks(guest, 'raw', say);
  const dir = join(scratch, guest);
  await mkdir(dir);
  const inspections: number[] = [];
  const launches: number[] = [];
  const ours = async () => {
    const overlay = await overlayOn(disk, join(dir, 'ours.qcow2'));
    const { facts } = await convertWithLonghaul(guest, overlay);
    inspections.push(facts.timings.inspectSeconds);
    launches.push(facts.timings.launchSeconds);
    await rm(overlay);
  };
  const v2v = async () => {
    const overlay = await overlayOn(disk, join(dir, 'v2v.qcow2'));
    await convertWithV2v(overlay, () => undefined);
    await rm(overlay);
  };
  // The appliance of libguestfs is built at its first use.
  await ours();
  inspections.length = 0;
  launches.length = 0;
  say(`conversion of ${guest}, ${rounds} rounds of two; virt-v2v-in-place takes minutes`);
  const costs = await inRounds(rounds, { ours, v2v });
  const seconds = (contender: keyof typeof costs) => costs[contender].map((cost) => cost.seconds);
  await run('rmdir', [dir]);
  return [
    {
      name: `conversion of a Debian guest, ${what}`,
      measured: '`virt-v2v-in-place` on the same disk, both emulated, launch to unmount',
      value: ratio(seconds('ours'), seconds('v2v')),
      unit: '×',
      bound,
      readings: {
        ourSeconds: rounded(seconds('ours')),
        virtV2vSeconds: rounded(seconds('v2v')),
        launchSeconds: rounded(launches),
      },
    },
    {
      name: `inspection of a Debian guest, ${what}`,
      measured: 'after the launch of the appliance, emulated',
      value: median(inspections),
      unit: 's',
      bound: inspectionBound,
      readings: { inspectSeconds: rounded(inspections) },
    },
  ];
}
