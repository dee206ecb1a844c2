import { access, constants } from 'node:fs/promises';
import { Context } from '@temporalio/activity';
import { LonghaulError } from '../contracts/errors.ts';
import type { MigrationSpec } from '../contracts/spec.ts';
import type { Placement, PlacementActivities, StepContext } from '../contracts/steps.ts';
import { runActivity, type ProgressSignal } from './activity-io.ts';

/** Tries in which another host may turn out to have the image, before the operator is asked. */
const triesForImage = 3;

/** What placement needs to know of this host. */
export interface PlacementHost {
  hostId: string;
  slots: number;
  /** Steps running now. */
  running: () => number;
}

/** Placement as this host sees it: it takes a VM when a slot is free and the images lie here. */
export function createPlacementActivities(
  host: PlacementHost,
  signalProgress: ProgressSignal,
): PlacementActivities {
  return { placeVm: (ctx) => runActivity('placement', signalProgress, () => place(ctx, host)) };
}

/** Files that have to be on the host; any host can ask a web server or a cloud. */
function pathsOf(source: MigrationSpec['source']): string[] {
  if (source.kind === 'image') return source.disks.flatMap((disk) => ('path' in disk ? disk.path : []));
  return source.kind === 'archive' && source.path !== undefined ? [source.path] : [];
}

/** @throws LonghaulError HOST_NO_CAPACITY; SOURCE_NOT_FOUND, which is tried on other hosts a few times. */
async function place({ spec }: StepContext, host: PlacementHost): Promise<Placement> {
  if (host.running() >= host.slots) {
    throw new LonghaulError('HOST_NO_CAPACITY', {
      found: `all ${host.slots} slots of ${host.hostId} are busy`,
      remedy: 'It is tried again until a host has a free slot; name one in target.host to queue there.',
    });
  }
  for (const path of pathsOf(spec.source)) {
    await access(path, constants.R_OK).catch((cause: unknown) => {
      throw new LonghaulError(
        'SOURCE_NOT_FOUND',
        {
          found: `${path} does not exist on host ${host.hostId}, or its worker may not read it`,
          remedy: 'Check the path, or name the host that has the image in target.host, then retry.',
          retryable: Context.current().info.attempt < triesForImage,
        },
        cause,
      );
    });
  }
  return { hostId: host.hostId };
}
