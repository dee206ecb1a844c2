import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { AzureMachine } from '../../contracts/azure-inventory.ts';
import { inventoryRequest, type Selector, withoutUndefined } from '../../contracts/batch-select.ts';
import { hasErrno, LonghaulError, messageOf } from '../../contracts/errors.ts';
import { anyFits } from '../../contracts/wildcards.ts';
import type { StepIo } from '../host/step-io.ts';
import { listAzureVms } from './azure/inventory.ts';
import type { SourceDeps } from './source.ts';

const gibibyte = 1024 ** 3;

/** A VM that there is, as the entry of a batch says it. */
export interface FoundVm {
  /** What it is called there. */
  name: string;
  /** The part of a spec that the source knows. */
  entry: Record<string, unknown>;
  sizeGiB: number;
}

/** The VMs that a selector means, in the order of their names, and what could not be read. */
export async function selectVms(
  selector: Selector,
  deps: Pick<SourceDeps, 'resolveSecret' | 'azure'>,
  io: StepIo,
): Promise<{ vms: FoundVm[]; gaps: string[] }> {
  const request = inventoryRequest(selector);
  if (request === undefined) return { vms: await filesOf(selector, io), gaps: [] };
  const { vms, gaps } = await listAzureVms(request, deps, io);
  const { cloud, login, subscription } = request;
  const common = withoutUndefined({ kind: 'azure', cloud, login, subscription });
  return { vms: vms.map((vm) => foundInAzure(vm, common)), gaps };
}

const foundInAzure = ({ name, resourceGroup, disks }: AzureMachine, common: object): FoundVm => ({
  name,
  entry: { source: { ...common, resourceGroup, vm: name } },
  sizeGiB: disks.reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, 0) / gibibyte,
});

const images = /\.(qcow2|vmdk|vhdx?|vdi|img|raw)$/i;
const archives = /\.(ova|tar|t[gx]z|tzst|tbz2?|zip|gz|xz|zst|bz2)$/i;
/** Pieces of another image, which names them. */
const pieces = /-(flat|s\d{3,})\.vmdk$/i;

async function filesOf({ files, host }: Selector, io: StepIo): Promise<FoundVm[]> {
  if (files === undefined) return [];
  const { directory, names } = files;
  const found: FoundVm[] = [];
  for (const name of (await namesIn(directory)).toSorted()) {
    io.signal.throwIfAborted();
    if (!anyFits(names, name) || pieces.test(name) || !(images.test(name) || archives.test(name))) continue;
    io.report(`looks at ${name}`);
    const path = join(directory, name);
    const file = await stat(path).catch(() => undefined);
    if (file?.isFile() !== true) continue;
    const source = archives.test(name) ? { kind: 'archive', path } : { kind: 'image', disks: [path] };
    found.push({ name, entry: { source, target: { host } }, sizeGiB: file.size / gibibyte });
  }
  return found;
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR', 'EACCES'].some((code) => hasErrno(error, code))) throw error;
    throw new LonghaulError(
      'SOURCE_NOT_FOUND',
      {
        found: `the directory ${directory} cannot be read: ${messageOf(error)}`,
        remedy:
          'Correct select.files.directory, or the host that is named beside it, and start the batch again.',
      },
      error,
    );
  }
}
