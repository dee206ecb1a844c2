import { execFileSync } from 'node:child_process';
import { copyFileSync, renameSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { archiveVm } from '../../support/archive-vm.ts';
import { writePackage } from '../../support/ova.ts';
import { oneDiskOvf } from '../../support/ovf-texts.ts';
import { makeTar } from '../../support/tar-member.ts';
import { type Made, ovaOf, prepare, refusal, sizeBytes, vmdk } from './ova-package.ts';

describe('an archive that another takes the place of while it is read', () => {
  it.each<[string, RegExp, () => Promise<string>]>([
    ['an OVA', /^reading/, async () => (await ovaOf()).ova],
    ['a tar with a disk', /^reading/, async () => tarOf(await prepare())],
    ['a compressed disk', /^reading/, async () => compressed(await prepare())],
    ['an OVF package in a tar.gz', /^reading/, async () => packed(await prepare())],
    ['a disk of a package in a directory', /^unpacking/, async () => inDirectory(await prepare())],
  ])('is refused: %s', async (_what, word, make) => {
    const path = await make();
    const read = path.endsWith('.ovf') ? join(path, '..', `${vmdk}.gz`) : path;
    let replaced = false;
    const report = (doing: string) => {
      if (replaced || !word.test(doing)) return;
      replaced = true;
      copyFileSync(read, `${read}.other`);
      renameSync(`${read}.other`, read);
    };
    const vm = archiveVm({ path });
    const error = await refusal(vm.acquire(undefined, { report }));
    expect(replaced).toBe(true);
    expect(error.code).toBe('SOURCE_CHANGED');
    expect(await vm.acquire()).toHaveLength(1);
  });
});

function tarOf({ directory, source }: Made): string {
  const path = join(directory, 'bundle.tar');
  makeTar(path, source, [vmdk]);
  return path;
}

async function compressed({ directory, source }: Made): Promise<string> {
  const path = join(directory, 'disk.vmdk.gz');
  await writeFile(path, gzipSync(await readFile(join(source, vmdk))));
  return path;
}

async function packed({ directory, source }: Made): Promise<string> {
  const path = join(directory, 'web01.tar.gz');
  const descriptor = oneDiskOvf(vmdk, sizeBytes);
  const names = await writePackage({ directory: source, descriptor, files: [vmdk] });
  execFileSync('tar', ['-czf', path, '-C', source, ...names]);
  return path;
}

async function inDirectory({ source }: Made): Promise<string> {
  await writeFile(join(source, `${vmdk}.gz`), gzipSync(await readFile(join(source, vmdk))));
  const files = [{ id: 'file1', href: `${vmdk}.gz`, more: 'ovf:compression="gzip"' }];
  const descriptor = oneDiskOvf('', sizeBytes, { files });
  await writePackage({ directory: source, descriptor, files: [`${vmdk}.gz`] });
  return join(source, 'web01.ovf');
}
