import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hostWorkflowIdOf } from '../../../contracts/hosts.ts';
import { migrationSpec } from '../../../contracts/spec.ts';
import { workflowTaskQueue } from '../../../contracts/queues.ts';
import { startControlPlane, until, view, type ControlPlane } from '../../support/control-plane.ts';
import { gate, stateOf } from '../../support/scripted-host.ts';
import { hostsOf, keptHost, untilHost } from './host-site.ts';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
}, 120_000);
afterAll(() => plane.stop());

/** Starts a migration on a host. */
async function migrate(hostId: string) {
  const spec = migrationSpec.parse({
    name: 'web01',
    source: { kind: 'image', disks: ['/images/web01.qcow2'] },
    target: { host: hostId },
  });
  return plane.environment.client.workflow.start('migrateVm', {
    workflowId: `migrate-image-web01-on-${hostId}`,
    taskQueue: workflowTaskQueue,
    args: [{ spec, tuning: { retryInitialSeconds: 0.05, heartbeatTimeoutSeconds: 2 } }],
  });
}

describe('the host book', () => {
  it('knows what a host is like, how it goes there, and that it takes VMs', async () => {
    const { hostId, desk } = await keptHost(plane, { labels: ['ssd', 'zone=a'] });
    const here = await untilHost(plane, hostId, ({ pulse }) => pulse !== undefined);
    expect(here).toMatchObject({
      hostId,
      state: 'ready',
      drained: false,
      facts: { labels: ['ssd', 'zone=a'], slots: 3, version: '0.1.0' },
      pulse: { busy: 1, placed: 0 },
      underWay: 0,
    });
    await untilListed(hostId);
    expect(desk.isDrained()).toBe(false);
  });

  it('tells a host that it is drained, and remembers it when its worker is started again', async () => {
    const host = await keptHost(plane);
    await untilHost(plane, host.hostId, ({ pulse }) => pulse !== undefined);
    expect(await hostsOf(plane).setDrained(host.hostId, true)).toEqual({ heard: true });
    expect(host.desk.isDrained()).toBe(true);
    expect(await untilHost(plane, host.hostId, ({ state }) => state === 'drained')).toBeDefined();

    await host.lose();
    await host.start();
    await untilHost(plane, host.hostId, ({ pulse }) => pulse !== undefined);
    expect(host.desk.isDrained()).toBe(true);
    expect(await hostsOf(plane).setDrained(host.hostId, false)).toEqual({ heard: true });
    expect(host.desk.isDrained()).toBe(false);
  });

  it('drains a host that is gone, which hears of it when it is back', async () => {
    const host = await keptHost(plane);
    await untilHost(plane, host.hostId, ({ pulse }) => pulse !== undefined);
    await host.lose();
    await untilBookSaysGone(host.hostId);
    expect(await hostsOf(plane).setDrained(host.hostId, true)).toEqual({ heard: false });
    expect(host.desk.isDrained()).toBe(false);
    await host.start();
    await untilHost(plane, host.hostId, ({ pulse }) => pulse !== undefined);
    expect(host.desk.isDrained()).toBe(true);
  });

  it('stays as it was when somebody ended its workflow', async () => {
    const host = await keptHost(plane);
    await untilHost(plane, host.hostId, ({ pulse }) => pulse !== undefined);
    await hostsOf(plane).setDrained(host.hostId, true);
    await host.lose();
    await plane.environment.client.workflow.getHandle(hostWorkflowIdOf(host.hostId)).terminate();
    await host.start();
    await untilHost(plane, host.hostId, ({ pulse }) => pulse !== undefined);
    expect(host.desk.isDrained()).toBe(true);
  });

  it('names the host that was probably meant', async () => {
    const { hostId } = await keptHost(plane);
    await untilListed(hostId);
    await expect(hostsOf(plane).setDrained(`${hostId}x`, true)).rejects.toMatchObject({
      code: 'HOST_NOT_FOUND',
      found: expect.stringContaining(`did you mean "${hostId}"`) as string,
    });
  });
});

describe('a host that disappears', () => {
  it('is waited for also by a migration that comes to it later, which says so', async () => {
    // What is to be said to migrations is said by whoever is left.
    await keptHost(plane);
    const host = await keptHost(plane);
    await untilHost(plane, host.hostId, ({ pulse }) => pulse !== undefined);
    await host.lose();
    await untilBookSaysGone(host.hostId);
    const handle = await migrate(host.hostId);
    await until(handle, (now) => now.hostGone !== undefined);
    await host.start();
    expect(await handle.result()).toMatchObject({ status: 'completed' });
  });

  it('is waited for by its migrations, which say so, and go on when it is back', async () => {
    const copying = gate();
    // What is to be said to migrations is said by whoever is left.
    await keptHost(plane);
    const host = await keptHost(plane, {
      script: { convertDisk: (attempt) => (attempt === 1 ? copying.wait() : undefined) },
    });
    await untilHost(plane, host.hostId, ({ pulse }) => pulse !== undefined);
    const handle = await migrate(host.hostId);
    await until(handle, (now) => stateOf(now, 'convert') === 'running');
    expect((await view(handle)).hostGone).toBeUndefined();
    expect((await untilHost(plane, host.hostId, ({ underWay }) => underWay === 1)).state).toBe('ready');

    await host.lose();
    const { hostGone } = await until(handle, (now) => now.hostGone !== undefined);
    expect(Date.parse(hostGone ?? '')).toBeGreaterThan(Date.now() - 60_000);
    await untilBookSaysGone(host.hostId);

    copying.open();
    await host.start();
    expect(await handle.result()).toMatchObject({ status: 'completed' });
    await untilHost(plane, host.hostId, ({ state }) => state === 'ready');
    await expect.poll(() => hostsOf(plane).goneOnes()).not.toContain(host.hostId);
  });
});

/** Lists of the server lag behind. */
const untilBookSaysGone = (hostId: string) => expect.poll(() => hostsOf(plane).goneOnes()).toContain(hostId);

const untilListed = (hostId: string) =>
  expect.poll(async () => (await hostsOf(plane).list()).map((each) => each.hostId)).toContain(hostId);
