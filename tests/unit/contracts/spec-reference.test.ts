import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseSpecFile } from '../../../contracts/spec-file.ts';
import { keysAt } from '../../../contracts/spec-schema.ts';

const reference = readFileSync(new URL('../../../docs/spec.md', import.meta.url), 'utf8');

/** Every key of the spec as the reference writes it: `source.disks[].path`. */
function allKeys(path: (string | number)[] = [], prefix = ''): string[] {
  return keysAt(path).flatMap((key) => {
    const here = prefix + key;
    return [here, ...allKeys([...path, key], `${here}.`), ...allKeys([...path, key, 0], `${here}[].`)];
  });
}

describe('the reference of the spec', () => {
  it('has a row for every key and for no other', () => {
    const documented = [...reference.matchAll(/^\| `([^`]+)` +\|/gm)].map((match) => match[1]);
    // A section stands for the key it is named after.
    const keys = allKeys().filter((key) => !['source', 'guest', 'target', 'policy'].includes(key));
    expect(documented.toSorted()).toEqual(keys.toSorted());
  });

  it('has examples that are valid specs', () => {
    const examples = [...reference.matchAll(/```yaml\n(.*?)```/gs)].map((match) => match[1] ?? '');
    expect(examples).toHaveLength(4);
    for (const example of examples)
      expect(parseSpecFile(example, 'example.yaml', '/specs').name).not.toBe('');
  });
});
