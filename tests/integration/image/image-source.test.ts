import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { migrationSpec } from '../../../contracts/spec.ts';
import { WorkDir } from '../../../activities/host/work-dir.ts';
import { testRun, testSources } from '../../support/sources.ts';
import { testIo } from '../../support/io.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { digests, qemuImg } from './variants.ts';

function setUp(disks: (directory: string) => unknown[], more: object = {}) {
  const directory = scratchDirectory();
  qemuImg('create', '-q', '-f', 'qcow2', join(directory, 'root.qcow2'), '8M');
  qemuImg('create', '-q', '-f', 'vmdk', join(directory, 'data.vmdk'), '4M');
  const { name, source } = migrationSpec.parse({
    name: 'web01',
    source: { kind: 'image', disks: disks(directory), ...more },
  });
  return { directory, request: { name, source, run: testRun } };
}

describe('the image source', () => {
  it('describes a VM with its disks in order and its NICs, and creates nothing', async () => {
    const { directory, request } = setUp(
      (dir) => [join(dir, 'root.qcow2'), { path: join(dir, 'data.vmdk'), format: 'vmdk' }],
      { nics: [{ mac: '00:50:56:AA:BB:CC', network: 'lan' }, {}], cpus: 2, memoryMiB: 1024 },
    );
    const before = await digests(directory);
    const { vm, disks } = await testSources()(request.source.kind).describe(request, testIo());
    expect(vm).toMatchObject({ name: 'web01', cpus: 2, memoryMiB: 1024 });
    expect(vm.nics[0]).toEqual({ mac: '00:50:56:aa:bb:cc', network: 'lan' });
    expect(vm.nics[1]?.mac).toMatch(/^52:54:00:/);
    expect(disks).toMatchObject([
      { index: 0, virtualSizeBytes: 8 << 20, image: { format: 'qcow2' } },
      { index: 1, virtualSizeBytes: 4 << 20, image: { format: 'vmdk' } },
    ]);
    expect(disks[0]?.files).toMatchObject([{ path: join(directory, 'root.qcow2') }]);
    expect(await digests(directory)).toEqual(before);
  });

  it('acquires the same disks each time', async () => {
    const { request } = setUp((dir) => [join(dir, 'root.qcow2')]);
    const work = new WorkDir(scratchDirectory(), { migrationId: 'm', runId: 'r' });
    const first = await testSources()(request.source.kind).acquire(request, work, testIo());
    expect(await testSources()(request.source.kind).acquire(request, work, testIo())).toEqual(first);
  });

  it('refuses one file as two disks', async () => {
    const { request } = setUp((dir) => [join(dir, 'root.qcow2'), join(dir, 'root.qcow2')]);
    await expect(testSources()(request.source.kind).describe(request, testIo())).rejects.toMatchObject({
      code: 'SPEC_INVALID',
    });
  });
});
