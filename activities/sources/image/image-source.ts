import type { ImageSourceSpec } from '../../../contracts/spec.ts';
import { LonghaulError } from '../../../contracts/errors.ts';
import type { AcquiredDisk, SourceVm } from '../../../contracts/values.ts';
import type { StepIo } from '../../host/step-io.ts';
import { openDisk } from '../../image/open-disk.ts';
import type { Source, SourceRequest } from '../source.ts';
import { generatedMac } from '../mac.ts';

/** Disk images on this host. They are opened in place and never written to. */
export const imageSource: Source<'image'> = {
  kind: 'image',

  async describe(request, io) {
    return { vm: vmOf(request), disks: await openDisks(request.source, io) };
  },

  acquire(request, _work, io) {
    return openDisks(request.source, io);
  },
};

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

async function openDisks(source: ImageSourceSpec, io: StepIo): Promise<AcquiredDisk[]> {
  const disks: AcquiredDisk[] = [];
  const ownerOf = new Map<string, number>();
  for (const [index, disk] of source.disks.entries()) {
    io.report(`reading the headers of ${disk.path}`);
    const opened = await openDisk(index, disk, io.signal);
    const top = opened.image.path;
    const first = ownerOf.get(top);
    if (first !== undefined)
      throw new LonghaulError('SPEC_INVALID', {
        found: `disks ${first + 1} and ${index + 1} are the same file, ${top}`,
        remedy: 'Name each disk of the VM once.',
      });
    ownerOf.set(top, index);
    disks.push(opened);
  }
  return disks;
}
