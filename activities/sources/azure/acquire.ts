import type { AcquiredDisk } from '../../../contracts/values.ts';
import { sideBySide } from '../../host/side-by-side.ts';
import type { StepIo } from '../../host/step-io.ts';
import type { WorkDir } from '../../host/work-dir.ts';
import { openDisk } from '../../image/open-disk.ts';
import { type FetchedDisk, fetchDisk, fetchedDisk } from '../../transfer/fetched-disk.ts';
import { Room } from '../../transfer/room.ts';
import type { SourceDeps, SourceRequest } from '../source.ts';
import { connectAzure } from './connect.ts';
import { freezeDisks } from './freeze.ts';
import { readMade } from './made.ts';
import { openSnapshot } from './snapshot-source.ts';
import type { FreezeRequest } from './snapshots.ts';

/** The service gives a digest with a range of at most 4 MiB. */
const chunkBytes = 4 * 1024 ** 2;

/**
 * Freezes the disks of a VM and fetches what they hold. What an earlier attempt froze is taken up, what it fetched
 * is not fetched again; when all is here, Azure is not asked at all.
 */
export async function acquireDisks(
  request: SourceRequest<'azure'>,
  work: WorkDir,
  deps: SourceDeps,
  io: StepIo,
): Promise<AcquiredDisk[]> {
  const here = await allFetched(work);
  if (here) return opened(here, io);

  const frozen = await freezeDisks(await freezeRequest(request, work, deps, io));
  const { dispatcher } = deps.transfer;
  const options = fetchOptions(request, deps);
  const fetched = await sideBySide(frozen, io, (disk, own) =>
    fetchDisk({
      ...options,
      work,
      index: disk.index,
      name: disk.name,
      identity: disk.id,
      open: () => openSnapshot(disk, dispatcher, own.signal),
      io: own,
    }),
  );
  return opened(fetched, io);
}

/** Connects, and reads the VM. */
export async function freezeRequest(
  { source, run }: SourceRequest<'azure'>,
  work: WorkDir,
  deps: SourceDeps,
  io: StepIo,
): Promise<FreezeRequest> {
  const azure = await connectAzure(source, deps, io);
  const compute = await azure.compute(source.subscription);
  const vm = await azure.ask(`read the VM ${source.vm}`, () =>
    compute.virtualMachines.get(source.resourceGroup, source.vm),
  );
  return { azure, compute, source, run, vm, work, io };
}

/** How the disks of a request are fetched: all of them under the same limits, into the same room. */
export function fetchOptions(request: SourceRequest<'azure'>, { transfer }: SourceDeps) {
  const limits = [...transfer.limits, ...(request.limits ?? [])];
  return { connections: transfer.connections, chunkBytes, limits, room: new Room() };
}

/** All disks, when they are here as they were frozen together. */
async function allFetched(work: WorkDir): Promise<FetchedDisk[] | undefined> {
  const { frozen } = await readMade(work);
  if (frozen === undefined) return undefined;
  const found = await Promise.all(frozen.map((_, index) => fetchedDisk(work, index)));
  const whole = found.filter((disk, index) => disk?.transfer.identity === frozen[index]?.id);
  return whole.length === frozen.length ? whole.filter((disk) => disk !== undefined) : undefined;
}

/** What was fetched is raw, whatever a guest wrote into its first sector. */
export function opened(disks: readonly FetchedDisk[], { signal }: StepIo): Promise<AcquiredDisk[]> {
  return Promise.all(
    disks.map(async ({ path, transfer }, index) => ({
      ...(await openDisk(index, { path, format: 'raw' }, signal)),
      transfer,
    })),
  );
}
