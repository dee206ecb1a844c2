import { describe, expect, it } from 'vitest';
import { keysAt, placesOf, specJsonSchema } from '../../../contracts/spec-schema.ts';

describe('the JSON Schema of the spec', () => {
  it('knows the keys of every place, those of list entries included', () => {
    expect(keysAt([])).toEqual(['name', 'source', 'guest', 'target', 'policy']);
    expect(keysAt(['source', 'disks', 1])).toEqual(['path', 'format', 'url']);
  });

  it('finds where else a key belongs', () => {
    expect(placesOf('format')).toEqual(['source.disks[].format', 'target.format']);
  });

  it('asks only for what has no default', () => {
    expect(specJsonSchema()['required']).toEqual(['source']);
  });
});
