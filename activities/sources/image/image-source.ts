import type { ImageSourceSpec } from '../../../contracts/spec.ts';
import { LonghaulError } from '../../../contracts/errors.ts';
import type { AcquiredDisk, SourceVm } from '../../../contracts/values.ts';
import type { StepIo } from '../../host/step-io.ts';
import { openDisk } from '../../image/open-disk.ts';
import type { Source, SourceDeps, SourceRequest } from '../source.ts';
import { describeWebDisks } from './describe-web-disks.ts';
import { fetchDisks } from './fetch-disks.ts';
import { generatedMac } from '../mac.ts';
import type { WebDiskSpec } from '../web-disk.ts';

/** Disk images: on this host, where they are opened in place and never written to, or on web servers. */
export function createImageSource(deps: SourceDeps): Source<'image'> {
  return {
    kind: 'image',

    async describe(request, io) {
      const disks = await openDisks(request.source, io);
      return { vm: vmOf(request), disks, ...(await describeWebDisks(webDisksOf(request.source), deps, io)) };
    },

    async acquire({ source, limits }, work, io) {
      const here = await openDisks(source, io);
      const fetched = await fetchDisks(webDisksOf(source), { work, deps, limits, io });
      return [...here, ...fetched].sort((a, b) => a.index - b.index);
    },
  };
}

function vmOf({ name, source }: SourceRequest<'image'>): SourceVm {
  const nics = source.nics.map((nic, index) => ({
    mac: nic.mac ?? generatedMac(name, index),
    network: nic.network,
  }));
  return {
    name,
    nics,
    ...(source.cpus === undefined ? {} : { cpus: source.cpus }),
    ...(source.memoryMiB === undefined ? {} : { memoryMiB: source.memoryMiB }),
  };
}

const formatOf = (disk: ImageSourceSpec['disks'][number]) => ('format' in disk ? disk.format : undefined);

function webDisksOf({ disks }: ImageSourceSpec): WebDiskSpec[] {
  return disks.flatMap((disk, index) =>
    'url' in disk ? [{ index, url: disk.url, format: formatOf(disk) }] : [],
  );
}

/** Those that lie on this host. @throws LonghaulError SPEC_INVALID, of those elsewhere too; what `openDisk` throws */
async function openDisks(source: ImageSourceSpec, io: StepIo): Promise<AcquiredDisk[]> {
  const disks: AcquiredDisk[] = [];
  const ownerOf = new Map<string, number>();
  const claim = (what: string, index: number) => {
    const first = ownerOf.get(what);
    if (first !== undefined)
      throw new LonghaulError('SPEC_INVALID', {
        found: `disks ${first + 1} and ${index + 1} are the same file, ${what}`,
        remedy: 'Name each disk of the VM once.',
      });
    ownerOf.set(what, index);
  };
  for (const [index, disk] of source.disks.entries()) {
    if ('url' in disk) {
      claim(disk.url, index);
      continue;
    }
    io.report(`reading the headers of ${disk.path}`);
    const opened = await openDisk(index, { path: disk.path, format: formatOf(disk) }, io.signal);
    claim(opened.image.path, index);
    disks.push(opened);
  }
  return disks;
}
