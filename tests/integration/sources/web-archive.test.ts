import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { Agent } from 'undici';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { TransferPlane } from '../../../activities/transfer/transfer-plane.ts';
import type { ImageWindow } from '../../../contracts/values.ts';
import { archiveVm } from '../../support/archive-vm.ts';
import { writePackage } from '../../support/ova.ts';
import { oneDiskOvf } from '../../support/ovf-texts.ts';
import { RangeServer } from '../../support/range-server.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { tar, tarFile } from '../../support/tar-bytes.ts';
import { makeTar, memberOf } from '../../support/tar-member.ts';
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

  it.each([
    ['in a disk', ({ offset }: ImageWindow) => offset + 70_000],
    ['in a header', ({ offset }: ImageWindow) => offset - 100],
    [
      'before the mark of its end',
      ({ offset, sizeBytes: bytes }: ImageWindow) => offset + Math.ceil(bytes / 512) * 512,
    ],
  ])('is refused when it was cut off %s', async (_where, cut) => {
    const { ova, source } = await ovaOf();
    const bytes = (await readFile(ova)).subarray(0, cut(memberOf(ova, source, vmdk)));
    await writeFile(join(server.folder, 'cut.ova'), bytes);
    const error = await refusal(archiveVm({ url: server.url('cut.ova') }, { transfer }).describe());
    expect(error).toMatchObject({
      code: 'ARCHIVE_DAMAGED',
      found: expect.stringContaining('cut.ova') as string,
    });
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

describe('a process that is killed', () => {
  const MiB = 1024 ** 2;
  const program = fileURLToPath(new URL('archive-process.ts', import.meta.url));

  /** Two disks, compressed, on a server; a host that is to have them. */
  async function setUp() {
    const disks = ['a.raw', 'b.raw'].map((name) => ({ name, bytes: partitioned(randomBytes(40 * MiB)) }));
    const archive = gzipSync(tar(...disks.map(({ name, bytes }) => tarFile(bytes, { name }))), { level: 1 });
    const web = await RangeServer.start(archive);
    onTestFinished(() => web.close());
    const stateDir = scratchDirectory();
    const environment = { ARCHIVE: web.url.href };
    const names = disks.map(({ name }) => name);
    const vm = archiveVm({ url: 'env:ARCHIVE', disks: names }, { stateDir, environment });
    /** Ends the acquire step of another process once that is true. @returns whether it was still at work */
    const killOnce = async (isTime: () => boolean | Promise<boolean>) => {
      const child = spawn(process.execPath, [program, web.url.href, stateDir], { stdio: 'ignore' });
      const exit = once(child, 'exit');
      while (child.exitCode === null && !(await isTime())) await sleep(5);
      child.kill('SIGKILL');
      await exit;
      return child.signalCode === 'SIGKILL';
    };
    const expectRight = async () => {
      const acquired = await vm.acquire();
      const contents = await Promise.all(acquired.map(({ image }) => readFile(image.path)));
      expect(contents.map((each, index) => each.equals(disks[index]?.bytes ?? Buffer.alloc(0)))).toEqual([
        true,
        true,
      ]);
    };
    return { archive, web, vm, killOnce, expectRight };
  }

  it('while it fetches an archive costs a chunk of each connection', async () => {
    const { archive, web, killOnce, expectRight } = await setUp();
    const [connections, chunkBytes] = [4, 8 * MiB];
    // So that the kill meets it in the middle: seven of the ten chunks were asked for.
    web.misbehave = () => sleep(150).then(() => false);
    expect(await killOnce(() => web.asked >= 8)).toBe(true);
    await expectRight();
    expect(web.sentBytes).toBeLessThanOrEqual(archive.length + connections * chunkBytes + 2 * 65_536);
  });

  it('while it unpacks what was fetched asks for nothing again, and keeps what is whole', async () => {
    const { web, vm, killOnce, expectRight } = await setUp();
    const files = join(vm.work.scratch, 'archive');
    const first = join(files, 'files', 'a.raw');
    const isThere = (path: string) =>
      stat(path).then(
        () => true,
        () => false,
      );
    expect(await killOnce(() => isThere(join(files, 'partial')))).toBe(true);
    const { sentBytes } = web;
    expect(
      await killOnce(async () => (await isThere(first)) && (await isThere(join(files, 'partial')))),
    ).toBe(true);
    const { ino } = await stat(first);
    await expectRight();
    expect((await stat(first)).ino).toBe(ino);
    expect(web.sentBytes).toBe(sentBytes);
  });
});

/** With an MBR and a partition. */
function partitioned(disk: Buffer): Buffer {
  disk.fill(0, 0, 512);
  disk[450] = 0x83;
  disk.writeUInt32LE(2048, 454);
  disk.writeUInt32LE(2048, 458);
  disk.writeUInt16LE(0xaa55, 510);
  return disk;
}
