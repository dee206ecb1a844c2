import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TransferPlane } from '../../../activities/transfer/transfer-plane.ts';
import { discardWork, finish } from '../../../activities/report/finish.ts';
import type { MigrationReport } from '../../../contracts/steps.ts';
import { run } from '../../guests/lib/run.ts';
import { WebServer } from '../../support/web-server.ts';
import { webVm } from '../../support/web-vm.ts';
import { makeDisk, qemuImg } from '../image/variants.ts';

let directory: string;
let server: WebServer;
let transfer: TransferPlane;
let raw: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'longhaul-web-'));
  await mkdir(join(directory, 'server'));
  const users = join(directory, 'users');
  const { stdout } = await run('openssl', ['passwd', '-apr1', 'p w']);
  await writeFile(users, `ada:${stdout}`);
  server = await WebServer.start(join(directory, 'server'), {
    more: `
    location /private/ { auth_basic x; auth_basic_user_file ${users}; alias ${directory}/server/www/; }
    location /signed/ { if ($arg_sig != good) { return 403; } alias ${directory}/server/www/; }`,
  });
  const dispatcher = new Agent({ connections: 4, connect: { ca: server.authority } });
  transfer = { dispatcher, connections: 4, limits: [], close: () => dispatcher.destroy() };
  raw = join(directory, 'disk.raw');
  await makeDisk(raw);
  for (const format of ['qcow2', 'vmdk', 'vdi', 'vpc', 'vhdx'])
    qemuImg('convert', '-f', 'raw', '-O', format, raw, join(server.folder, `web 01.${format}`));
  await copyFile(raw, join(server.folder, 'web 01.raw'));
});
afterAll(async () => {
  await transfer.dispatcher.destroy();
  await server.stop();
  await rm(directory, { recursive: true });
});

const sizeBytes = 24 * 1024 ** 2 + 3 * 512;
const at = (name: string) => server.url(`web%2001.${name}`);
const vmOf = (disks: unknown, environment = {}) => webVm(disks, { transfer, environment });
const isSame = (image: string, format: string) =>
  qemuImg('compare', '-f', format, '-F', 'raw', image, raw).includes('identical');

describe('a disk on a web server', () => {
  it.each(['qcow2', 'vmdk', 'vdi', 'raw'])('is known before it is fetched: %s', async (format) => {
    const { disks, remoteDisks, findings } = await vmOf([at(format)]).describe();
    expect([disks, findings]).toEqual([[], []]);
    const { size: dataBytes } = await stat(join(server.folder, `web 01.${format}`));
    expect(remoteDisks).toEqual([{ index: 0, name: at(format), virtualSizeBytes: sizeBytes, dataBytes }]);
  });

  it('is not fetched to be known: no more than its beginning is', async () => {
    const before = (await server.requests()).length;
    await vmOf([at('raw')]).describe();
    expect((await server.requests()).slice(before)).toEqual([
      { path: '/web%2001.raw', range: 'bytes=0-65535', status: 206, bodyBytes: 65_536 },
    ]);
  });

  it.each(['qcow2', 'vmdk', 'vdi', 'vpc', 'vhdx', 'raw'])(
    'is fetched over TLS and opened as the image that it is: %s',
    async (format) => {
      const vm = vmOf([at(format)]);
      const [disk] = await vm.acquire();
      const path = join(vm.work.fetched, 'disk0');
      expect(disk).toMatchObject({ index: 0, image: { format, path }, transfer: { from: at(format) } });
      if (format !== 'vpc') expect(isSame(path, format)).toBe(true);
    },
  );

  it('stands beside disks of the host, each in its place', async () => {
    const vm = vmOf([at('qcow2'), raw, { url: at('vmdk'), format: 'vmdk' }]);
    expect(await vm.describe()).toMatchObject({
      disks: [{ index: 1 }],
      remoteDisks: [{ index: 0 }, { index: 2 }],
    });
    const disks = await vm.acquire();
    expect(disks.map(({ index, image, transfer: how }) => [index, image.format, how?.from])).toEqual([
      [0, 'qcow2', at('qcow2')],
      [1, 'raw', undefined],
      [2, 'vmdk', at('vmdk')],
    ]);
  });

  it('that is here is not asked for again', async () => {
    const vm = vmOf([at('qcow2'), at('vdi')]);
    const disks = await vm.acquire();
    const before = (await server.requests()).length;
    expect(await vm.acquire()).toEqual(disks);
    expect(await server.requests()).toHaveLength(before);
  });

  it('that another takes the place of in an amended spec is not taken for it', async () => {
    const vm = vmOf([at('vdi'), server.url('gone.raw')]);
    await expect(vm.acquire()).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND' });
    const [disk] = await vm.amended([at('qcow2')]).acquire();
    expect(disk?.image.format).toBe('qcow2');
    expect((await vm.amended([at('vdi')]).acquire())[0]?.image.format).toBe('vdi');
  });

  it('that is no good can be replaced on its server, and is fetched again then', async () => {
    await writeFile(join(server.folder, 'mended.qcow2'), Buffer.from('QFI\xfb and nothing more', 'latin1'));
    const vm = vmOf([{ url: server.url('mended.qcow2'), format: 'qcow2' }]);
    await expect(vm.acquire()).rejects.toMatchObject({ code: 'IMAGE_TRUNCATED' });
    await copyFile(join(server.folder, 'web 01.qcow2'), join(server.folder, 'mended.qcow2'));
    await vm.acquire();
    expect(isSame(join(vm.work.fetched, 'disk0'), 'qcow2')).toBe(true);
  });

  it('named twice is refused', async () => {
    await expect(vmOf([at('raw'), at('raw')]).describe()).rejects.toMatchObject({ code: 'SPEC_INVALID' });
  });
});

