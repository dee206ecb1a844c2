import { LonghaulError } from '../../../contracts/errors.ts';
import type { StepIo } from '../../host/step-io.ts';
import type { Described, SourceDeps, SourceRequest } from '../source.ts';

export function describeVm(
  request: SourceRequest<'azure'>,
  _deps: SourceDeps,
  _io: StepIo,
): Promise<Described> {
  throw new LonghaulError('SOURCE_NOT_FOUND', { found: request.source.vm, remedy: 'Not yet.' });
}
