import { ApplicationFailure } from '@temporalio/activity';
import { WorkflowFailedError, type WorkflowHandle, WorkflowUpdateFailedError } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../contracts/error-codes.ts';
import type { MigrationReport } from '../../contracts/steps.ts';
import type { Finding } from '../../contracts/values.ts';
import { resolve, startControlPlane, until, view, type ControlPlane } from '../support/control-plane.ts';
import { gate, stateOf, stopsSlowly, undisturbed, type Script } from '../support/scripted-host.ts';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
}, 120_000);
afterAll(() => plane.stop());

const migrating: ControlPlane['migrating'] = (...args) => plane.migrating(...args);

const permanent = (code: string) =>
  ApplicationFailure.nonRetryable(`${code} happened`, code, { found: 'a thing', remedy: 'do that' });

/** temporal.api.enums.v1.PendingActivityState. */
const cancelRequested = 3;

async function isStopping(handle: WorkflowHandle): Promise<boolean> {
  const [pending] = (await handle.describe()).raw.pendingActivities ?? [];
  return Number(pending?.state) === cancelRequested;
}

const blocker = (code: ErrorCode): Finding => ({ severity: 'blocker', code, found: code, remedy: 'wait' });

function failOnce(code: string) {
  return (attempt: number) => {
    if (attempt === 1) throw permanent(code);
  };
}

