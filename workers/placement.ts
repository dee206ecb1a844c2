import { access, constants, stat } from 'node:fs/promises';
import { Context } from '@temporalio/activity';
import { deviceOf, describeBytes, freeSpace } from '../activities/host/space.ts';
import { LonghaulError, messageOf } from '../contracts/errors.ts';
import { lacking, namedLabels } from '../contracts/labels.ts';
import type { MigrationSpec } from '../contracts/spec.ts';
import type {
  Placement,
  PlacementActivities,
  PlacementWishes,
  StepContext,
  StepProgress,
} from '../contracts/steps.ts';
import { runActivity, type ProgressSignal } from './activity-io.ts';
import type { PlacedVms } from './placed-vms.ts';
import { earlierTries, fitsLater, leaveToNextTry, mayBeElsewhere } from './placement-tries.ts';

/** What placement needs to know of this host. */
export interface PlacementHost {
  hostId: string;
  labels: readonly string[];
  slots: number;
  /** Where disks go when a spec does not say. */
  targetDirectory: string;
  /** Steps running now. */
  running: () => number;
  isDrained: () => boolean;
  placed: PlacedVms;
}

/** Placement as this host sees it: it takes a VM when it may, a slot is free, and images and room are here. */
export function createPlacementActivities(
  host: PlacementHost,
  signalProgress: ProgressSignal,
): PlacementActivities {
  return {
    placeVm: (ctx, wishes = {}) =>
      runActivity(
        'placement',
        signalProgress,
        async () => {
          try {
            return await place(ctx, wishes, host);
          } catch (error) {
            const said = { step: 'placement' as const, doing: waiting(error) };
            await sayWhy(error, said, signalProgress);
            leaveToNextTry(error, said);
            throw error;
          }
        },
        earlierTries(),
      ),
  };
}

/**
 * @throws LonghaulError HOST_UNSUITABLE, HOST_NO_CAPACITY; SOURCE_NOT_FOUND and SPACE_INSUFFICIENT, which are tried on
 *   other hosts a few times, and for as long as there are some that are only busy.
 */
async function place(
  { run, spec }: StepContext,
  { avoid, onlyLook = false }: PlacementWishes,
  host: PlacementHost,
): Promise<Placement> {
  refuseUnsuitable(spec, avoid, host);
  const imageBytes = await readableBytes(spec, host);
  const room = onlyLook ? undefined : await roomFor(spec, imageBytes, host);
  // From here on without a pause: two VMs that come at once must not both get the last slot.
  if (host.placed.isPlaced(run)) return { hostId: host.hostId };
  refuseFull(room, host);
  if (room === undefined) return { hostId: host.hostId };
  refuseCramped(room, host);
  host.placed.place(run, room.device, room.neededBytes);
  return { hostId: host.hostId };
}

function refuseUnsuitable(
  { target }: MigrationSpec,
  avoid: string | undefined,
  { hostId, labels, isDrained }: PlacementHost,
) {
  const missing = lacking(target.labels ?? [], labels);
  if (missing.length > 0)
    throw new LonghaulError('HOST_UNSUITABLE', {
      found: `${hostId} does not have ${namedLabels(missing)}`,
      remedy: 'It is tried on other hosts. `longhaul host list` shows the labels that hosts have.',
    });
  if (avoid === hostId)
    throw new LonghaulError('HOST_UNSUITABLE', {
      found: `the migration was taken from ${hostId}`,
      remedy: 'It is tried on other hosts; `longhaul reassign` with --host names one.',
    });
  if (isDrained())
    throw new LonghaulError('HOST_NO_CAPACITY', {
      found: `${hostId} is drained`,
      remedy: `It is tried on other hosts; \`longhaul host undrain ${hostId}\` lets it take VMs again.`,
    });
}

