import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createSecretResolver } from '../../activities/host/secrets.ts';
import type { StepIo } from '../../activities/host/step-io.ts';
import { WorkDir } from '../../activities/host/work-dir.ts';
import { convertDisk } from '../../activities/image/convert-disk.ts';
import { createArchiveSource } from '../../activities/sources/archive/archive-source.ts';
import { createTransferPlane, type TransferPlane } from '../../activities/transfer/transfer-plane.ts';
import { migrationSpec } from '../../contracts/spec.ts';
import type { AcquiredDisk } from '../../contracts/values.ts';
import { testIo } from './io.ts';
import { scratchDirectory } from './scratch.ts';
import { testRun } from './sources.ts';

interface ArchiveVmOptions {
  /** Of the worker: secrets that a spec names. */
  environment?: Readonly<Record<string, string>>;
  transfer?: TransferPlane;
  stateDir?: string;
}

/** A VM in an archive on a host of its own, and what its source says and does. */
export function archiveVm(source: object, options: ArchiveVmOptions = {}) {
  const { environment = {}, transfer = createTransferPlane({ connections: 4 }) } = options;
  const spec = migrationSpec.parse({ name: 'web01', source: { kind: 'archive', ...source } });
  if (spec.source.kind !== 'archive') throw new Error('another source');
  const work = new WorkDir(options.stateDir ?? scratchDirectory(), testRun);
  const resolveSecret = createSecretResolver({ environment });
  const sourceOf = createArchiveSource({ resolveSecret, transfer, azure: {} });
  const request = { name: spec.name, source: spec.source, run: testRun };
  const ctx = { run: testRun, spec };
  const target = join(work.stateDir, 'target');
  return {
    work,
    ctx,
    /** Copies acquired disks to where they are to be, as the step after next does. */
    convert: async (disks: readonly AcquiredDisk[]) => {
      await mkdir(target, { recursive: true });
      for (const disk of disks)
        await convertDisk(ctx, disk, target, { host: { stateDir: work.stateDir }, io: testIo() });
      return target;
    },
    target,
    describe: () => sourceOf.describe(request, testIo()),
    acquire: (signal?: AbortSignal, io: Partial<StepIo> = {}) =>
      sourceOf.acquire(request, work, { ...testIo(signal), ...io }),
    /** The same host and run, another wish. */
    amended: (more: object) => archiveVm({ ...source, ...more }, { ...options, stateDir: work.stateDir }),
  };
}
