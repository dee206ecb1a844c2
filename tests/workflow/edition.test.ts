import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { migrationInput, newestEdition } from '../../contracts/migration-start.ts';
import { migrationSpec } from '../../contracts/spec.ts';
import { startControlPlane, type ControlPlane } from '../support/control-plane.ts';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.stop());

it('a migration that was started for newer workers is given back, and neither begun nor failed', async () => {
  const source = { kind: 'image', disks: ['/images/web01.qcow2'] };
  const spec = migrationSpec.parse({ name: 'web01', source, target: { host: 'kvm1' } });
  const handle = await plane.environment.client.workflow.start('migrateVm', {
    workflowId: `migrate-${randomUUID()}`,
    taskQueue: 'longhaul',
    args: [{ ...migrationInput(spec), edition: newestEdition + 1 }],
  });
  const words = async () => {
    const { events } = await handle.fetchHistory();
    return events?.map((event) => event.workflowTaskFailedEventAttributes?.failure?.message ?? '').join('');
  };
  await expect.poll(words).toContain(`up to edition ${newestEdition}`);
  expect((await handle.describe()).status.name).toBe('RUNNING');
  const { events } = await handle.fetchHistory();
  expect(events?.some((event) => event.activityTaskScheduledEventAttributes)).toBe(false);
  await handle.terminate();
});
