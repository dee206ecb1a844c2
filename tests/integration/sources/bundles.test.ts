import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, mkdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { archiveVm } from '../../support/archive-vm.ts';
import { partition } from '../../support/guest-trees.ts';
import { writeOva, writePackage } from '../../support/ova.ts';
import { diskItem, nicItem, oneDiskOvf, ovfText, scsiController } from '../../support/ovf-texts.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { makeTar } from '../../support/tar-member.ts';
import { zip } from '../../support/zip-bytes.ts';
import { makeDisk, qemuImg, sha256 } from '../image/variants.ts';
import { contentOf, filesIn, prepare, refusal, sizeBytes, vmdk } from './ova-package.ts';

const sh = (directory: string, command: string) => execFileSync('sh', ['-c', command], { cwd: directory });

/** A directory with `disk.raw`, which has partitions, and `disk.qcow2` with the same content. */
async function setUp() {
  const directory = scratchDirectory();
  const raw = join(directory, 'disk.raw');
  await makeDisk(raw);
  await partition(raw, 'dos', ['start=2048, type=83']);
  qemuImg('convert', '-f', 'raw', '-O', 'qcow2', raw, join(directory, 'disk.qcow2'));
  await writeFile(join(directory, 'README.txt'), 'an image\n');
  return { directory, raw };
}

