import { LonghaulError } from '../../../contracts/errors.ts';
import type { AcquiredDisk } from '../../../contracts/values.ts';
import type { StepIo } from '../../host/step-io.ts';
import type { WorkDir } from '../../host/work-dir.ts';
import type { SourceDeps, SourceRequest } from '../source.ts';

export function acquireDisks(
  request: SourceRequest<'azure'>,
  _work: WorkDir,
  _deps: SourceDeps,
  _io: StepIo,
): Promise<AcquiredDisk[]> {
  throw new LonghaulError('SOURCE_NOT_FOUND', { found: request.source.vm, remedy: 'Not yet.' });
}
