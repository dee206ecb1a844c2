import { extract, type ExtractJob } from '../../../activities/archive/extract.ts';
import { defaultLimits } from '../../../activities/archive/limits.ts';
import { testIo } from '../../support/io.ts';
import { peakResidentBytes, residentBytes } from '../../support/resident.ts';

/**
 * An extraction of everything in a process of its own, to be killed or measured. Takes the archive, the directory and
 * a umask; prints how much its memory grew, in bytes.
 */
const [, , path = '', directory = '', umask = '022'] = process.argv;
process.umask(parseInt(umask, 8));

const job: ExtractJob = {
  path,
  directory,
  limits: { ...defaultLimits, reserveBytes: 0 },
  purpose: 'test',
  want: () => 'write',
  digests: ['sha1', 'sha512'],
  io: testIo(),
};
const idleBytes = residentBytes();
await extract(job);
console.log(peakResidentBytes() - idleBytes);