describe('an image on a web server that names other files', () => {
  const images: [string, string, () => Promise<void>][] = [
    [
      'a qcow2 on top of another disk of the VM',
      'top.qcow2',
      async () => {
        await copyFile(raw, join(server.folder, 'disk1'));
        const top = join(server.folder, 'top.qcow2');
        qemuImg('create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', 'disk1', top);
      },
    ],
    [
      'a VMDK whose data lie in another disk of the VM',
      'flat.vmdk',
      () =>
        writeFile(
          join(server.folder, 'flat.vmdk'),
          `# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType="custom"\n# Extents\nRW ${sizeBytes / 512} FLAT "disk1" 0\n`,
        ),
    ],
  ];

  it.each(images)(
    'is refused before it is fetched, and also when it is here: %s',
    async (_what, name, make) => {
      await make();
      const vm = vmOf([server.url(name), at('raw')]);
      const { findings, remoteDisks } = await vm.describe();
      expect(findings).toMatchObject([{ severity: 'blocker', code: 'IMAGE_REFERENCE_OUTSIDE' }]);
      expect(remoteDisks).toMatchObject([{ index: 1 }]);
      await expect(vm.acquire()).rejects.toMatchObject({
        code: 'IMAGE_REFERENCE_OUTSIDE',
        found: expect.stringContaining('may name no other file') as string,
      });
    },
  );

  it('is taken as it is when the spec calls it raw', async () => {
    const bytes = await readFile(join(server.folder, 'top.qcow2'));
    await writeFile(
      join(server.folder, 'inner.raw'),
      Buffer.concat([bytes], Math.ceil(bytes.length / 512) * 512),
    );
    const vm = vmOf([{ url: server.url('inner.raw'), format: 'raw' }]);
    expect(await vm.describe()).toMatchObject({ findings: [] });
    expect(await vm.acquire()).toMatchObject([{ image: { format: 'raw', extents: [] } }]);
  });
});

