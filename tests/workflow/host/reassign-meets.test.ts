import { ApplicationFailure } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type GateBook, gateIdOf } from '../../../contracts/gates.ts';
import type { Elsewhere, MigrationReport } from '../../../contracts/steps.ts';
import { resolve, startControlPlane, until, view, type ControlPlane } from '../../support/control-plane.ts';
import { gate, stateOf } from '../../support/scripted-host.ts';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.stop());

const reassign = (handle: WorkflowHandle, to: Elsewhere) =>
  handle.executeUpdate<null, [Elsewhere]>('reassign', { args: [to] });
const failsAt = (code: string) => () => {
  throw ApplicationFailure.nonRetryable(code, code, { found: 'a thing', remedy: 'do that' });
};
const parked = (handle: WorkflowHandle) => until(handle, ({ status }) => status === 'parked');
const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));

describe('a migration that is given to another host', () => {
  it('keeps its place at a gate there for as long as it copies', async () => {
    const copying = gate();
    const first = await plane.host({ inspectGuest: failsAt('GUEST_MULTIPLE_ROOTS') });
    const key = `host/${first.hostId}`;
    const second = await plane.host({
      targetGates: () => Promise.resolve([{ key, weight: 1 }]),
      convertDisk: () => copying.wait(),
    });
    const handle = await first.start({}, { leaseSeconds: 1 });
    await parked(handle);
    await reassign(handle, { host: second.hostId });
    await until(handle, ({ doing }) => doing === 'copies the disks');
    // The gate has looked twice at least.
    await sleep(2_500);
    const { holders } = await plane.environment.client.workflow
      .getHandle(gateIdOf(key))
      .query<GateBook>('gate');
    expect(holders.map(({ migrationId }) => migrationId)).toEqual([handle.workflowId]);
    expect(stateOf(await view(handle), 'convert')).toBe('running');
    copying.open();
    await handle.result();
    await first.stop();
    await second.stop();
  });

  it.each(['first', 'second'])(
    'takes one of two answers that come at once, and refuses the other: abort %s',
    async (order) => {
      const first = await plane.host({ inspectGuest: failsAt('GUEST_MULTIPLE_ROOTS') });
      const second = await plane.host({ convertDisk: failsAt('SPACE_INSUFFICIENT') });
      const handle = await first.start();
      await parked(handle);
      const words = [
        () => resolve(handle, { action: 'abort' }),
        () => reassign(handle, { host: second.hostId }),
      ];
      if (order === 'second') words.reverse();
      const answers = await Promise.allSettled(words.map((word) => word()));
      expect(answers.filter(({ status }) => status === 'rejected')).toHaveLength(1);
      const end = await until(
        handle,
        ({ status, hostId, failure }) =>
          status === 'aborted' ||
          (status === 'parked' && hostId === second.hostId && failure?.code === 'SPACE_INSUFFICIENT'),
      );
      if (end.status === 'aborted') expect(end.failure?.message).toContain('GUEST_MULTIPLE_ROOTS');
      await first.stop();
      await second.stop();
    },
  );

  it('says which VM of Azure stays stopped when it is cancelled before it has another host', async () => {
    const first = await plane.host({ running: true, acquire: failsAt('AZURE_FAILED') });
    const subscription = '01234567-89ab-cdef-0123-456789abcdef';
    const azure = {
      kind: 'azure',
      subscription,
      resourceGroup: 'rg',
      vm: 'shop',
      whenRunning: 'stop',
    } as const;
    const handle = await first.start({ source: azure });
    await parked(handle);
    await reassign(handle, { labels: ['nobody'] });
    await until(handle, (now) => stateOf(now, 'placement') === 'running');
    await handle.cancel();
    await expect(handle.result()).rejects.toThrow();
    const { kept } = await handle.query<MigrationReport>('report');
    expect(kept).toContain('shop in Azure, stopped for the migration: start it there');
    await first.stop();
  });
});
