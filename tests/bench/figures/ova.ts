import { mkdir, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { WorkDir } from '../../../activities/host/work-dir.ts';
import { convertDisk } from '../../../activities/image/convert-disk.ts';
import { migrationSpec } from '../../../contracts/spec.ts';
import { guestDisks } from '../../guests/guests.ts';
import { run, type Say } from '../../guests/lib/run.ts';
import { testIo } from '../../support/io.ts';
import { writeOva } from '../../support/ova.ts';
import { oneDiskOvf } from '../../support/ovf-texts.ts';
import { testSources } from '../../support/sources.ts';
import { type Figure, rounded } from '../figure.ts';
import { MiB } from '../noise-disk.ts';
import { inRounds, ratio } from '../rounds.ts';

const rounds = 5;
const copies = 4;
const timeBound = 1.1;
const bytesBound = 1.02;
const vmdk = 'web01-disk1.vmdk';

/** The disk of an OVA, compared with its manifest and converted, against `qemu-img convert` of the extracted VMDK. */
export async function ovaFigures(scratch: string, say: Say): Promise<Figure[]> {
  say('preparing an OVA of some 500 MB');
  const source = join(scratch, 'source');
  await mkdir(source);
  await streamOptimized(join(source, vmdk), scratch);
  const ova = join(scratch, 'web01.ova');
  await writeOva(ova, { directory: source, descriptor: oneDiskOvf(vmdk, 0), files: [vmdk] });
  const { size } = await stat(ova);

  say(`converting it, ${rounds} rounds of three`);
  const bare = join(scratch, 'bare.qcow2');
  const convert = () => run('qemu-img', ['convert', '-f', 'vmdk', '-O', 'qcow2', join(source, vmdk), bare]);
  let [round, targetBytes] = [0, 0];
  const costs = await inRounds(rounds, {
    ours: async () => (targetBytes = await ours(ova, scratch, `round${(round += 1)}`)),
    bare: convert,
    synced: async () => {
      await convert();
      await run('sync', [bare]);
    },
  });
  const seconds = (name: keyof typeof costs) => costs[name].map((cost) => cost.seconds);
  const bytes = costs.ours.map((cost) => cost.writtenBytes / targetBytes);
  const readings = {
    ourSeconds: rounded(seconds('ours')),
    bareSeconds: rounded(seconds('bare')),
    syncedSeconds: rounded(seconds('synced')),
    archiveBytes: [size],
  };
  const name = `OVA of ${Math.round(size / 1e6)} MB to qcow2, manifest compared`;
  return [
    {
      name: `${name}, time`,
      measured:
        '`qemu-img convert` of the extracted VMDK, nothing compared, and the result still in the page cache',
      value: ratio(seconds('ours'), seconds('bare')),
      unit: '×',
      bound: timeBound,
      readings,
    },
    {
      name: `${name}, time, durable`,
      measured: 'the same and `sync FILE`',
      value: ratio(seconds('ours'), seconds('synced')),
      unit: '×',
      bound: timeBound,
      readings,
    },
    {
      name: `${name}, bytes written`,
      measured: 'what the target disk takes',
      value: Math.max(...bytes),
      unit: '×',
      bound: bytesBound,
      readings: { ratios: bytes, targetBytes: [targetBytes] },
    },
  ];
}

/** A disk with the content of a real guest, several times over. */
async function streamOptimized(path: string, scratch: string): Promise<void> {
  const [guest = ''] = await guestDisks('debian-uefi-lvm', 'raw');
  const { size } = await stat(guest);
  const raw = join(scratch, 'disk.raw');
  await run('touch', [raw]);
  await truncate(raw, size * copies);
  for (let copy = 0; copy < copies; copy += 1)
    await run('dd', [
      `if=${guest}`,
      `of=${raw}`,
      'bs=1M',
      `seek=${(copy * size) / MiB}`,
      'conv=sparse,notrunc',
      'status=none',
    ]);
  await run('qemu-img', ['convert', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=streamOptimized', raw, path]);
  await rm(raw);
}

/** One run as the worker does it. @returns bytes that the target takes */
async function ours(ova: string, scratch: string, runId: string): Promise<number> {
  const spec = migrationSpec.parse({ name: 'web01', source: { kind: 'archive', path: ova } });
  const ctx = { spec, run: { migrationId: 'bench-ova', runId } };
  const host = { stateDir: join(scratch, 'state') };
  const work = new WorkDir(host.stateDir, ctx.run);
  const request = { name: spec.name, source: spec.source, run: ctx.run };
  const [disk] = await testSources()(spec.source.kind).acquire(request, work, testIo());
  if (!disk) throw new Error('the OVA has no disk');
  const directory = join(scratch, `target-${runId}`);
  await mkdir(directory);
  const { allocatedBytes } = await convertDisk(ctx, disk, directory, { host, io: testIo() });
  await rm(directory, { recursive: true });
  return allocatedBytes;
}