describe('an address that is a secret', () => {
  const withUser = () => server.url('private/web%2001.qcow2').replace('//', '//ada:p%20w@');
  const signed = (sig: string) => server.url(`signed/web%2001.qcow2?sig=${sig}`);

  it.each([
    ['a user', withUser],
    ['a signature', () => signed('good')],
  ])('may have %s, and is shown nowhere', async (_what, address) => {
    const vm = vmOf([{ url: 'env:DISK' }], { DISK: address() });
    const described = await vm.describe();
    const disks = await vm.acquire();
    expect(isSame(join(vm.work.fetched, 'disk0'), 'qcow2')).toBe(true);
    const kept = await Promise.all(
      ['disk0.json', 'disk0.journal'].map((name) => readFile(join(vm.work.fetched, name), 'utf8')),
    );
    const told = JSON.stringify([described, disks, kept]);
    expect(told).not.toMatch(/p%20w|p w|sig=|ada/);
    expect(told).toContain('/web%2001.qcow2');
  });

  it.each([
    ['is wrong', () => signed('bad'), 'TRANSFER_DENIED'],
    ['is of nobody', () => withUser().replace('ada', 'bob'), 'TRANSFER_DENIED'],
    ['is no address', () => 'hunter2', 'SECRET_UNRESOLVED'],
    ['is not there', () => '', 'SECRET_UNRESOLVED'],
  ])('that %s is said without showing it', async (_what, address, code) => {
    const vm = vmOf([{ url: 'env:DISK' }, at('raw')], { DISK: address() });
    const { findings = [], remoteDisks } = await vm.describe();
    expect(findings).toMatchObject([{ severity: 'blocker', code }]);
    expect(remoteDisks).toMatchObject([{ index: 1 }]);
    const error: unknown = await vm.acquire().catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code });
    const told = [findings, error, error instanceof Error ? [error.message, error.stack, error.cause] : ''];
    expect(JSON.stringify(told)).not.toMatch(/p%20w|sig=|bob|hunter2/);
  });

  it('may be another one by the next try, which takes up what came', async () => {
    const file = join(directory, 'address');
    await writeFile(file, `${signed('good')}\n`);
    const vm = vmOf([{ url: `file:${file}` }]);
    await vm.acquire();
    await rm(join(vm.work.fetched, 'disk0.json'));
    await writeFile(file, signed('bad'));
    await expect(vm.acquire()).rejects.toMatchObject({ code: 'TRANSFER_DENIED' });
    await writeFile(file, `${signed('good')}&n=2`);
    const [disk] = await vm.acquire();
    expect(disk?.transfer?.fetchedBytes).toBe(0);
  });
});

describe('a disk that was fetched', () => {
  const report = (status: MigrationReport['status']): MigrationReport => ({
    ...{ migrationId: 'm', vm: 'web01', status, steps: [], fixes: [], disks: [], kept: [] },
    startedAt: '2026-11-23T07:00:00Z',
    endedAt: '2026-11-23T07:00:30Z',
  });

  it('goes when the migration has succeeded', async () => {
    const vm = vmOf([at('qcow2')]);
    await vm.acquire();
    await finish(vm.ctx, report('completed'), { host: { stateDir: vm.work.stateDir } });
    expect(await readdir(vm.work.root)).toEqual(['report.json', 'report.md']);
  });

  it('stays when it has not, and is named; half a disk goes', async () => {
    const vm = vmOf([at('qcow2')]);
    await vm.acquire();
    await writeFile(join(vm.work.fetched, 'disk1'), 'half');
    await writeFile(join(vm.work.fetched, 'disk1.journal'), '');
    const host = { stateDir: vm.work.stateDir };
    const { kept } = await discardWork(vm.ctx, { purgeDisks: false }, { host });
    expect(kept).toEqual([join(vm.work.fetched, 'disk0')]);
    expect(await readdir(vm.work.fetched)).toEqual(['disk0', 'disk0.journal', 'disk0.json']);
    await finish(vm.ctx, report('failed'), { host });
    expect(existsSync(join(vm.work.fetched, 'disk0'))).toBe(true);
  });

  it('goes when a purge is asked for', async () => {
    const vm = vmOf([at('qcow2')]);
    await vm.acquire();
    await discardWork(vm.ctx, { purgeDisks: true }, { host: { stateDir: vm.work.stateDir } });
    expect(existsSync(vm.work.fetched)).toBe(false);
  });
});
