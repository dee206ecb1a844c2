import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Gates } from '../../../client/gates.ts';
import type { GateNeed } from '../../../contracts/gates.ts';
import { createTargetGates } from '../../../workers/target-gates.ts';
import { startControlPlane, until, type ControlPlane } from '../../support/control-plane.ts';
import { gate } from '../../support/scripted-host.ts';

let plane: ControlPlane;
let gates: Gates;
beforeAll(async () => {
  plane = await startControlPlane();
  gates = new Gates(plane.environment.client, (work) => work());
});
afterAll(() => plane.stop());

/** Lists of the server lag behind. */
async function untilListed(key: string): Promise<void> {
  await expect.poll(async () => (await gates.list()).map((view) => view.key)).toContain(key);
}

describe('a limit of where disks are copied to', () => {
  it.each(['storage/HOST:/DIRECTORY', 'storage/*:/DIRECTORY', 'host/HOST'])(
    'lets only so many be copied at once, over all migrations: %s',
    async (written) => {
      const held = gate();
      let [now, most] = [0, 0];
      const asked: GateNeed[][] = [];
      const place: { targetGates: () => Promise<GateNeed[]> } = { targetGates: () => Promise.resolve([]) };
      const host = await plane.host({
        targetGates: async () => {
          asked.push(await place.targetGates());
          return asked.at(-1) ?? [];
        },
        convertDisk: async () => {
          most = Math.max(most, (now += 1));
          await held.wait();
          now -= 1;
        },
      });
      const directory = randomUUID();
      const key = written.replace('HOST', host.hostId).replace('DIRECTORY', directory);
      await gates.setLimit(key, 1);
      await untilListed(key);
      const targetGatesOf = createTargetGates(plane.environment.client);
      place.targetGates = () => targetGatesOf(host.hostId, `/${directory}`, 1);
      const [first, second] = [await host.start(), await host.start()];
      await until(first, ({ doing }) => doing === 'copies the disks' || now === 1);
      await until(second, ({ doing = '' }) => doing.startsWith('waits for its turn') || now === 1);
      await expect.poll(async () => (await gates.view(key)).lines.length).toBe(1);
      expect(asked).toEqual([[{ key, weight: 1 }], [{ key, weight: 1 }]]);
      held.open();
      await Promise.all([first.result(), second.result()]);
      expect(most).toBe(1);
      await gates.setLimit(key, 10_000);
      await host.stop();
    },
  );

  it('is none unless somebody has set it, and costs a migration nothing then', async () => {
    const targetGatesOf = createTargetGates(plane.environment.client);
    expect(await targetGatesOf(`host-${randomUUID()}`, '/target', 4)).toEqual([]);
  });

  it('has no budget of bandwidth', async () => {
    await expect(gates.setBudget('host/kvm1', 1000)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });
});