describe('an archive without a descriptor', () => {
  it.each([
    ['bundle.tar.gz', 'tar -czf bundle.tar.gz README.txt disk.raw'],
    ['bundle.tar.gz', 'tar --format=oldgnu -Sczf bundle.tar.gz disk.raw'],
    ['bundle.tar.xz', 'tar -cJf bundle.tar.xz README.txt disk.qcow2'],
    ['bundle.tar.zst', 'tar --zstd -cf bundle.tar.zst disk.qcow2'],
    ['bundle.tar.bz2', 'tar -cjf bundle.tar.bz2 disk.qcow2'],
    ['sparse.tar', 'tar -Scf sparse.tar README.txt disk.raw'],
    ['disk.raw.gz', 'gzip -k disk.raw'],
    ['disk.qcow2.xz', 'xz -k disk.qcow2'],
    ['disk.qcow2.zst', 'zstd -q disk.qcow2'],
    ['nested.tar', 'gzip -k disk.raw && tar -cf nested.tar disk.raw.gz'],
    ['parts.tar', 'split -b 5M -d disk.raw image.part. && tar -cf parts.tar README.txt image.part.*'],
    ['zip.tar', 'zip -q disk.zip disk.raw && tar -cf zip.tar README.txt disk.zip'],
  ])('gives the disk in it, unpacked: %s by `%s`', async (name, command) => {
    const { directory, raw } = await setUp();
    sh(directory, command);
    const vm = archiveVm({ path: join(directory, name), nics: [{ network: 'lan' }] });
    const described = await vm.describe();
    expect(described).toMatchObject({
      disks: [],
      remoteDisks: [{ index: 0 }],
      vm: { nics: [{ network: 'lan' }] },
    });
    const [disk, ...others] = await vm.acquire();
    expect(others).toEqual([]);
    expect(await contentOf(disk)).toBe(await sha256(raw));
  });

  it.each(['disk.raw', 'disk.qcow2'])('that is a plain tar is used where it lies: %s', async (name) => {
    const { directory, raw } = await setUp();
    const path = join(directory, 'bundle.tar');
    makeTar(path, directory, ['README.txt', name]);
    const vm = archiveVm({ path });
    expect(await vm.describe()).toMatchObject({ disks: [{ virtualSizeBytes: sizeBytes, image: { path } }] });
    const [disk] = await vm.acquire();
    expect(await contentOf(disk)).toBe(await sha256(raw));
    expect(await filesIn(vm.work.scratch)).toEqual([]);
  });

  it('with several disks asks which, and takes the answer', async () => {
    const { directory, raw } = await setUp();
    await copyFile(raw, join(directory, 'data.raw'));
    const path = join(directory, 'bundle.tar');
    makeTar(path, directory, ['data.raw', 'disk.raw']);
    const vm = archiveVm({ path });
    expect((await refusal(vm.describe())).code).toBe('ARCHIVE_AMBIGUOUS');
    const { disks } = await vm.amended({ disks: ['disk.raw', 'data.raw'] }).describe();
    expect(disks.map(({ image }) => image.window?.name)).toEqual(['disk.raw', 'data.raw']);
  });

  it.each([
    ['numbered.tar', 'tar -cf numbered.tar vm.00 vm.01'],
    ['numbered.tar.gz', 'tar -czf numbered.tar.gz vm.00 vm.01'],
  ])(
    'asks whether a file system goes on from the disk before it, and takes either answer: %s',
    async (name, command) => {
      const { directory } = await setUp();
      const data = 4 * 1024 ** 2;
      sh(directory, `mv disk.raw vm.00 && truncate -s ${data} vm.01 && mkfs.ext4 -qF vm.01 && ${command}`);
      const vm = archiveVm({ path: join(directory, name) });
      expect(await refusal(vm.acquire())).toMatchObject({
        code: 'ARCHIVE_AMBIGUOUS',
        found: expect.stringContaining('vm.01') as string,
      });
      expect(await vm.amended({ disks: ['vm.00'] }).acquire()).toMatchObject([
        { virtualSizeBytes: sizeBytes + data },
      ]);
      expect(await vm.amended({ disks: ['vm.00', 'vm.01'] }).acquire()).toMatchObject([
        { virtualSizeBytes: sizeBytes },
        { virtualSizeBytes: data },
      ]);
    },
  );

  it.each([
    ['bundle.tar', 'tar -cf bundle.tar README.txt disk.qcow2 disk.raw'],
    ['bundle.tar.gz', 'tar -czf bundle.tar.gz README.txt disk.qcow2 disk.raw'],
  ])(
    'with the same disk in two formats takes the likelier, and tells of the other: %s',
    async (name, command) => {
      const { directory, raw } = await setUp();
      sh(directory, command);
      const vm = archiveVm({ path: join(directory, name) });
      const { findings = [] } = await vm.describe();
      const [disk, ...others] = await vm.acquire();
      expect(others).toEqual([]);
      expect(disk?.image.format).toBe('raw');
      expect(await contentOf(disk)).toBe(await sha256(raw));
      const told = [...findings, ...(disk?.findings ?? [])].filter(({ code }) => code === 'disks-left-out');
      expect(told).toHaveLength(1);
      expect(told[0]?.found).toContain('disk.raw is taken, and left out are disk.qcow2 (qcow2');
      const named = vm.amended({ disks: ['disk.qcow2'] });
      expect((await named.acquire())[0]).not.toHaveProperty('findings');
    },
  );

  it.each([
    ['a disk image by itself', 'disk.qcow2', 'image'],
    ['text', 'README.txt', 'image'],
  ])('is not %s', async (_what, name, named) => {
    const { directory } = await setUp();
    const error = await refusal(archiveVm({ path: join(directory, name) }).describe());
    expect(error).toMatchObject({
      code: 'ARCHIVE_UNSUPPORTED',
      remedy: expect.stringContaining(named) as string,
    });
  });
});

