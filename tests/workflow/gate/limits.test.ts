import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Gates } from '../../../client/gates.ts';
import { defaultLimits, gateIdOf } from '../../../contracts/gates.ts';
import { startControlPlane, type ControlPlane } from '../../support/control-plane.ts';
import { gate as stop } from '../../support/scripted-host.ts';
import { holdersOf } from './gate-site.ts';

let plane: ControlPlane;
let gates: Gates;
beforeAll(async () => {
  plane = await startControlPlane();
  gates = new Gates(plane.environment.client, (work) => work());
});
afterAll(() => plane.stop());

const someServer = () => `https://${randomUUID().slice(0, 8)}.example.com`;

describe('limits', () => {
  it('are the default where none was set, and a look starts nothing', async () => {
    const key = someServer();
    expect(await gates.view(`${key}/web01.qcow2`)).toEqual({
      key,
      limit: defaultLimits.url,
      holders: [],
      lines: [],
    });
    await expect(plane.environment.client.workflow.getHandle(gateIdOf(key)).describe()).rejects.toThrow();
  });

  it('are set before anybody comes, set anew, and listed', async () => {
    const key = someServer();
    expect(await gates.setLimit(`${key}/web01.qcow2`, 3)).toBe(key);
    await gates.setLimit(key, 4);
    expect(await gates.view(key)).toMatchObject({ limit: 4 });
    await expect.poll(async () => (await gates.list()).map((gate) => gate.key)).toContain(key);
  });

  it('keep who is within when they are set after somebody ended the gate', async () => {
    const held = stop();
    const host = await plane.host({ acquire: () => held.wait() });
    const key = someServer();
    const handle = await host.start({ source: { kind: 'image', disks: [`${key}/web01.qcow2`] } });
    await expect.poll(async () => holdersOf(await gates.view(key))).toEqual([handle.workflowId]);
    await plane.environment.client.workflow.getHandle(gateIdOf(key)).terminate('by hand');
    await gates.setLimit(key, 1);
    const view = await gates.view(key);
    expect([view.limit, holdersOf(view)]).toEqual([1, [handle.workflowId]]);
    held.open();
    await handle.result();
    await host.stop();
  });

  it.each([-1, 1.5, 1e9, Number.NaN])('are refused when they are %d', async (limit) => {
    await expect(gates.setLimit(someServer(), limit)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });
});
