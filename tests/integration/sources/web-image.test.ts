import { join } from 'node:path';
import { Agent } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { WorkDir } from '../../../activities/host/work-dir.ts';
import type { TransferPlane } from '../../../activities/transfer/transfer-plane.ts';
import { migrationSpec } from '../../../contracts/spec.ts';
import { testIo } from '../../support/io.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { testRun, testSources } from '../../support/sources.ts';
import { WebServer } from '../../support/web-server.ts';
import { makeDisk, qemuImg } from '../image/variants.ts';

let directory: string;
let server: WebServer;
let transfer: TransferPlane;
let raw: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'longhaul-web-'));
  await mkdir(join(directory, 'server'));
  server = await WebServer.start(join(directory, 'server'));
  const dispatcher = new Agent({ connections: 4, connect: { ca: server.authority } });
  transfer = { dispatcher, connections: 4, limits: [] };
  raw = join(directory, 'disk.raw');
  await makeDisk(raw);
  qemuImg('convert', '-O', 'qcow2', raw, join(server.folder, 'web 01.qcow2'));
});
afterAll(async () => {
  await transfer.dispatcher.destroy();
  await server.stop();
  await rm(directory, { recursive: true });
});

/** A VM with these disks, on a host of its own. */
function vmOf(disks: unknown[], environment: Record<string, string> = {}) {
  const { name, source } = migrationSpec.parse({ name: 'web01', source: { kind: 'image', disks } });
  const work = new WorkDir(scratchDirectory(), testRun);
  const sourceOf = testSources(environment, {}, transfer)(source.kind);
  const request = { name, source, run: testRun };
  return {
    work,
    describe: () => sourceOf.describe(request, testIo()),
    acquire: () => sourceOf.acquire(request, work, testIo()),
  };
}

const compare = (image: string, format = 'qcow2') =>
  qemuImg('compare', '-f', format, '-F', 'raw', image, raw);

describe('a disk on a web server', () => {
  it('is known before it is fetched', async () => {
    const { disks, remoteDisks, findings } = await vmOf([server.url('web%2001.qcow2')]).describe();
    expect(disks).toEqual([]);
    expect(findings).toEqual([]);
    expect(remoteDisks).toMatchObject([
      { index: 0, name: server.url('web%2001.qcow2'), virtualSizeBytes: 24 * 1024 ** 2 + 3 * 512 },
    ]);
  });

  it('is fetched over TLS and opened as the image that it is', async () => {
    const vm = vmOf([server.url('web%2001.qcow2')]);
    const [disk] = await vm.acquire();
    expect(disk).toMatchObject({
      index: 0,
      image: { format: 'qcow2', path: join(vm.work.fetched, 'disk0') },
    });
    expect(disk?.transfer).toMatchObject({ from: server.url('web%2001.qcow2') });
    expect(compare(join(vm.work.fetched, 'disk0'))).toContain('identical');
  });
});
