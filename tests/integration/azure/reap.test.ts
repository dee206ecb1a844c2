import type { WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { LeftoverRow } from '../../../client/output/leftovers-text.ts';
import type { Azure } from '../../simulators/azure/azure.ts';
import { runLonghaul } from '../../e2e/cli/cli-bench.ts';
import { addShop, migrationOf, startTrustedAzure } from '../../support/azure-site.ts';
import { startControlPlane, type ControlPlane } from '../../support/control-plane.ts';
import { testIo } from '../../support/io.ts';
import { gate } from '../../support/scripted-host.ts';

let azure: Azure;
let plane: ControlPlane;
beforeAll(async () => {
  azure = await startTrustedAzure();
  plane = await startControlPlane();
}, 120_000);
afterAll(async () => {
  await plane.stop();
  await azure.close();
});

const reap = (...args: string[]) =>
  runLonghaul(
    [
      ...['reap', 'azure', '--subscription', azure.subscription, '--tenant', azure.tenant],
      ...['--client', azure.clientId, '--secret', 'env:SECRET', ...args],
    ],
    {
      env: {
        TEMPORAL_ADDRESS: plane.environment.address,
        AZURE_AUTHORITY_HOST: azure.authorityHost,
        LONGHAUL_AZURE_RESOURCE_MANAGER: azure.resourceManager,
        NODE_EXTRA_CA_CERTS: azure.caPath,
        SECRET: azure.clientSecret,
      },
    },
  );
const there = () => [
  ...azure.world.snapshots.list().map(({ tags }) => tags['longhaul-migration']),
  ...azure.world.collections.list().map(({ tags }) => tags['longhaul-migration']),
];

/** Freezes a VM in the name of a run, as a host does that is lost afterwards. */
async function leaveBehind(handle: WorkflowHandleWithFirstExecutionRunId | undefined, running = false) {
  const { vm } = await addShop(azure);
  if (running) vm.powerState = 'running';
  const run = handle && { migrationId: handle.workflowId, runId: handle.firstExecutionRunId };
  const migration = migrationOf(azure, vm.name, { whenRunning: 'snapshot' }, run && { run });
  await migration.acquire(testIo());
  return migration.run.migrationId;
}

it('what lost migrations left is listed with whose it is, and only that of those that are over is removed', async () => {
  const holding = gate();
  const host = await plane.host({ convertDisk: () => holding.wait() });
  const start = async () => (await host.start()) as WorkflowHandleWithFirstExecutionRunId;
  try {
    const [live, ended] = [await start(), await start()];
    await ended.terminate();
    const ids = {
      live: await leaveBehind(live),
      ended: await leaveBehind(ended, true),
      foreign: await leaveBehind(undefined),
    };

    const looked = await reap('--json');
    expect(looked).toMatchObject({ code: 0, stderr: '' });
    const rows = JSON.parse(looked.stdout) as LeftoverRow[];
    const told = rows.map(({ kind, run, state, fate }) => [kind, run.migrationId, state, fate]);
    expect(told).toEqual(
      expect.arrayContaining([
        ['snapshot', ids.live, 'running', 'kept'],
        ['restore point collection', ids.ended, 'over', 'kept'],
        ['snapshot', ids.foreign, 'unknown', 'kept'],
      ]),
    );
    expect(new Set(there())).toEqual(new Set(Object.values(ids)));

    const removed = await reap('--delete');
    expect(removed.code).toBe(0);
    expect(removed.stdout).toMatch(/restore point collection .* over +removed/);
    expect(removed.stdout).toContain('2 may be of another Temporal namespace: --delete --unknown');
    expect(new Set(there())).toEqual(new Set([ids.live, ids.foreign]));

    expect((await reap('--delete', '--unknown')).code).toBe(0);
    expect(new Set(there())).toEqual(new Set([ids.live]));

    azure.settings.deniedActions = ['Microsoft.Compute/snapshots/delete'];
    await live.terminate();
    const refused = await reap('--delete');
    expect(refused.code).toBe(1);
    expect(refused.stdout).toContain('Microsoft.Compute/snapshots/delete');
  } finally {
    azure.settings.deniedActions = [];
    holding.open();
    await host.stop();
  }
}, 240_000);