describe('a migration', () => {
  it('runs its steps in order and gives the report as its result', async () => {
    await migrating({}, {}, async (handle, calls) => {
      const report = (await handle.result()) as MigrationReport;
      expect(calls).toEqual(undisturbed);
      expect(report.status).toBe('completed');
      // With what was found once they were here.
      expect(report.acquired).toHaveLength(1);
      expect(report.domain?.name).toBe('web01');
      expect(report.boot?.sign).toBe('login-prompt');
      expect(report.steps.every(({ state }) => state.status === 'done')).toBe(true);
    });
  });

  it('costs at most 150 history events', async () => {
    await migrating({}, {}, async (handle) => {
      await handle.result();
      const { historyLength } = await handle.describe();
      expect(historyLength).toBeLessThanOrEqual(150);
      // One for each of the nine steps, one for the host once it is known, one for the end.
      const { events } = await handle.fetchHistory();
      const writes = events?.filter((event) => event.upsertWorkflowSearchAttributesEventAttributes);
      expect(writes?.length).toBeLessThanOrEqual(11);
    });
  });

  it('shows its steps in the current details and can be found by search attributes', async () => {
    await migrating({ fixGuest: failOnce('GUEST_FIX_FAILED') }, {}, async (handle) => {
      await until(handle, ({ status }) => status === 'parked');
      const metadata = await handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata');
      expect(metadata.currentDetails).toMatch(/\| fix\s+\| ✗ \*\*failed\*\*\s+\| GUEST\\_FIX\\_FAILED\s+\|/);
      const { typedSearchAttributes } = await handle.describe();
      const shown = Object.fromEntries(
        typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]),
      );
      expect(shown).toMatchObject({ LonghaulState: 'parked', LonghaulStep: 'fix' });
    });
  });

  it('tries a retryable failure again by itself', async () => {
    const script: Script = {
      convertDisk: (attempt) => {
        if (attempt < 3) throw ApplicationFailure.retryable('qemu-img was killed', 'TOOL_KILLED');
      },
    };
    await migrating(script, {}, async (handle, calls) => {
      await handle.result();
      expect(calls.filter((name) => name === 'convertDisk')).toHaveLength(3);
    });
  });

  it('parks on a failure, shows what to do, and goes on after a retry with the steps before it kept', async () => {
    await migrating({ convertDisk: failOnce('SPACE_INSUFFICIENT') }, {}, async (handle, calls) => {
      const parked = await until(handle, ({ status }) => status === 'parked');
      expect(parked.failure).toMatchObject({
        code: 'SPACE_INSUFFICIENT',
        found: 'a thing',
        remedy: 'do that',
      });
      await resolve(handle, { action: 'retry' });
      await handle.result();
      expect(calls.filter((name) => name === 'acquire')).toHaveLength(1);
      expect(calls.filter((name) => name === 'convertDisk')).toHaveLength(2);
    });
  });

  it('repeats preflight when a retry amends the spec', async () => {
    await migrating({ inspectGuest: failOnce('GUEST_MULTIPLE_ROOTS') }, {}, async (handle, calls) => {
      const { spec } = await until(handle, ({ status }) => status === 'parked');
      await resolve(handle, {
        action: 'retry',
        spec: { ...spec, guest: { ...spec.guest, root: '/dev/sda2' } },
      });
      await handle.result();
      expect(calls.slice(0, 5)).toEqual([
        'preflight',
        'acquire',
        'inspectGuest',
        'preflight',
        'inspectGuest',
      ]);
      expect((await view(handle)).spec.guest.root).toBe('/dev/sda2');
    });
  });

  it('defines and boots the domain anew when a retry of the boot check amends the target', async () => {
    await migrating({ verifyBoot: failOnce('BOOT_NOT_SEEN') }, {}, async (handle, calls) => {
      const { spec } = await until(handle, ({ status }) => status === 'parked');
      const amended = { ...spec, target: { ...spec.target, firmware: 'uefi' as const } };
      await resolve(handle, { action: 'retry', spec: amended });
      const report = (await handle.result()) as MigrationReport;
      expect(calls.slice(-4)).toEqual(['preflight', 'defineDomain', 'verifyBoot', 'finish']);
      expect(report.domain?.firmware).toBe('uefi');
    });
  });

  it('refuses an amended spec that asks for what can no longer be', async () => {
    await migrating({ verifyBoot: failOnce('BOOT_NOT_SEEN') }, {}, async (handle) => {
      const { spec } = await until(handle, ({ status }) => status === 'parked');
      for (const target of [
        { ...spec.target, host: 'kvm9' },
        { ...spec.target, format: 'raw' as const },
      ]) {
        await expect(resolve(handle, { action: 'retry', spec: { ...spec, target } })).rejects.toThrow(
          WorkflowUpdateFailedError,
        );
      }
    });
  });

  it('refuses an amended spec with another source', async () => {
    await migrating({ convertDisk: failOnce('SPACE_INSUFFICIENT') }, {}, async (handle) => {
      const { spec } = await until(handle, ({ status }) => status === 'parked');
      const source = { kind: 'image' as const, nics: [], disks: [{ path: '/images/other.qcow2' }] };
      const other = { ...spec, source };
      await expect(resolve(handle, { action: 'retry', spec: other })).rejects.toThrow(
        WorkflowUpdateFailedError,
      );
    });
  });

  it('skips a step that others can do without, and refuses to skip one they cannot', async () => {
    const script: Script = { convertDisk: failOnce('CONVERT_FAILED'), verifyBoot: failOnce('BOOT_NOT_SEEN') };
    await migrating(script, {}, async (handle) => {
      await until(handle, ({ status }) => status === 'parked');
      await expect(resolve(handle, { action: 'skip' })).rejects.toThrow(WorkflowUpdateFailedError);
      await resolve(handle, { action: 'retry' });
      await until(handle, (now) => now.status === 'parked' && stateOf(now, 'verify-boot') === 'failed');
      await resolve(handle, { action: 'skip' });
      const report = (await handle.result()) as MigrationReport;
      expect(report.status).toBe('completed');
      expect(stateOf(report, 'verify-boot')).toBe('skipped');
    });
  });

  it('undoes what it made and fails when an operator aborts', async () => {
    await migrating({ verifyBoot: failOnce('BOOT_PANIC') }, {}, async (handle, calls) => {
      await until(handle, ({ status }) => status === 'parked');
      await resolve(handle, { action: 'abort' });
      await expect(handle.result()).rejects.toThrow(WorkflowFailedError);
      expect(calls.slice(-3)).toEqual(['undefineDomain', 'discardWork', 'finish']);
      expect((await view(handle)).status).toBe('aborted');
    });
  });

  it('does not wait for anybody when the policy says fail', async () => {
    const script: Script = { inspectGuest: failOnce('GUEST_NO_OS') };
    await migrating(script, { policy: { onFailure: 'fail' } }, async (handle, calls) => {
      const failure = await handle.result().then(
        () => undefined,
        (error: unknown) => (error as WorkflowFailedError).cause,
      );
      expect(failure).toMatchObject({ type: 'GUEST_NO_OS' });
      // The chain of causes leads to the activity that failed, for whoever looks into the Temporal UI.
      expect(failure).toMatchObject({ cause: { activityType: 'inspectGuest' } });
      expect(calls.slice(-2)).toEqual(['discardWork', 'finish']);
    });
  });

  it('refuses a decision while it is not parked', async () => {
    const copying = gate();
    await migrating({ convertDisk: () => copying.wait() }, {}, async (handle) => {
      await until(handle, (now) => stateOf(now, 'convert') === 'running');
      await expect(resolve(handle, { action: 'retry' })).rejects.toThrow(WorkflowUpdateFailedError);
      copying.open();
    });
  });

  it('pauses before the next step and goes on when resumed', async () => {
    const looking = gate();
    await migrating({ inspectGuest: () => looking.wait() }, {}, async (handle, calls) => {
      await until(handle, (now) => stateOf(now, 'inspect') === 'running');
      await handle.signal('pause');
      await until(handle, ({ pausing }) => pausing);
      looking.open();
      await until(handle, ({ status }) => status === 'paused');
      const before = [...calls];
      await new Promise((done) => setTimeout(done, 500));
      expect(calls).toEqual(before);
      expect(calls).not.toContain('fixGuest');
      await handle.signal('resume');
      expect(((await handle.result()) as MigrationReport).status).toBe('completed');
    });
  });

  it('runs the step once more when it is resumed before a pause has stopped it', async () => {
    const script: Script = { verifyBoot: (attempt) => (attempt === 1 ? stopsSlowly() : undefined) };
    await migrating(script, {}, async (handle, calls) => {
      await expect.poll(() => calls).toContain('verifyBoot');
      await handle.signal('pause');
      await handle.signal('resume');
      expect(((await handle.result()) as MigrationReport).status).toBe('completed');
      expect(calls.filter((name) => name === 'verifyBoot')).toHaveLength(2);
    });
  });

  it('undoes what it made when it is cancelled while a pause stops a step', async () => {
    await migrating({ verifyBoot: () => stopsSlowly() }, {}, async (handle, calls) => {
      await until(handle, (now) => stateOf(now, 'verify-boot') === 'running');
      await handle.signal('pause');
      await handle.cancel();
      await expect(handle.result()).rejects.toThrow(WorkflowFailedError);
      expect(calls.slice(-3)).toEqual(['undefineDomain', 'discardWork', 'finish']);
      expect((await view(handle)).status).toBe('cancelled');
    });
  });

  it('undoes what it made when it is cancelled in the middle of a step', async () => {
    // It hears of no cancellation, and ends when it is let.
    const boots = Promise.withResolvers<undefined>();
    await migrating({ verifyBoot: () => boots.promise }, {}, async (handle, calls) => {
      await expect.poll(() => calls).toContain('verifyBoot');
      try {
        await handle.cancel();
        await expect.poll(() => isStopping(handle)).toBe(true);
      } finally {
        boots.resolve(undefined);
      }
      await expect(handle.result()).rejects.toThrow(WorkflowFailedError);
      expect(calls.slice(-3)).toEqual(['undefineDomain', 'discardWork', 'finish']);
      expect((await view(handle)).status).toBe('cancelled');
    });
  });

  it('is complete when a cancel comes while its report is being written', async () => {
    const writing = gate();
    await migrating({ finish: () => writing.wait() }, {}, async (handle, calls) => {
      await until(handle, (now) => stateOf(now, 'report') === 'running');
      await handle.cancel();
      // Time for a step that could be cancelled to hear of it.
      await new Promise((done) => setTimeout(done, 1_500));
      writing.open();
      expect(((await handle.result()) as MigrationReport).status).toBe('completed');
      expect(calls).toEqual(undisturbed);
    });
  });

  it('does not boot disks that hold no operating system', async () => {
    await migrating({ os: 'none' }, {}, async (handle, calls) => {
      const report = (await handle.result()) as MigrationReport;
      expect(calls).not.toContain('verifyBoot');
      const { state } = report.steps.find(({ name }) => name === 'verify-boot') ?? {};
      expect(state).toEqual({ status: 'skipped', reason: 'no operating system' });
    });
  });

  it('goes on with a step however often the worker is restarted in the middle of it', async () => {
    const script: Script = {
      // Three attempts are all a step has here.
      convertDisk: (attempt) => {
        if (attempt < 6) throw ApplicationFailure.retryable('stopped', 'WORKER_DRAINING');
      },
    };
    await migrating(script, {}, async (handle, calls) => {
      expect(((await handle.result()) as MigrationReport).status).toBe('completed');
      expect(calls.filter((name) => name === 'convertDisk')).toHaveLength(6);
    });
  });

  it('is blocked by preflight before anything was made', async () => {
    const script: Script = { preflight: () => Promise.reject(permanent('DOMAIN_EXISTS')) };
    await migrating(script, { policy: { onFailure: 'fail' } }, async (handle, calls) => {
      await expect(handle.result()).rejects.toThrow(WorkflowFailedError);
      expect(calls).toEqual(['preflight']);
    });
  });

  it('waits a little for what may pass by itself before it says that preflight is in the way', async () => {
    const away = (attempt: number) => (attempt < 3 ? [blocker('LIBVIRT_UNREACHABLE')] : []);
    await migrating({ findings: away }, { policy: { onFailure: 'fail' } }, async (handle, calls) => {
      expect(((await handle.result()) as MigrationReport).status).toBe('completed');
      expect(calls.filter((name) => name === 'preflight')).toHaveLength(3);
    });
  });

  it('does not wait when one thing that blocks it will not pass by itself', async () => {
    const both = () => [blocker('LIBVIRT_UNREACHABLE'), blocker('TARGET_EXISTS')];
    await migrating({ findings: both }, { policy: { onFailure: 'fail' } }, async (handle, calls) => {
      await expect(handle.result()).rejects.toThrow(WorkflowFailedError);
      expect(calls).toEqual(['preflight']);
    });
  });
});
