import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { actions, actionsInGroup } from '../../../activities/sources/azure/permissions.ts';
import type { Azure } from '../../simulators/azure/azure.ts';
import { addShop, migrationOf, sha256Of, startTrustedAzure } from '../../support/azure-site.ts';
import { testIo } from '../../support/io.ts';

let azure: Azure;
beforeAll(async () => {
  azure = await startTrustedAzure({ retryAfterSeconds: 0 });
}, 60_000);
afterAll(() => azure.close());

describe('the actions that the role in SECURITY.md has', () => {
  it.each([
    ['refuse', 'stopped'],
    ['snapshot', 'running'],
    ['stop', 'running'],
  ] as const)('are all that whenRunning: %s needs of a VM that is %s', async (whenRunning, powerState) => {
    const { vm, sha256 } = await addShop(azure);
    vm.powerState = powerState;
    azure.settings.allowedActions = [...actions.subscription, ...actionsInGroup(whenRunning)];
    const migration = migrationOf(azure, vm.name, { whenRunning });
    const { findings = [] } = await migration.describe(testIo());
    expect(findings.filter(({ severity }) => severity === 'blocker')).toEqual([]);
    const disks = await migration.acquire(testIo());
    expect(await Promise.all(disks.map(({ image }) => sha256Of(image.path)))).toEqual(sha256);
    await migration.release(testIo(), true);
    expect([...azure.world.snapshots.list(), ...azure.world.collections.list()]).toEqual([]);
    expect(vm.powerState).toBe(powerState);
  });
});
