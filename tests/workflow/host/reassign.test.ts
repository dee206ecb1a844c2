import { ApplicationFailure } from '@temporalio/activity';
import { WorkflowUpdateFailedError, type WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { leftoverIdOf, nextRun } from '../../../contracts/runs.ts';
import type { Elsewhere, MigrationReport } from '../../../contracts/steps.ts';
import type { RunRef } from '../../../contracts/values.ts';
import { startControlPlane, until, view, type ControlPlane } from '../../support/control-plane.ts';
import { gate, stateOf, undisturbed, type Script } from '../../support/scripted-host.ts';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
}, 120_000);
afterAll(() => plane.stop());

const reassign = (handle: WorkflowHandle, to: Elsewhere) =>
  handle.executeUpdate<null, [Elsewhere]>('reassign', { args: [to] });

const runOf = async (handle: WorkflowHandle): Promise<RunRef> => {
  const { raw, workflowId } = await handle.describe();
  return { migrationId: workflowId, runId: raw.workflowExecutionInfo?.firstRunId ?? '' };
};

const cleanerOf = (run: RunRef, hostId: string) =>
  plane.environment.client.workflow.getHandle(leftoverIdOf(run, hostId));

const failsAt = (code: string) => () => {
  throw ApplicationFailure.nonRetryable(code, code, { found: 'a thing', remedy: 'do that' });
};

const parked = (handle: WorkflowHandle) => until(handle, ({ status }) => status === 'parked');

async function twoHosts(script: Script) {
  return { first: await plane.host(script), second: await plane.host({}) };
}

describe('a migration that is given to another host', () => {
  it('begins again there, and what it left is removed where it was', async () => {
    const { first, second } = await twoHosts({ convertDisk: failsAt('SPACE_INSUFFICIENT') });
    const handle = await first.start();
    await parked(handle);
    const run = await runOf(handle);
    await reassign(handle, { host: second.hostId });

    const report = (await handle.result()) as MigrationReport;
    expect(report).toMatchObject({ status: 'completed', hostId: second.hostId });
    expect(report.kept).toEqual([`on ${first.hostId}: what was begun there, until that host is back`]);
    expect(second.calls).toEqual(undisturbed);
    await cleanerOf(run, first.hostId).result();
    expect(first.calls.slice(-2)).toEqual(['undefineDomain', 'discardWork']);
    await first.stop();
    await second.stop();
  });

  it('does not wait for a host that was lost in the middle of a step', async () => {
    const copying = gate();
    const { first, second } = await twoHosts({ convertDisk: () => copying.wait() });
    const handle = await first.start({}, { heartbeatTimeoutSeconds: 1 });
    await until(handle, (now) => stateOf(now, 'convert') === 'running');
    const run = await runOf(handle);
    await first.lose();

    await reassign(handle, { host: second.hostId });
    expect(await handle.result()).toMatchObject({ status: 'completed', hostId: second.hostId });
    // Whoever removes it waits for the host.
    const cleaner = cleanerOf(run, first.hostId);
    expect((await cleaner.describe()).status.name).toBe('RUNNING');
    await first.comeBack();
    await cleaner.result();
    expect(first.calls.slice(-2)).toEqual(['undefineDomain', 'discardWork']);
    copying.open();
    await first.stop();
    await second.stop();
  });

  it('can be given back, and is then not taken for what it was there before', async () => {
    const fails: Script = { convertDisk: (attempt) => (attempt === 1 ? failsAt('CONVERT')() : undefined) };
    const first = await plane.host(fails);
    const second = await plane.host({ inspectGuest: failsAt('GUEST_MULTIPLE_ROOTS') });
    const handle = await first.start();
    await parked(handle);
    const run = await runOf(handle);
    await reassign(handle, { host: second.hostId });
    await until(handle, (now) => now.status === 'parked' && now.hostId === second.hostId);
    await reassign(handle, { host: first.hostId });
    expect(await handle.result()).toMatchObject({ status: 'completed', hostId: first.hostId });
    await cleanerOf(run, first.hostId).result();
    await cleanerOf(nextRun(run), second.hostId).result();
    expect(new Set(first.runIds)).toEqual(new Set([run.runId, nextRun(nextRun(run)).runId]));
    expect(new Set(second.runIds)).toEqual(new Set([nextRun(run).runId]));
    await first.stop();
    await second.stop();
  });

  it('undoes on its new host alone what it does there, when it is cancelled', async () => {
    const copying = gate();
    const first = await plane.host({ inspectGuest: failsAt('GUEST_MULTIPLE_ROOTS') });
    const second = await plane.host({ convertDisk: () => copying.wait() });
    const handle = await first.start();
    await parked(handle);
    const run = await runOf(handle);
    await reassign(handle, { host: second.hostId });
    await until(handle, (now) => stateOf(now, 'convert') === 'running');
    await cleanerOf(run, first.hostId).result();
    const before = first.calls.length;
    await handle.cancel();
    await expect(handle.result()).rejects.toThrow();
    expect(second.calls.slice(-2)).toEqual(['discardWork', 'finish']);
    expect(first.calls).toHaveLength(before);
    await first.stop();
    await second.stop();
  });

  it('is refused where it could do harm, or is pointless', async () => {
    const host = await plane.host({ verifyBoot: failsAt('BOOT_NOT_SEEN') });
    const autostarted = await host.start({ target: { autostart: true } });
    await parked(autostarted);
    await expectRefused(autostarted, { host: 'kvm9' }, /autostart/);
    const handle = await host.start({ name: 'web02' });
    await parked(handle);
    await expectRefused(handle, { host: host.hostId }, /is on .* already/);
    expect((await view(handle)).status).toBe('parked');
    await host.stop();
  });
});

async function expectRefused(handle: WorkflowHandle, to: Elsewhere, why: RegExp): Promise<void> {
  const error: unknown = await reassign(handle, to).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(WorkflowUpdateFailedError);
  expect((error as WorkflowUpdateFailedError).cause).toMatchObject({
    type: 'REASSIGN_REFUSED',
    message: expect.stringMatching(why) as string,
  });
}
