import { describe, expect, it } from 'vitest';
import { migrationIdOf } from '../../../contracts/ids.ts';
import { parseSpecFile } from '../../../contracts/spec-file.ts';
import { migrationSpec } from '../../../contracts/spec.ts';

const fileOf = (source: string) => parseSpecFile(`source:\n  kind: archive\n${source}`, 'vm.yaml', '/specs');
const idOf = (source: object) =>
  migrationIdOf(migrationSpec.parse({ name: 'web01', source: { kind: 'archive', ...source } }));

describe('a spec of an archive', () => {
  it('counts its path from the file, and takes its name', () => {
    expect(fileOf('  path: exports/web01.ova')).toMatchObject({
      name: 'web01',
      source: { path: '/specs/exports/web01.ova' },
    });
  });

  it('is named after the VM that is meant', () => {
    expect(fileOf('  path: shop.ova\n  system: db01').name).toBe('db01');
  });

  it('leaves the names of members as they are', () => {
    expect(fileOf('  path: a.tar\n  disks: [system.raw, d/data.raw]').source).toMatchObject({
      disks: ['system.raw', 'd/data.raw'],
    });
  });

  it.each([
    ['neither path nor url', '  verify: true', 'path or url'],
    ['both', '  path: a.ova\n  url: https://h.example/a.ova', 'path or url'],
    ['an address with a signature', '  url: https://h.example/a.ova?sig=x', 'query'],
    ['a limit that is none', '  path: a.ova\n  limits: { maxMembers: 0 }', 'maxMembers'],
    ['a limit there is none of', '  path: a.ova\n  limits: { maxMember: 3 }', 'maxMember'],
    ['no disks at all', '  path: a.ova\n  disks: []', 'disks'],
  ])('is refused with %s', (_what, source, named) => {
    expect(() => fileOf(source)).toThrow(
      expect.objectContaining({ code: 'SPEC_INVALID', found: expect.stringContaining(named) as string }),
    );
  });

  it('has an id of its own for each VM of a package', () => {
    const ids = [
      { path: '/a.ova' },
      { path: '/a.ova', system: 'db01' },
      { path: '/b.ova' },
      { url: 'https://h.example/a.ova' },
    ].map(idOf);
    expect(new Set(ids).size).toBe(4);
    expect(idOf({ path: '/a.ova', verify: false })).toBe(ids[0]);
  });
});
