import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import type { StepIo } from '../../activities/host/step-io.ts';
import { WorkDir } from '../../activities/host/work-dir.ts';
import type { SourceRequest } from '../../activities/sources/source.ts';
import { RateLimit } from '../../activities/transfer/rate-limit.ts';
import type { TransferPlane } from '../../activities/transfer/transfer-plane.ts';
import type { AzureSourceSpec } from '../../contracts/spec.ts';
import type { ReleaseWishes } from '../../contracts/steps.ts';
import type { RunRef } from '../../contracts/values.ts';
import { startAzure, type Azure } from '../simulators/azure/azure.ts';
import type { AzureOptions } from '../simulators/azure/settings.ts';
import { azureSpec, optionsOf } from './azure.ts';
import { scratchDirectory } from './scratch.ts';
import { testSources } from './sources.ts';

const mebibyte = 1024 ** 2;
const group = 'Shop';

/** Azure with this process trusting it, as NODE_EXTRA_CA_CERTS would make it. */
export async function startTrustedAzure(options: AzureOptions = {}): Promise<Azure> {
  const azure = await startAzure(options);
  setDefaultCACertificates([...getCACertificates('default'), azure.ca.toString()]);
  return azure;
}

/** Content with data here and there, and what a disk of it must read as. */
function scattered(sizeBytes: number, extents: readonly [offset: number, length: number][]) {
  const whole = Buffer.alloc(sizeBytes);
  const parts = extents.map(([offset, length]) => {
    const data = randomBytes(length);
    data.copy(whole, offset);
    return { offset, data };
  });
  return { content: { extents: parts }, sha256: createHash('sha256').update(whole).digest('hex') };
}

export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
  return hash.digest('hex');
}

/** A VM of two disks that is switched off: 24 MiB with a hole and a ragged end, and 8 MiB with little in it. */
export async function addShop(azure: Azure, name = `web-${randomUUID().slice(0, 8)}`) {
  const system = scattered(24 * mebibyte, [
    [0, 512],
    [mebibyte, 9 * mebibyte + 512],
    [24 * mebibyte - 1024, 1024],
  ]);
  const data = scattered(8 * mebibyte, [[4 * mebibyte, 65_536]]);
  const vm = await azure.addVm({
    name,
    resourceGroup: group,
    powerState: 'stopped',
    disks: [
      { sizeBytes: 8 * mebibyte, lun: 1, content: data.content },
      { sizeBytes: 24 * mebibyte, content: system.content },
    ],
  });
  const dataBytes = [512 + 9 * mebibyte + 512 + 1024, 65_536];
  return { vm, sha256: [system.sha256, data.sha256], dataBytes };
}

/** A migration's view of one VM: what it asks the source for, and where it puts things. */
export function migrationOf(
  azure: Azure,
  vm: string,
  more: Partial<AzureSourceSpec> = {},
  {
    run = { migrationId: `migrate-azure-${vm}`, runId: randomUUID() },
    stateDir = scratchDirectory(),
    transfer,
  }: { run?: RunRef; stateDir?: string; transfer?: TransferPlane } = {},
) {
  const source = azureSpec(azure, { resourceGroup: group.toUpperCase(), vm, ...more });
  const request: SourceRequest<'azure'> = { name: 'web01', source, run };
  const work = new WorkDir(stateDir, run);
  const of = testSources({ AZURE_SECRET: azure.clientSecret }, optionsOf(azure), transfer)('azure');
  return {
    request,
    work,
    run,
    acquire: (io: StepIo, maxBytesPerSecond?: number) =>
      of.acquire(
        maxBytesPerSecond === undefined
          ? request
          : { ...request, limits: [new RateLimit(maxBytesPerSecond)] },
        work,
        io,
      ),
    resync: async (round: number, io: StepIo) => of.resync?.(request, work, round, io),
    describe: (io: StepIo) => of.describe(request, io),
    release: async (io: StepIo, restart = false, more: Omit<ReleaseWishes, 'restart'> = {}) =>
      of.release?.(request, work, { restart, ...more }, io),
  };
}
