import type { ComputeManagementClient } from '@azure/arm-compute';
import type { PowerState } from '../../../contracts/azure-inventory.ts';
import { LonghaulError } from '../../../contracts/errors.ts';
import type { AzureSourceSpec } from '../../../contracts/spec.ts';
import type { StepIo } from '../../host/step-io.ts';
import type { WorkDir } from '../../host/work-dir.ts';
import type { AzureConnection } from './connect.ts';
import { powerStateOf } from './machine.ts';
import { noteMade, readMade } from './made.ts';
import { operate, waitFor } from './wait.ts';

/** A VM that is asked about or told to do something. */
export interface PowerRequest {
  azure: AzureConnection;
  compute: ComputeManagementClient;
  source: Pick<AzureSourceSpec, 'resourceGroup' | 'vm'>;
  io: StepIo;
}

const transitionLimitMs = 15 * 60_000;

/** Whether the VM runs, once it is neither starting nor stopping. */
export async function isRunning(request: PowerRequest): Promise<boolean> {
  const state = await waitFor(
    {
      what: `${request.source.vm} to run or to be stopped`,
      look: () => powerState(request),
      isOver: (seen) => seen === 'running' || isOff(seen),
      progress: (seen) => (seen === 'unknown' ? 'Azure does not say its state' : `it is ${seen}`),
      limitMs: transitionLimitMs,
    },
    request.io,
  );
  return state === 'running';
}

/** Whether the VM can have written nothing to its disks: not even on its way down. */
export async function isSwitchedOff(request: PowerRequest): Promise<boolean> {
  return isOff(await powerState(request));
}

const isOff = (state: PowerState) => state === 'stopped' || state === 'deallocated';

async function powerState({ azure, compute, source }: PowerRequest): Promise<PowerState> {
  const { resourceGroup, vm } = source;
  return powerStateOf(
    await azure.ask(`tell the state of the VM ${vm}`, () =>
      compute.virtualMachines.instanceView(resourceGroup, vm),
    ),
  );
}

/**
 * Stops a VM that runs in an orderly way and keeps what it was allotted, so that it can be started again. That it
 * ran is noted first.
 */
export async function stopVm(
  request: PowerRequest & { source: AzureSourceSpec },
  work: WorkDir,
): Promise<void> {
  const { azure, compute, source, io } = request;
  const { resourceGroup, vm } = source;
  io.report(`stopping ${vm}`);
  await noteMade(work, { source, stopped: true });
  await operate(azure, `stop the VM ${vm}`, io, (options) =>
    compute.virtualMachines.powerOff(resourceGroup, vm, options),
  );
  if (await isRunning(request))
    throw new LonghaulError('AZURE_FAILED', {
      found: `Azure says that ${vm} was stopped, and that it runs`,
      remedy: 'Stop it by hand, or see what starts it again; then retry.',
    });
}

/** Starts the VM when this run stopped it, or one before it may have. Of one that runs Azure makes nothing. */
export async function startAgain(
  { azure, compute, source: { resourceGroup, vm }, io }: PowerRequest,
  work: WorkDir,
  { stoppedBefore }: { stoppedBefore: boolean },
): Promise<void> {
  if (!stoppedBefore && !(await readMade(work)).stopped) return;
  io.report(`starting ${vm} again`);
  await operate(azure, `start the VM ${vm} again`, io, (options) =>
    compute.virtualMachines.start(resourceGroup, vm, options),
  );
  await noteMade(work, { stopped: false });
}
