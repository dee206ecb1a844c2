import { info } from '../../../contracts/findings.ts';
import type { ArchiveSourceSpec } from '../../../contracts/spec.ts';
import { kindBytes, kindOfHead } from '../../archive/kinds.ts';
import { ArchiveBudget, type ArchiveLimits } from '../../archive/limits.ts';
import { RandomReader } from '../../archive/random-reader.ts';
import { indexOf } from '../../archive/tar-index.ts';
import type { StepIo } from '../../host/step-io.ts';
import type { SourceDeps } from '../source.ts';
import { WebDisk } from '../web-disk.ts';
import type { ArchiveDescription } from './archive-source.ts';
import { looseDisks } from './loose-disks.ts';
import { toUnpack } from './ovf-disks.ts';
import { openPackage } from './ovf-package.ts';
import { tarPackage } from './package-files.ts';
import { WebBytes } from './web-bytes.ts';

/**
 * What can be known of an archive on a web server by reading here and there in it: all that a descriptor says, the
 * headers of disks. Of what is compressed nothing is known before it was fetched.
 *
 * @throws LonghaulError as `openPackage` and `looseDisks` do, TRANSFER_*, SECRET_UNRESOLVED
 */
export async function describeWebArchive(
  source: ArchiveSourceSpec,
  url: string,
  { deps, limits, io }: { deps: SourceDeps; limits: ArchiveLimits; io: StepIo },
): Promise<ArchiveDescription> {
  io.report('asking for the archive on a web server');
  const archive = await WebDisk.of(url, deps);
  const remote = await archive.open(io.signal);
  const bytes = new WebBytes(remote, io.signal);
  const input = new RandomReader(bytes);
  const { name, sizeBytes } = remote;
  const { findings } = archive;
  if (kindOfHead(await input.peek(kindBytes)).container === 'tar') {
    const index = await indexOf(name, input, new ArchiveBudget(name, sizeBytes, limits), io.signal);
    const files = await tarPackage(name, index, (file, count) =>
      bytes.at(file.window?.offset ?? 0, Math.min(count, file.sizeBytes)),
    );
    if (files !== undefined) {
      const pack = await openPackage(files, source);
      const remoteDisks = pack.disks.map(toUnpack);
      return { vm: pack.vm, remoteDisks, findings: [...findings, ...pack.findings] };
    }
    const loose = await looseDisks(name, index.members, source.disks, (member, count) =>
      bytes.at(member.dataOffset, Math.min(count, member.sizeBytes)),
    );
    if (loose !== undefined) {
      const remoteDisks = loose.disks.map(({ index, member, virtualSizeBytes }) => ({
        index,
        name: `${name}: ${member.name}`,
        virtualSizeBytes,
      }));
      return { remoteDisks, findings: [...findings, ...loose.findings] };
    }
  }
  const unknown = info(
    'known-once-fetched',
    `what is in ${name} is known once it was fetched and unpacked`,
    'CPUs, memory and network cards are taken from the spec.',
  );
  const remoteDisks = [{ index: 0, name, virtualSizeBytes: sizeBytes }];
  return { remoteDisks, findings: [...findings, unknown] };
}