function refuseFull(room: Room | undefined, { hostId, slots, running, placed }: PlacementHost): void {
  const [busy, waiting] = [running(), placed.waiting];
  if (busy + waiting < slots) return;
  const taken = waiting === 0 ? 'are busy' : `are taken (${busy} busy, ${waiting} by VMs that begin)`;
  throw new LonghaulError('HOST_NO_CAPACITY', {
    found: `all ${slots} slots of ${hostId} ${taken}`,
    remedy: 'It is tried again until a host has a free slot; name one in target.host to queue there.',
    ...(room === undefined || room.neededBytes <= room.freeBytes ? { details: fitsLater } : {}),
  });
}

/** Files that have to be on the host; any host can ask a web server or a cloud. */
function pathsOf(source: MigrationSpec['source']): string[] {
  if (source.kind === 'image') return source.disks.flatMap((disk) => ('path' in disk ? disk.path : []));
  return source.kind === 'archive' && source.path !== undefined ? [source.path] : [];
}

/** Bytes that the VM's files on this host take: about what its disks will. Of what lies elsewhere preflight tells. */
async function readableBytes({ source }: MigrationSpec, { hostId }: PlacementHost): Promise<number> {
  let bytes = 0;
  for (const path of pathsOf(source)) {
    try {
      await access(path, constants.R_OK);
      bytes += (await stat(path)).blocks * 512;
    } catch (cause) {
      throw new LonghaulError(
        'SOURCE_NOT_FOUND',
        {
          found: `${path} does not exist on host ${hostId}, or its worker may not read it`,
          remedy: 'Check the path, or name the host that has the image in target.host, then retry.',
          retryable: mayBeElsewhere(),
        },
        cause,
      );
    }
  }
  return bytes;
}

interface Room {
  directory: string;
  device: number;
  neededBytes: number;
  freeBytes: number;
}

/** Where the disks go; of a storage pool only libvirt knows, which preflight asks. */
async function roomFor({ target }: MigrationSpec, neededBytes: number, host: PlacementHost): Promise<Room> {
  const directory = target.directory ?? host.targetDirectory;
  const { freeBytes } = target.pool === undefined ? await freeSpace(directory) : { freeBytes: Infinity };
  return { directory, device: await deviceOf(directory), neededBytes, freeBytes };
}

function refuseCramped({ directory, device, neededBytes, freeBytes }: Room, host: PlacementHost): void {
  const promised = host.placed.promised(device);
  if (neededBytes <= freeBytes - promised.bytes) return;
  const lacks = `${host.hostId} has ${describeBytes(freeBytes)} free in ${directory}`;
  const needs = `the VM may need ${describeBytes(neededBytes)}`;
  if (neededBytes <= freeBytes)
    throw new LonghaulError('HOST_NO_CAPACITY', {
      found: `${lacks}, ${describeBytes(promised.bytes)} of it for ${promised.vms} VMs that were placed before, and ${needs}`,
      remedy: 'It is tried again, on other hosts too, until there is room.',
      details: fitsLater,
    });
  throw new LonghaulError('SPACE_INSUFFICIENT', {
    found: `${lacks}, and ${needs}`,
    remedy: `Free ${describeBytes(neededBytes - freeBytes)} there, or name another directory or host, then retry.`,
    retryable: mayBeElsewhere(),
  });
}

/** Tells the migration why it waits, ever more rarely: each word is an event in its history. */
async function sayWhy(error: unknown, said: StepProgress, signalProgress: ProgressSignal): Promise<void> {
  const { info, log } = Context.current();
  const { attempt, workflowExecution } = info;
  if (!(error instanceof LonghaulError) || !error.retryable || !isPowerOfThree(attempt) || !workflowExecution)
    return;
  const { workflowId, runId } = workflowExecution;
  await signalProgress(workflowId, runId, said).catch((reason: unknown) => {
    log.debug('progress signal was not delivered', { reason: messageOf(reason) });
  });
}

const waiting = (error: unknown) =>
  `waits for a host: ${error instanceof LonghaulError ? error.found : messageOf(error)}`;

/** From 3 on. */
function isPowerOfThree(attempt: number): boolean {
  return attempt === 3 || (attempt > 3 && attempt % 3 === 0 && isPowerOfThree(attempt / 3));
}
