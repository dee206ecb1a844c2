import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ledgerIdOf } from '../../../contracts/ledger.ts';
import { Ledger } from '../../../workers/batch/ledger.ts';
import { startControlPlane, type ControlPlane } from '../../support/control-plane.ts';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.stop());

const ids = (count: number) => Array.from({ length: count }, () => `migrate-image-${randomUUID()}`);
const small = { volumeMarks: 3, historyEvents: 15 };

describe('what batches remember of VMs that were migrated', () => {
  it('is there for the next who asks, in as many volumes as it takes', async () => {
    const { client } = plane.environment;
    const migrated = ids(8);
    await (await Ledger.read(client, small)).remember(migrated);

    const later = await Ledger.read(client);
    expect(migrated.filter((id) => !later.has(id))).toEqual([]);
    expect(ids(100).filter((id) => later.has(id))).toEqual([]);
    expect((await client.workflow.getHandle(ledgerIdOf(3)).describe()).status.name).toBe('RUNNING');
    await expect(client.workflow.getHandle(ledgerIdOf(4)).describe()).rejects.toThrow();
  });

  it('loses nothing when several write at once, and when a volume continues as new', async () => {
    const { client } = plane.environment;
    const first = client.workflow.getHandle(ledgerIdOf(1));
    const { runId } = await first.describe();
    const nights = Array.from({ length: 6 }, () => ids(2));
    for (const night of nights)
      await Promise.all(
        [1, 2].map(async () => {
          const ledger = await Ledger.read(client, small);
          // As one that has read before others wrote.
          await ledger.remember([...nights.flat().slice(0, 4), ...night]);
        }),
      );
    const later = await Ledger.read(client);
    expect(nights.flat().filter((id) => !later.has(id))).toEqual([]);
    const volumes = [];
    for await (const { workflowId } of client.workflow.list({ query: "WorkflowType = 'keepLedger'" }))
      volumes.push(workflowId);
    expect(new Set(volumes).size).toBeGreaterThanOrEqual(6);
    expect((await first.describe()).runId).toBe(runId);
  });

  it('loses nothing when somebody ends a volume', async () => {
    const { client } = plane.environment;
    const migrated = ids(4);
    await (await Ledger.read(client, small)).remember(migrated);
    const last = client.workflow.getHandle(ledgerIdOf(2));
    const before = await last.query<string>('ledger');
    await last.terminate('by mistake');
    await Ledger.read(client, small);
    expect((await last.describe()).status.name).toBe('RUNNING');
    expect(await last.query<string>('ledger')).toBe(before);
    const later = await Ledger.read(client);
    expect(migrated.filter((id) => !later.has(id))).toEqual([]);
  });
});
