import { describe, expect, it } from 'vitest';
import { findMigration, type MigrationRow } from '../../../client/find-migration.ts';

const row = (vm: string, digest: string, ended = false): MigrationRow => ({
  migrationId: `migrate-image-${vm}-${digest}`,
  vm,
  status: ended ? 'completed' : 'running',
  startedAt: '2026-11-23T07:00:00Z',
  ...(ended ? { endedAt: '2026-11-23T08:00:00Z' } : {}),
});
const rows = [
  row('web01', 'aaaaaaaa'),
  row('web02', 'bbbbbbbb'),
  row('db', 'cccccccc', true),
  row('db', 'dddddddd'),
];
const idOf = (reference: string) => findMigration(reference, rows).migrationId;

describe('the migration a person means', () => {
  it('is found by its id, the beginning of it, or the name of the VM', () => {
    expect(idOf('migrate-image-web01-aaaaaaaa')).toBe('migrate-image-web01-aaaaaaaa');
    expect(idOf('migrate-image-web02')).toBe('migrate-image-web02-bbbbbbbb');
    expect(idOf('web01')).toBe('migrate-image-web01-aaaaaaaa');
  });

  it('is the one that still runs when others of that name have ended', () => {
    expect(idOf('db')).toBe('migrate-image-db-dddddddd');
  });

  it('is asked for again when several fit, which are named', () => {
    expect(() => idOf('migrate-image-web')).toThrow(
      /fits 2 migrations: migrate-image-web01-aaaaaaaa \(running\), /,
    );
  });

  it('is not found under a slip, and the nearest name is offered', () => {
    const error: unknown = (() => {
      try {
        return idOf('wbe01');
      } catch (caught) {
        return caught;
      }
    })();
    expect(error).toMatchObject({
      code: 'MIGRATION_NOT_FOUND',
      remedy: expect.stringContaining('Did you mean web01?') as string,
    });
  });
});
