import { readFileSync } from 'node:fs';
import { extract, type ExtractJob } from '../../../activities/archive/extract.ts';
import { defaultLimits } from '../../../activities/archive/limits.ts';
import { testIo } from '../../support/io.ts';

/**
 * An extraction of everything in a process of its own, to be killed or measured. Takes the archive, the directory and
 * a umask; prints how much its memory grew, in bytes.
 */
const [, , path = '', directory = '', umask = '022'] = process.argv;
process.umask(parseInt(umask, 8));

/** proc(5), `/proc/self/status`, which is in units of 1024 bytes. */
function statusBytes(key: string): number {
  const status = readFileSync('/proc/self/status', 'utf8');
  return Number(new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024;
}

const job: ExtractJob = {
  path,
  directory,
  limits: { ...defaultLimits, reserveBytes: 0 },
  purpose: 'test',
  want: () => 'write',
  digests: ['sha1', 'sha512'],
  io: testIo(),
};
const idleBytes = statusBytes('VmRSS');
await extract(job);
console.log(statusBytes('VmHWM') - idleBytes);
