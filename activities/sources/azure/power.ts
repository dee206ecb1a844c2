import type { ComputeManagementClient } from '@azure/arm-compute';
import { LonghaulError } from '../../../contracts/errors.ts';
import type { AzureSourceSpec } from '../../../contracts/spec.ts';
import type { StepIo } from '../../host/step-io.ts';
import type { WorkDir } from '../../host/work-dir.ts';
import type { AzureConnection } from './connect.ts';
import { powerStateOf } from './machine.ts';
import { noteMade, readMade } from './made.ts';

type Place = Pick<AzureSourceSpec, 'resourceGroup' | 'vm'>;

/** Whether the VM may be writing to its disks: anything but stopped or deallocated counts. */
export async function isRunning(
  azure: AzureConnection,
  compute: ComputeManagementClient,
  { resourceGroup, vm }: Place,
): Promise<boolean> {
  const view = await azure.ask(`tell the state of the VM ${vm}`, () =>
    compute.virtualMachines.instanceView(resourceGroup, vm),
  );
  const power = powerStateOf(view);
  return power !== 'stopped' && power !== 'deallocated';
}

/**
 * Stops the VM in an orderly way and keeps what it was allotted, so that it can be started again. That it ran is
 * noted first.
 */
export async function stopVm(
  azure: AzureConnection,
  compute: ComputeManagementClient,
  { resourceGroup, vm }: Place,
  work: WorkDir,
  io: StepIo,
): Promise<void> {
  io.report(`stopping ${vm}`);
  await noteMade(work, { stopped: true });
  await azure.ask(`stop the VM ${vm}`, () =>
    compute.virtualMachines.powerOff(resourceGroup, vm).pollUntilDone({ abortSignal: io.signal }),
  );
  if (await isRunning(azure, compute, { resourceGroup, vm }))
    throw new LonghaulError('AZURE_FAILED', {
      found: `Azure says that ${vm} was stopped, and that it runs`,
      remedy: 'Stop it by hand, or see what starts it again; then retry.',
    });
}

/** Starts the VM when this run stopped it; once. */
export async function startAgain(
  azure: AzureConnection,
  compute: ComputeManagementClient,
  { resourceGroup, vm }: Place,
  work: WorkDir,
  io: StepIo,
): Promise<void> {
  if (!(await readMade(work)).stopped) return;
  io.report(`starting ${vm} again`);
  await azure.ask(`start the VM ${vm} again`, () =>
    compute.virtualMachines.start(resourceGroup, vm).pollUntilDone({ abortSignal: io.signal }),
  );
  await noteMade(work, { stopped: false });
}