describe('limits in the spec', () => {
  const bytes = 300 * 2 ** 20;

  /** A disk that is nearly empty, compressed, by itself and in an OVA: a thousand times its size. */
  async function nearlyEmpty() {
    const directory = scratchDirectory();
    const [raw, source] = [join(directory, 'disk.raw'), join(directory, 'source')];
    await mkdir(source);
    await writeFile(raw, '');
    await truncate(raw, bytes);
    await partition(raw, 'dos', ['start=2048, type=83']);
    sh(directory, 'gzip -9 -c disk.raw > source/disk.raw.gz');
    const descriptor = ovfText({
      files: [{ id: 'f1', href: 'disk.raw.gz', more: 'ovf:compression="gzip"' }],
      disks: [{ id: 'd1', file: 'f1', capacity: bytes }],
      items: [scsiController(3), diskItem(7, 'd1', 3, 0), nicItem(8, 'lan')].join('\n'),
    });
    await writeOva(join(source, 'web01.ova'), { directory: source, descriptor, files: ['disk.raw.gz'] });
    return source;
  }

  it.each(['disk.raw.gz', 'web01.ova'])('are those that hold: %s', async (name) => {
    const path = join(await nearlyEmpty(), name);
    const acquire = (limits: object) => archiveVm({ path, limits }).acquire();
    expect(await refusal(acquire({}))).toMatchObject({
      code: 'ARCHIVE_LIMIT',
      details: { limit: 'maxRatio', allowed: 500 },
    });
    expect(await acquire({ maxRatio: 2000 })).toMatchObject([{ virtualSizeBytes: bytes }]);
    const room = await refusal(acquire({ maxRatio: 2000, reserveBytes: 2 ** 50 }));
    expect(room.code).toBe('SPACE_INSUFFICIENT');
    expect(room.found).toContain('1 PiB');
  });
});

describe('an OVF package in a compressed tar', () => {
  const packed = async (
    change: (bytes: Buffer) => Buffer = (bytes) => bytes,
    order: (names: string[]) => string[] = (names) => names,
  ) => {
    const made = await prepare();
    const names = await writePackage({
      directory: made.source,
      descriptor: oneDiskOvf(vmdk, sizeBytes),
      files: [vmdk],
    });
    await writeFile(join(made.source, vmdk), change(await readFile(join(made.source, vmdk))));
    const path = join(made.directory, 'web01.tar.gz');
    execFileSync('tar', ['-czf', path, '-C', made.source, ...order(names)]);
    return { ...made, path };
  };

  it('is described by its descriptor, unpacked, and compared as it is', async () => {
    const { path, raw } = await packed();
    const vm = archiveVm({ path });
    expect(await vm.describe()).toMatchObject({
      vm: { cpus: 2, memoryMiB: 2048, nics: [{ network: 'VM Network' }] },
      remoteDisks: [{ virtualSizeBytes: sizeBytes }],
    });
    const [disk] = await vm.acquire();
    expect(await contentOf(disk)).toBe(await sha256(raw));
  });

  const changed = (bytes: Buffer) => Buffer.from(bytes.fill(1, 70_000, 70_001));

  it('is described in words before it is unpacked, and that it is not to be compared', async () => {
    const { path } = await packed();
    expect((await archiveVm({ path, verify: false }).describe()).findings).toMatchObject([
      { code: 'manifest-ignored' },
      { code: 'described' },
    ]);
  });

  it('is told of as an OVA is once it was unpacked: in the words for the archive that the operator gave', async () => {
    const { path } = await packed(undefined, (names) => names.toReversed());
    const [disk] = await archiveVm({ path, verify: false }).acquire();
    expect(disk?.findings).toMatchObject([{ code: 'manifest-ignored' }, { code: 'described' }]);
    expect(disk?.findings?.[0]?.found).toContain(`that ${path} is not to be compared`);
  });

  it('is one too when its descriptor comes behind the disk, and is unpacked once', async () => {
    const { path, raw } = await packed(undefined, (names) => names.toReversed());
    const vm = archiveVm({ path });
    expect((await vm.describe()).findings).toMatchObject([{ code: 'known-once-unpacked' }]);
    const [disk] = await vm.acquire();
    expect(await contentOf(disk)).toBe(await sha256(raw));
    expect((await vm.acquire())[0]?.files).toEqual(disk?.files);
  });

  it('is compared with its manifest although that comes behind the disk', async () => {
    const { path } = await packed(changed, (names) => names.toReversed());
    expect((await refusal(archiveVm({ path }).acquire())).code).toBe('ARCHIVE_CHECKSUM');
  });

  it.each(['', ' whose disk is first'])('may lie in a zip%s', async (first) => {
    const { directory, source, raw } = await packed();
    const names = ['web01.ovf', 'web01.mf', vmdk];
    const path = join(directory, 'web01.zip');
    const members = (first ? names.reverse() : names).map(async (name) => ({
      name,
      data: await readFile(join(source, name)),
    }));
    await writeFile(path, zip(await Promise.all(members)));
    const vm = archiveVm({ path });
    expect(await vm.describe()).toMatchObject({ vm: { cpus: 2, nics: [{ network: 'VM Network' }] } });
    const [disk] = await vm.acquire();
    expect(await contentOf(disk)).toBe(await sha256(raw));
  });

  it('is unpacked into a state directory behind a link', async () => {
    const { path, directory, raw } = await packed();
    const stateDir = join(directory, 'state');
    await symlink(scratchDirectory(), stateDir);
    const [disk] = await archiveVm({ path }, { stateDir }).acquire();
    expect(await contentOf(disk)).toBe(await sha256(raw));
  });

  it('is refused when its disk is not what the manifest says', async () => {
    const { path } = await packed(changed);
    expect((await refusal(archiveVm({ path }).acquire())).code).toBe('ARCHIVE_CHECKSUM');
  });
});

