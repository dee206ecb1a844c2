import type { WorkflowHandle } from '@temporalio/client';
import { fillBatch, startBatch } from '../../workers/batch/fill-batch.ts';
import {
  batchIdOf,
  pageIdOf,
  type BatchInput,
  type BatchView,
  type BatchVm,
  type PageView,
} from '../../contracts/batch.ts';
import { migrationIdOf } from '../../contracts/ids.ts';
import { migrationSpec, type MigrationSpecInput } from '../../contracts/spec.ts';
import { askUntil, type ControlPlane } from './control-plane.ts';

/** VMs for a host, named `<prefix>1` and so on. */
export function batchVms(
  hostId: string,
  prefix: string,
  count: number,
  spec: Partial<MigrationSpecInput> = {},
): BatchVm[] {
  return Array.from({ length: count }, (_one, index) => {
    const name = `${prefix}${index + 1}`;
    const made = migrationSpec.parse({
      name,
      source: { kind: 'image', disks: [`/images/${name}.qcow2`] },
      ...spec,
      target: { host: hostId, ...spec.target },
    });
    return { migrationId: migrationIdOf(made), spec: made };
  });
}

/** Starts a batch with VMs for each of its waves. */
export async function batch(
  plane: ControlPlane,
  wishes: Partial<BatchInput> & Pick<BatchInput, 'name'>,
  ...vms: BatchVm[][]
): Promise<WorkflowHandle> {
  const input: BatchInput = {
    atOnce: 10,
    onFailure: { then: 'continue' },
    waves: vms.map((_wave, index) => ({ name: `wave${index + 1}`, approval: false })),
    ...wishes,
  };
  const { client } = plane.environment;
  await startBatch(client, input);
  await fillBatch(client, { input, vms }, { retryInitialSeconds: 0.05, retryMaximumAttempts: 3 });
  return client.workflow.getHandle(batchIdOf(input.name));
}

export const batchView = (handle: WorkflowHandle) => handle.query<BatchView>('batch');

/** How each VM of a page fared. */
export const pageView = (plane: ControlPlane, name: string, page: number) =>
  plane.environment.client.workflow.getHandle(pageIdOf(batchIdOf(name), page)).query<PageView>('page');

/** Waits until the batch's view fulfils a condition, for a minute at most. */
export const untilBatch = (
  handle: WorkflowHandle,
  condition: (view: BatchView) => boolean,
): Promise<BatchView> => askUntil(() => batchView(handle), condition);
