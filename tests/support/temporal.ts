import { resolveEmbeddedOptions } from '../../workers/options.ts';
import { findTemporalBinary } from '../../workers/embedded/temporal-binary.ts';

let found: Promise<string> | undefined;

/** Path of the Temporal CLI that setup.sh put in place. */
export function temporalBinary(): Promise<string> {
  found ??= findTemporalBinary(resolveEmbeddedOptions()).then(({ path }) => path);
  return found;
}
