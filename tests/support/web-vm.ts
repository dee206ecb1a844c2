import { createSecretResolver } from '../../activities/host/secrets.ts';
import { WorkDir } from '../../activities/host/work-dir.ts';
import { createImageSource } from '../../activities/sources/image/image-source.ts';
import { createTransferPlane, type TransferPlane } from '../../activities/transfer/transfer-plane.ts';
import { migrationSpec } from '../../contracts/spec.ts';
import { testIo } from './io.ts';
import { scratchDirectory } from './scratch.ts';

const testRun = { migrationId: 'migrate-test', runId: '00000000-0000-4000-8000-000000000001' };

interface WebVmOptions {
  /** Of the worker: secrets that a spec names. */
  environment?: Readonly<Record<string, string>>;
  transfer?: TransferPlane;
  stateDir?: string;
}

/** A VM with these disks on a host of its own, and what its source says and does. */
export function webVm(disks: unknown, options: WebVmOptions = {}) {
  const { environment = {}, transfer = createTransferPlane({ connections: 4 }) } = options;
  const spec = migrationSpec.parse({ name: 'web01', source: { kind: 'image', disks } });
  const work = new WorkDir(options.stateDir ?? scratchDirectory(), testRun);
  const resolveSecret = createSecretResolver({ environment });
  const sourceOf = createImageSource({ resolveSecret, transfer, azure: {} });
  if (spec.source.kind !== 'image') throw new Error('another source');
  const request = { name: spec.name, source: spec.source, run: testRun };
  return {
    work,
    ctx: { run: testRun, spec },
    describe: () => sourceOf.describe(request, testIo()),
    acquire: (signal?: AbortSignal) => sourceOf.acquire(request, work, testIo(signal)),
    /** The same host and run, other disks. */
    amended: (others: unknown) => webVm(others, { ...options, stateDir: work.stateDir }),
  };
}
