import { withFileLock } from '../../host/file-lock.ts';
import type { StepIo } from '../../host/step-io.ts';
import type { WorkDir } from '../../host/work-dir.ts';
import type { Source, SourceDeps } from '../source.ts';
import { acquireDisks } from './acquire.ts';
import { describeVm } from './describe.ts';
import { isNoted } from './made.ts';
import { resyncDisks } from './resync.ts';
import { releaseAbandonedVm, releaseVm } from './release.ts';

/** VMs of Azure. Their disks are fetched from snapshots, which are gone afterwards. */
export function createAzureSource(deps: SourceDeps): Source<'azure'> {
  return {
    kind: 'azure',
    describe: (request, io) => describeVm(request, deps, io),
    acquire: (request, work, io) => alone(work, io, () => acquireDisks(request, work, deps, io)),
    resync: (request, work, round, io) => alone(work, io, () => resyncDisks(request, work, round, deps, io)),
    releaseAbandoned: async (work, end, io) =>
      (await isNoted(work)) && alone(work, io, () => releaseAbandonedVm(work, end, deps, io)),
    release: (request, work, wishes, io) => alone(work, io, () => releaseVm(request, work, wishes, deps, io)),
  };
}

/** Two attempts at once would make, note and remove the same things in Azure. @throws LonghaulError WORK_LOCKED */
function alone<T>(work: WorkDir, { signal }: StepIo, body: () => Promise<T>): Promise<T> {
  return withFileLock(work.lock('azure'), signal, body);
}
