/** Prints the path of the Temporal CLI, fetching it into the cache when it must: setup.sh calls this. */
import { LonghaulError } from '../contracts/errors.ts';
import { findTemporalBinary } from '../workers/embedded/temporal-binary.ts';
import { resolveEmbeddedOptions } from '../workers/options.ts';

try {
  const { path } = await findTemporalBinary({
    ...resolveEmbeddedOptions(),
    say: (what) => console.error(`setup: ${what}`),
  });
  console.log(path);
} catch (error) {
  if (!(error instanceof LonghaulError)) throw error;
  console.error(`setup: ${error.message}\nsetup: ${error.remedy}`);
  process.exitCode = 1;
}
