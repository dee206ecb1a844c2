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
    expect(currentDetails(state.view())).toContain('| convert | done | 90.5 s |');
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
