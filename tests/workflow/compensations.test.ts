import { ApplicationFailure } from '@temporalio/activity';
import { WorkflowFailedError } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startControlPlane, until, view, type ControlPlane } from '../support/control-plane.ts';
import { gate, stateOf } from '../support/scripted-host.ts';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
}, 120_000);
afterAll(() => plane.stop());

describe('what a migration made is undone', () => {
  it('at once, although the only slot of the host is busy with another VM', async () => {
    const copying = gate();
    const host = await plane.host(
      {
        inspectGuest: (attempt) => {
          if (attempt === 1) throw ApplicationFailure.nonRetryable('two roots', 'GUEST_MULTIPLE_ROOTS');
        },
        convertDisk: () => copying.wait(),
      },
      1,
    );
    try {
      const unwanted = await host.start();
      await until(unwanted, ({ status }) => status === 'parked');
      const other = await host.start({ name: 'db01' });
      await until(other, (now) => stateOf(now, 'convert') === 'running');

      await unwanted.cancel();
      await expect(unwanted.result()).rejects.toThrow(WorkflowFailedError);
      expect(host.calls.slice(-2)).toEqual(['discardWork', 'finish']);
      expect(stateOf(await view(other), 'convert')).toBe('running');
    } finally {
      copying.open();
      await host.stop();
    }
  });
});
