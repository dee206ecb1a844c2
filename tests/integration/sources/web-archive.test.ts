import { copyFile, mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TransferPlane } from '../../../activities/transfer/transfer-plane.ts';
import { archiveVm } from '../../support/archive-vm.ts';
import { writePackage } from '../../support/ova.ts';
import { oneDiskOvf } from '../../support/ovf-texts.ts';
import { makeTar } from '../../support/tar-member.ts';
import { WebServer } from '../../support/web-server.ts';
import { sha256 } from '../image/variants.ts';
import { contentOf, ovaOf, prepare, refusal, sizeBytes, vmdk } from './ova-package.ts';

let directory: string;
let server: WebServer;
let transfer: TransferPlane;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'longhaul-web-'));
  await mkdir(join(directory, 'server'));
  server = await WebServer.start(join(directory, 'server'));
  const dispatcher = new Agent({ connections: 4, connect: { ca: server.authority } });
  transfer = { dispatcher, connections: 4, limits: [], close: () => dispatcher.destroy() };
});
afterAll(async () => {
  await transfer.dispatcher.destroy();
  await server.stop();
  await rm(directory, { recursive: true });
});

const described = {
  vm: { cpus: 2, memoryMiB: 2048, nics: [{ mac: '00:50:56:aa:bb:cc', network: 'VM Network' }] },
  disks: [],
  remoteDisks: [{ index: 0, virtualSizeBytes: sizeBytes }],
};

describe('an OVA on a web server', () => {
  it('is described without being fetched', async () => {
    const { ova } = await ovaOf();
    await copyFile(ova, join(server.folder, 'web01.ova'));
    const before = (await server.requests()).length;
    expect(await archiveVm({ url: server.url('web01.ova') }, { transfer }).describe()).toMatchObject(
      described,
    );
    const bytes = (await server.requests()).slice(before).reduce((sum, { bodyBytes }) => sum + bodyBytes, 0);
    expect(bytes).toBeLessThan((await stat(ova)).size / 3);
  });

  it('is described the same when its descriptor lies behind the disk', async () => {
    const { source, directory: place } = await prepare();
    await writePackage({ directory: source, descriptor: oneDiskOvf(vmdk, sizeBytes), files: [vmdk] });
    makeTar(join(place, 'late.ova'), source, [vmdk, 'web01.mf', 'web01.ovf']);
    await copyFile(join(place, 'late.ova'), join(server.folder, 'late.ova'));
    expect(await archiveVm({ url: server.url('late.ova') }, { transfer }).describe()).toMatchObject(
      described,
    );
  });

  it('is not asked for again when it was only not clear what is meant in it', async () => {
    const { ova } = await ovaOf();
    await copyFile(ova, join(server.folder, 'unclear.ova'));
    const vm = archiveVm({ url: server.url('unclear.ova'), system: 'other' }, { transfer });
    expect((await refusal(vm.acquire())).code).toBe('ARCHIVE_AMBIGUOUS');
    const before = (await server.requests()).length;
    expect((await refusal(vm.acquire())).code).toBe('ARCHIVE_AMBIGUOUS');
    expect((await server.requests()).length).toBe(before);
  });

  it('is fetched, compared with its manifest, and used where it was fetched to', async () => {
    const { ova, raw } = await ovaOf();
    await copyFile(ova, join(server.folder, 'again.ova'));
    const vm = archiveVm({ url: server.url('again.ova') }, { transfer });
    const [disk] = await vm.acquire();
    const path = join(vm.work.fetched, 'disk0');
    expect(disk).toMatchObject({
      image: { path, window: { name: vmdk } },
      transfer: { from: server.url('again.ova') },
    });
    expect(await contentOf(disk)).toBe(await sha256(raw));
  });
});
