import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { extract, type ExtractJob, type Extracted } from '../../../activities/archive/extract.ts';
import { defaultLimits } from '../../../activities/archive/limits.ts';
import { testIo } from '../../support/io.ts';

/** Extracts everything; of archives and what is compressed, what is inside. */
export function extractAll(
  path: string,
  directory: string,
  job: Partial<ExtractJob> = {},
): Promise<Extracted> {
  return extract({
    path,
    directory,
    limits: { ...defaultLimits, reserveBytes: 0 },
    purpose: 'test',
    want: ({ kind }) => (kind.container === 'none' && kind.compression === 'none' ? 'write' : 'unpack'),
    io: testIo(),
    ...job,
  });
}

/** SHA-256 of the files that were written, by name. */
export function writtenFiles({ members }: Extracted): Record<string, string> {
  return Object.fromEntries(members.flatMap(({ name, file }) => (file ? [[name, file.sha256]] : [])));
}

export async function sha256Of(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}
