import { describe, expect, it } from 'vitest';
import { migrationSpec } from '../../../contracts/spec.ts';
import { refusalOfAmendment } from '../../../workflows/amendments.ts';
import { MigrationState } from '../../../workflows/migration-state.ts';

const specOf = (source: object) =>
  migrationSpec.parse({ name: 'web01', source: { kind: 'archive', ...source } });
const stateOf = () =>
  new MigrationState('migrate-archive-web01-1', specOf({ path: '/a.ova' }), () => new Date(0).toISOString());

describe('an amended spec of an archive', () => {
  it.each([{ system: 'db01' }, { disks: ['system.raw'] }, { verify: false }, { limits: { maxRatio: 2000 } }])(
    'may answer what was asked: %j',
    (answer) => {
      expect(refusalOfAmendment(stateOf(), specOf({ path: '/a.ova', ...answer }))).toBeUndefined();
    },
  );

  it('may not name another archive', () => {
    expect(refusalOfAmendment(stateOf(), specOf({ path: '/b.ova' }))).toContain(
      'keep the name and the source',
    );
    expect(refusalOfAmendment(stateOf(), specOf({ url: 'https://h.example/a.ova' }))).toContain(
      'keep the name',
    );
  });

  it('may not answer once the disks are acquired', () => {
    const state = stateOf();
    state.begin('acquire');
    state.done('acquire');
    expect(refusalOfAmendment(state, specOf({ path: '/a.ova', system: 'db01' }))).toContain(
      'the step acquire has ended',
    );
  });

  it('may still do without the manifest while its disks are copied', () => {
    const state = stateOf();
    const trusting = specOf({ path: '/a.ova', verify: false });
    for (const step of ['acquire', 'convert'] as const) {
      state.begin(step);
      if (step === 'convert') expect(refusalOfAmendment(state, trusting)).toBeUndefined();
      state.done(step);
    }
    expect(refusalOfAmendment(state, trusting)).toContain('the step convert has ended');
  });

  it('may not ask for the manifest once the disks were acquired without it', () => {
    const trusting = specOf({ path: '/a.ova', verify: false });
    const state = new MigrationState('migrate-archive-web01-1', trusting, () => new Date(0).toISOString());
    const verifying = specOf({ path: '/a.ova' });
    state.begin('acquire');
    expect(refusalOfAmendment(state, verifying)).toBeUndefined();
    state.done('acquire');
    expect(refusalOfAmendment(state, verifying)).toContain('the step acquire has ended');
  });
});
