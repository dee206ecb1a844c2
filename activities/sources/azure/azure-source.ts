import type { Source, SourceDeps } from '../source.ts';
import { acquireDisks } from './acquire.ts';
import { describeVm } from './describe.ts';
import { resyncDisks } from './resync.ts';
import { releaseVm } from './release.ts';

/** VMs of Azure. Their disks are fetched from snapshots, which are gone afterwards. */
export function createAzureSource(deps: SourceDeps): Source<'azure'> {
  return {
    kind: 'azure',
    describe: (request, io) => describeVm(request, deps, io),
    acquire: (request, work, io) => acquireDisks(request, work, deps, io),
    resync: (request, work, round, io) => resyncDisks(request, work, round, deps, io),
    release: (request, work, wishes, io) => releaseVm(request, work, wishes, deps, io),
  };
}
