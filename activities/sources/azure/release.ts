import type { StepIo } from '../../host/step-io.ts';
import type { WorkDir } from '../../host/work-dir.ts';
import type { SourceDeps, SourceRequest } from '../source.ts';

export function releaseVm(
  _request: SourceRequest<'azure'>,
  _work: WorkDir,
  _wishes: { restart: boolean },
  _deps: SourceDeps,
  _io: StepIo,
): Promise<void> {
  return Promise.resolve();
}
