import { describe, expect, it } from 'vitest';
import { migrationSpec } from '../../../contracts/spec.ts';
import { currentDetails } from '../../../workflows/details.ts';
import { MigrationState } from '../../../workflows/migration-state.ts';

const spec = migrationSpec.parse({ name: 'web01', source: { kind: 'image', disks: ['/i/web01.vmdk'] } });

function stateAt(): { state: MigrationState; clock: { ms: number } } {
  const clock = { ms: Date.parse('2026-01-01T00:00:00Z') };
  const state = new MigrationState('migrate-image-web01-1', spec, () => new Date(clock.ms).toISOString());
  return { state, clock };
}

describe('the state of a migration', () => {
  it('times a step from its beginning to its end', () => {
    const { state, clock } = stateAt();
    state.begin('convert');
    clock.ms += 90_500;
    state.done('convert');
    expect(currentDetails(state.view())).toMatch(
      /\| convert\s+\| ✓ done\s+\| write the new disks\s+\| 1 min 31 s\s+\|/,
    );
  });

  it('drops progress of a step that is over', () => {
    const { state } = stateAt();
    const progress = {
      step: 'convert',
      doing: 'copying',
      disk: { index: 0, doneBytes: 1, totalBytes: 2, rateBytesPerSecond: 1 },
    } as const;
    state.begin('convert');
    state.noteProgress(progress);
    expect(state.view().disks).toHaveLength(1);
    state.done('convert');
    state.begin('define');
    state.noteProgress(progress);
    expect(state.view().disks).toHaveLength(0);
  });

  it('says that it waits for its host while that is gone, whatever order it hears it in', () => {
    const { state } = stateAt();
    const gone = '2026-01-01T00:00:00Z';
    state.hostId = 'kvm1';
    state.begin('convert');
    state.noteHostWord({ hostId: 'kvm2', saidAt: 9, gone });
    expect(state.view().hostGone).toBeUndefined();
    state.noteHostWord({ hostId: 'kvm1', saidAt: 10, gone });
    expect(state.view().hostGone).toBe(gone);
    expect(currentDetails(state.view())).toContain('waits for kvm1, gone since 2026-01-01 00:00 UTC');
    state.noteHostWord({ hostId: 'kvm1', saidAt: 12 });
    state.noteHostWord({ hostId: 'kvm1', saidAt: 11, gone });
    expect(state.view().hostGone).toBeUndefined();
  });

  it('begins from the first step again on another host, and remembers whose the VM was', () => {
    const { state } = stateAt();
    state.spec = { ...spec, target: { ...spec.target, host: 'kvm1' } };
    state.hostId = 'kvm1';
    state.begin('preflight');
    state.done('preflight');
    state.begin('define');
    expect(state.hasBegun('define')).toBe(true);
    state.startOver({ labels: ['ssd'] });
    expect(state.view()).toMatchObject({
      status: 'running',
      spec: { target: { host: 'any', labels: ['ssd'] } },
    });
    expect(state.view().steps.every((step) => step.state.status === 'pending')).toBe(true);
    expect(state.hasBegun('define')).toBe(false);
    expect(state.report()).toMatchObject({
      hostId: undefined,
      kept: ['on kvm1: what was begun there, until that host is back'],
    });
    state.startOver({ host: 'kvm3' });
    expect(state.spec.target).toMatchObject({ host: 'kvm3' });
    expect(state.spec.target.labels).toBeUndefined();
    expect(state.report().kept).toHaveLength(1);
  });

  it('names the parked step, and says what to do in its details', () => {
    const { state } = stateAt();
    state.begin('inspect');
    state.fail('inspect', {
      code: 'GUEST_NO_OS',
      message: 'm',
      found: 'sda is blank',
      remedy: 'Check the image.',
    });
    state.status = 'parked';
    expect(state.parkedStep).toBe('inspect');
    const details = currentDetails(state.view());
    expect(details).toContain('sda is blank');
    expect(details).toContain('Check the image.');
    expect(details).toContain('longhaul retry migrate-image-web01-1');
  });
});
