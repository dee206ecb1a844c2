import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { factsOfHead } from '../../../../activities/image/formats/head.ts';
import { scratchDirectory } from '../../../support/scratch.ts';

function headOf(format: string, ...options: string[]): Buffer {
  const path = join(scratchDirectory(), 'disk');
  execFileSync('qemu-img', ['create', '-q', '-f', format, ...options, path, '32M']);
  return readFileSync(path).subarray(0, 65_536);
}

describe('the head of an image', () => {
  it.each(['qcow2', 'vmdk', 'vdi'])('says how large the disk in a %s is', (format) => {
    expect(factsOfHead(headOf(format))).toEqual({ virtualSizeBytes: 32 << 20, namesOtherFiles: false });
  });

  it('says nothing of a raw disk, and of what is too short', () => {
    expect(factsOfHead(Buffer.alloc(65_536))).toEqual({ namesOtherFiles: false });
    expect(factsOfHead(Buffer.from('QFI\xfb', 'latin1'))).toEqual({ namesOtherFiles: false });
  });

  it.each([
    ['a qcow2 on top of another', ['qcow2', '-u', '-b', 'base.img', '-F', 'raw']],
    ['a VMDK in pieces', ['vmdk', '-o', 'subformat=twoGbMaxExtentSparse']],
    ['a qcow2 with its data elsewhere', ['qcow2', '-o', 'data_file=/tmp/longhaul-test-data.img']],
  ])('tells %s, which does not come whole', (_what, [format = '', ...options]) => {
    expect(factsOfHead(headOf(format, ...options)).namesOtherFiles).toBe(true);
  });
});
