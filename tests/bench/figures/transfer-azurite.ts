import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { freezeRequest } from '../../../activities/sources/azure/acquire.ts';
import { snapshotDisks } from '../../../activities/sources/azure/snapshots.ts';
import { chunksOf } from '../../../activities/transfer/extents.ts';
import { createTransferPlane } from '../../../activities/transfer/transfer-plane.ts';
import { run, type Say } from '../../guests/lib/run.ts';
import type { Azure } from '../../simulators/azure/azure.ts';
import { azureDeps } from '../../support/azure.ts';
import { migrationOf, startTrustedAzure } from '../../support/azure-site.ts';
import { testIo } from '../../support/io.ts';
import { rounded, type Figure } from '../figure.ts';
import { inRounds, median, ratio } from '../rounds.ts';
import { curl, curlTask } from '../transfer/curl.ts';
import { chunkBytes, connections } from '../transfer/downloading.ts';
import { scatteredDisk, type ScatteredDisk } from '../transfer/scattered-disk.ts';

const GiB = 1024 ** 3;
const rounds = 3;

/** A disk from Azurite itself, which is slower than what fetches from it. The simulator runs in the same process. */
export async function transferAzuriteFigures(scratch: string, say: Say): Promise<Figure[]> {
  const disk = await scatteredDisk(join(scratch, 'original.raw'), 8 * GiB);
  const azure = await startTrustedAzure({ blobEndpoint: 'azurite' });
  try {
    say('putting the disk into Azurite');
    const vm = await azure.addVm({
      name: 'bench',
      resourceGroup: 'Shop',
      powerState: 'stopped',
      disks: [{ sizeBytes: disk.sizeBytes, content: { file: disk.path } }],
    });
    say(`downloading ${disk.extents.length} extents from Azurite, ${rounds} rounds of two`);
    return [await measured(azure, vm.name, disk, scratch)];
  } finally {
    await azure.close();
  }
}

async function measured(azure: Azure, vm: string, disk: ScatteredDisk, scratch: string): Promise<Figure> {
  const dir = join(scratch, 'files');
  const stateDir = join(scratch, 'state');
  const transfer = createTransferPlane({ connections });
  const ranges = chunksOf(disk.extents, disk.sizeBytes, chunkBytes);
  const args = await curlTask(await signedAddress(azure, vm, stateDir), ranges, {
    dir,
    connections,
    caPath: azure.caPath,
  });
  const seconds = { ours: [] as number[], curl: [] as number[] };
  await inRounds(rounds, {
    ours: async () => {
      const migration = migrationOf(azure, vm, {}, { stateDir, transfer });
      const [acquired] = await migration.acquire(testIo());
      await run('cmp', ['--silent', disk.path, acquired?.image.path ?? '']);
      seconds.ours.push(acquired?.transfer?.seconds ?? NaN);
      await migration.release(testIo());
      await rm(migration.work.root, { recursive: true });
    },
    curl: async () => {
      seconds.curl.push(await curl(args));
      await rm(dir, { recursive: true });
      await mkdir(dir);
    },
  });
  const speeds = seconds.ours.map((each) => disk.dataBytes / each / 1e6);
  return {
    name: 'download from Azurite: a tenth of 8 GiB',
    measured: `\`curl --parallel\` with the same ranges; ${median(speeds).toFixed(0)} MB/s, which is what Azurite gives`,
    value: ratio(seconds.ours, seconds.curl),
    unit: '×',
    readings: {
      ourSeconds: rounded(seconds.ours),
      curlSeconds: rounded(seconds.curl),
      megabytesPerSecond: rounded(speeds),
    },
  };
}

/** Of a snapshot of the VM's disk. */
async function signedAddress(azure: Azure, vm: string, stateDir: string): Promise<string> {
  const { request, work } = migrationOf(azure, vm, {}, { stateDir });
  const deps = { ...azureDeps(azure), transfer: createTransferPlane({ connections }) };
  const io = testIo();
  const [frozen] = await snapshotDisks(await freezeRequest(request, work, deps, io));
  if (!frozen) throw new Error('the VM has no disk');
  return (await frozen.grant(4 * 3600, io.signal)).href;
}
