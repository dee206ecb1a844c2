import { describe, expect, it } from 'vitest';
import { nearest } from '../../../contracts/nearest.ts';
import { keysAt, placesOf, specJsonSchema } from '../../../contracts/spec-schema.ts';
import { formatBytes, formatDuration, secondsBetween } from '../../../contracts/units.ts';
import { vmNameFromPath } from '../../../contracts/vm-name.ts';

describe('the nearest known word', () => {
  const words = ['format', 'firmware', 'directory', 'pool'];
  it.each([
    ['formt', 'format'],
    ['FORMAT', 'format'],
    ['dir', 'directory'],
    ['firmwear', 'firmware'],
  ])('to %s is %s', (word, expected) => {
    expect(nearest(word, words)).toBe(expected);
  });

  it('is none when nothing is close', () => {
    expect(nearest('bananas', words)).toBeUndefined();
    expect(nearest('xy', ['ab'])).toBeUndefined();
  });
});

describe('quantities for people', () => {
  it('bytes are in IEC units with three figures at most', () => {
    expect([0, 1023, 1536, 150 * 2 ** 20, 2 ** 40, 1_048_575].map(formatBytes)).toEqual([
      '0 B',
      '1023 B',
      '1.5 KiB',
      '150 MiB',
      '1 TiB',
      '1 MiB',
    ]);
  });

  it('durations have two parts at most', () => {
    expect([0.04, 3.25, 59.6, 200, 7500, 180_000].map(formatDuration)).toEqual([
      '0 s',
      '3.3 s',
      '1 min',
      '3 min 20 s',
      '2 h 5 min',
      '2 d 2 h',
    ]);
  });

  it('a clock that went backwards took no time', () => {
    expect(secondsBetween('2026-01-01T00:00:05Z', '2026-01-01T00:00:00Z')).toBe(0);
  });
});

describe('the name of a VM from its image', () => {
  it.each([
    ['/x/web01.vmdk', 'web01'],
    ['/x/My Server (old)-disk1.vmdk', 'My-Server-old'],
    ['/x/db-flat.vmdk', 'db'],
    ['/x/srv.example.net.qcow2', 'srv.example.net'],
    ['/x/.vmdk', 'vm'],
    ['/x/--.img', 'vm'],
  ])('%s is called %s', (path, expected) => {
    expect(vmNameFromPath(path)).toBe(expected);
  });
});

describe('the JSON Schema of the spec', () => {
  it('knows the keys of every place, those of list entries included', () => {
    expect(keysAt([])).toEqual(['name', 'source', 'guest', 'target', 'policy']);
    expect(keysAt(['source', 'disks', 1])).toEqual(['path', 'format']);
  });

  it('finds where else a key belongs', () => {
    expect(placesOf('format')).toEqual(['source.disks[].format', 'target.format']);
  });

  it('asks only for what has no default', () => {
    expect(specJsonSchema()['required']).toEqual(['name', 'source']);
  });
});