describe('a process that is killed while it unpacks', () => {
  it('leaves what is whole, and the next one gives the same disks', { timeout: 300_000 }, async () => {
    const directory = scratchDirectory();
    const source = join(directory, 'source');
    await mkdir(source);
    const raws: string[] = [];
    for (const index of [1, 2, 3]) {
      const bytes = Buffer.concat([randomBytes(24 * 2 ** 20), Buffer.alloc(40 * 2 ** 20)]);
      const raw = join(directory, `raw${index}`);
      await writeFile(raw, bytes);
      await writeFile(join(source, `d${index}.raw.gz`), gzipSync(bytes, { level: 1 }));
      raws.push(await sha256(raw));
    }
    const files = [1, 2, 3].map((index) => ({
      id: `f${index}`,
      href: `d${index}.raw.gz`,
      more: 'ovf:compression="gzip"',
    }));
    const disks = [1, 2, 3].map((index) => ({
      id: `d${index}`,
      file: `f${index}`,
      capacity: 64,
      units: 'byte * 2^20',
    }));
    const items = [
      scsiController(3),
      ...disks.map(({ id }, at) => diskItem(7 + at, id, 3, at)),
      nicItem(20, 'lan'),
    ];
    const ova = join(directory, 'web01.ova');
    const descriptor = ovfText({ files, disks, items: items.join('\n') });
    await writeOva(ova, { directory: source, descriptor, files: files.map(({ href }) => href) });

    const stateDir = scratchDirectory();
    const program = fileURLToPath(new URL('archive-process.ts', import.meta.url));
    let kills = 0;
    for (let attempt = 0; attempt < 5; attempt += 1) {
      const child = spawn(process.execPath, [program, ova, stateDir], { stdio: 'inherit' });
      const exit = once(child, 'exit');
      await Promise.race([sleep(1000 + attempt * 150), exit]);
      if (child.exitCode !== null) break;
      child.kill('SIGKILL');
      await exit;
      kills += 1;
    }
    const vm = archiveVm({ path: ova }, { stateDir });
    const acquired = await vm.acquire();
    const contents = await Promise.all(acquired.map((disk) => contentOf(disk)));
    expect(contents).toEqual(raws);
    expect(kills).toBeGreaterThan(0);
    expect((await filesIn(vm.work.scratch)).filter((name) => name.endsWith('.partial'))).toEqual([]);
  });
});
