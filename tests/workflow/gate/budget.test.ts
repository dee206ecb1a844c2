import { Context } from '@temporalio/activity';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { migrationSpec } from '../../../contracts/spec.ts';
import { withSharedBudgets } from '../../../workers/shared-budgets.ts';
import { gateBook } from '../../../workers/start-gate.ts';
import { startControlPlane, type ControlPlane } from '../../support/control-plane.ts';
import { testIo } from '../../support/io.ts';
import { gateSite } from './gate-site.ts';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.stop());

const pieceBytes = 1000;

it('those within share the budget of a gate, on whatever host, and take over what others leave', async () => {
  const { client } = plane.environment;
  const { source, gate, key } = await gateSite(plane, 8);
  for (const wrong of [0, -1])
    await expect(gate.executeUpdate('set-budget', { args: [wrong] })).rejects.toThrow();
  await gate.executeUpdate('set-budget', { args: [20 * pieceBytes] });
  const fetched = new Map<string, number>();
  const stopped = new Set<string>();
  const acquire = async () => {
    const { workflowExecution } = Context.current().info;
    const [migrationId, runId] = [workflowExecution?.workflowId ?? '', workflowExecution?.runId ?? ''];
    const spec = migrationSpec.parse({ name: 'web01', source, target: {} });
    const signal = Context.current().cancellationSignal;
    await withSharedBudgets(
      { spec, run: { migrationId, runId } },
      (asked) => gateBook(client, asked),
      testIo(signal),
      async ([limit]) => {
        while (!stopped.has(migrationId)) {
          Context.current().heartbeat();
          await limit?.take(pieceBytes, signal);
          // A real one waits for its server.
          await new Promise((done) => setImmediate(done));
          fetched.set(migrationId, (fetched.get(migrationId) ?? 0) + 1);
        }
      },
      200,
    );
  };
  const [one, other] = [await plane.host({ acquire }), await plane.host({ acquire })];
  const ids = [await one.start({ source }), await other.start({ source })].map(
    ({ workflowId }) => workflowId,
  );
  const [first = '', second = ''] = ids;
  await expect.poll(() => fetched.size).toBe(2);
  const piecesIn = async (ms: number) => {
    // What each had when it was alone may come at once.
    await new Promise((done) => setTimeout(done, 1_500));
    const before = ids.map((id) => fetched.get(id) ?? 0);
    const from = performance.now();
    await new Promise((done) => setTimeout(done, ms));
    const seconds = (performance.now() - from) / 1000;
    return ids.map((id, index) => ((fetched.get(id) ?? 0) - (before[index] ?? 0)) / seconds);
  };
  const [firstRate = 0, secondRate = 0] = await piecesIn(4_000);
  expect(firstRate + secondRate).toBeLessThan(23);
  expect(Math.min(firstRate, secondRate)).toBeGreaterThan(5);

  stopped.add(first);
  await expect.poll(async () => (await gateBook(client, key))?.holders.length).toBe(1);
  const [, alone = 0] = await piecesIn(3_000);
  expect(alone).toBeGreaterThan(14);
  expect(alone).toBeLessThan(23);

  await gate.executeUpdate('set-budget', { args: [null] });
  await expect.poll(async () => (await piecesIn(300))[1] ?? 0).toBeGreaterThan(100);
  stopped.add(second);
  await Promise.all([one.stop(), other.stop()]);
});
