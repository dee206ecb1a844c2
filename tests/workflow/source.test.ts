import { ApplicationFailure } from '@temporalio/activity';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MigrationSpecInput } from '../../contracts/spec.ts';
import type { MigrationReport } from '../../contracts/steps.ts';
import { startControlPlane, until, type ControlPlane } from '../support/control-plane.ts';
import { stateOf, stopsSlowly, undisturbed } from '../support/scripted-host.ts';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
}, 120_000);
afterAll(() => plane.stop());

const azure: MigrationSpecInput['source'] = {
  kind: 'azure',
  subscription: '01234567-89ab-cdef-0123-456789abcdef',
  resourceGroup: 'shop',
  vm: 'web01',
};

describe('a source that disks are fetched from', () => {
  it('is given back as soon as they are here', async () => {
    const host = await plane.host();
    try {
      const handle = await host.start({ source: azure });
      expect(((await handle.result()) as MigrationReport).status).toBe('completed');
      const [first, second, ...rest] = undisturbed;
      expect(host.calls).toEqual([first, second, 'releaseSource', ...rest]);
    } finally {
      await host.stop();
    }
  });

  it('is given back before anything else is undone when the disks do not come', async () => {
    const host = await plane.host({
      acquire: () => {
        throw ApplicationFailure.nonRetryable('refused', 'TRANSFER_DENIED');
      },
    });
    try {
      const handle = await host.start({ source: azure, policy: { onFailure: 'fail' } });
      await expect(handle.result()).rejects.toThrow();
      expect(host.calls).toEqual(['preflight', 'acquire', 'releaseSource', 'discardWork', 'finish']);
    } finally {
      await host.stop();
    }
  });

  it('is given back when the migration is cancelled while they come', async () => {
    const host = await plane.host({ acquire: stopsSlowly });
    try {
      const handle = await host.start({ source: azure });
      await until(handle, (now) => stateOf(now, 'acquire') === 'running');
      await handle.cancel();
      await expect(handle.result()).rejects.toThrow();
      expect(host.calls.slice(-3)).toEqual(['releaseSource', 'discardWork', 'finish']);
    } finally {
      await host.stop();
    }
  });

  it('that cannot be given back parks the migration, and a retry does not fetch for nothing', async () => {
    const host = await plane.host({
      releaseSource: (attempt) => {
        if (attempt === 1) throw ApplicationFailure.nonRetryable('locked', 'AZURE_DENIED');
      },
    });
    try {
      const handle = await host.start({ source: azure });
      const parked = await until(handle, ({ status }) => status === 'parked');
      expect(stateOf(parked, 'acquire')).toBe('failed');
      await handle.executeUpdate('resolve', { args: [{ action: 'retry' }] });
      await handle.result();
      expect(host.calls.filter((name) => name === 'releaseSource')).toHaveLength(2);
    } finally {
      await host.stop();
    }
  });
});
