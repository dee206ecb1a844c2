import { existsSync } from 'node:fs';
import {
  appendFile,
  copyFile,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { convertImage } from '../../../activities/image/convert.ts';
import type { AcquiredDisk } from '../../../contracts/values.ts';
import { archiveVm } from '../../support/archive-vm.ts';
import { testIo } from '../../support/io.ts';
import { type OvaOptions, writeOva, writePackage } from '../../support/ova.ts';
import {
  diskItem,
  nicItem,
  oneDiskOvf,
  ovfText,
  scsiController,
  systemText,
} from '../../support/ovf-texts.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { writeStreamOptimized } from '../image/stream-optimized.ts';
import { makeDisk, qemuImg, sha256 } from '../image/variants.ts';

const sizeBytes = 24 * 1024 ** 2 + 3 * 512;
const vmdk = 'web01-disk1.vmdk';

interface Made {
  directory: string;
  /** Where the package is put together. */
  source: string;
  ova: string;
  raw: string;
}

/** A directory with a raw disk, and the same as the VMDK of a package that is still to be put together. */
async function prepare(): Promise<Made> {
  const directory = scratchDirectory();
  const source = join(directory, 'source');
  await mkdir(source);
  const raw = join(directory, 'disk.raw');
  await makeDisk(raw);
  await writeStreamOptimized(raw, join(source, vmdk));
  return { directory, source, raw, ova: join(directory, 'web01.ova') };
}

/** An OVA of one streamOptimized disk. */
async function ovaOf(more: Partial<OvaOptions> = {}): Promise<Made> {
  const made = await prepare();
  await writeOva(made.ova, {
    directory: made.source,
    descriptor: oneDiskOvf(vmdk, sizeBytes),
    files: [vmdk],
    ...more,
  });
  return made;
}

async function contentOf(disk: AcquiredDisk | undefined): Promise<string> {
  if (disk === undefined) throw new Error('there is no disk');
  const path = join(scratchDirectory(), 'copy.raw');
  await writeFile(path, '');
  await convertImage({
    source: { image: disk.image },
    target: { path, format: 'raw', compression: 'none' },
    index: disk.index,
    totalBytes: disk.allocatedBytes,
    io: testIo(),
  });
  return sha256(path);
}

const filesIn = async (directory: string): Promise<string[]> => {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .sort();
};

const refusal = async (attempt: Promise<unknown>) => {
  const error: unknown = await attempt.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Error);
  return error as { code: string; found: string; details: object };
};

describe('an OVA', () => {
  it('is described by its descriptor and the headers of its disks, and nothing is created', async () => {
    const { ova, directory } = await ovaOf();
    const vm = archiveVm({ path: ova });
    const { vm: facts, disks, remoteDisks, findings } = await vm.describe();
    expect(facts).toEqual({
      name: 'web01',
      cpus: 2,
      memoryMiB: 2048,
      nics: [{ mac: '00:50:56:aa:bb:cc', network: 'VM Network' }],
    });
    expect(disks).toMatchObject([
      { index: 0, virtualSizeBytes: sizeBytes, image: { format: 'vmdk', path: ova, window: { name: vmdk } } },
    ]);
    expect(remoteDisks).toEqual([]);
    expect(findings).toMatchObject([{ severity: 'info', code: 'described' }]);
    expect(findings?.[0]?.found).toContain('debian11_64Guest');
    expect(existsSync(vm.work.root)).toBe(false);
    expect((await readdir(directory)).sort()).toEqual(['disk.raw', 'source', 'web01.ova']);
  });

  it('is used where it lies: the disk is right, and nothing of it is copied', async () => {
    const { ova, raw } = await ovaOf();
    const before = await sha256(ova);
    const vm = archiveVm({ path: ova });
    const [disk] = await vm.acquire();
    expect(await contentOf(disk)).toBe(await sha256(raw));
    expect(await sha256(ova)).toBe(before);
    // What was compared with the manifest is noted, and that is all there is.
    expect(await filesIn(vm.work.scratch)).toEqual(['checked-disk0.json']);
  });

  it('gives way to what the spec says of the VM', async () => {
    const { ova } = await ovaOf();
    const nics = [{ mac: '52:54:00:00:00:01', network: 'lan' }];
    const { vm } = await archiveVm({ path: ova, nics, cpus: 7, memoryMiB: 512 }).describe();
    expect(vm).toEqual({ name: 'web01', cpus: 7, memoryMiB: 512, nics });
  });

  it('has its disks in the order of their controllers, and blank ones made', async () => {
    const { ova, source, directory } = await prepare();
    const second = join(directory, 'second.raw');
    await writeFile(second, Buffer.alloc(1024 ** 2, 0x5a));
    qemuImg(
      'convert',
      '-f',
      'raw',
      '-O',
      'vmdk',
      '-o',
      'subformat=streamOptimized',
      second,
      join(source, 'second.vmdk'),
    );
    const descriptor = ovfText({
      files: [
        { id: 'f1', href: vmdk },
        { id: 'f2', href: 'second.vmdk' },
      ],
      disks: [
        { id: 'd1', file: 'f1', capacity: sizeBytes },
        { id: 'd2', file: 'f2', capacity: 1, units: 'byte * 2^20' },
        { id: 'swap', file: '', capacity: 3, units: 'byte * 2^20' },
      ],
      items: [
        scsiController(3, 1),
        scsiController(4, 0),
        diskItem(7, 'd1', 3, 0),
        diskItem(8, 'd2', 4, 5),
        diskItem(9, 'swap', 4, 0),
      ].join('\n'),
    });
    await writeOva(ova, { directory: source, descriptor, files: [vmdk, 'second.vmdk'] });
    const vm = archiveVm({ path: ova });
    expect(await vm.describe()).toMatchObject({
      disks: [{ index: 1 }, { index: 2 }],
      remoteDisks: [{ index: 0, virtualSizeBytes: 3 * 2 ** 20, dataBytes: 0 }],
    });
    const disks = await vm.acquire();
    expect(disks.map(({ index, virtualSizeBytes }) => [index, virtualSizeBytes / 512])).toEqual([
      [0, 6144],
      [1, 2048],
      [2, sizeBytes / 512],
    ]);
    expect(await contentOf(disks[1])).toBe(await sha256(second));
    expect(disks[0]?.allocatedBytes).toBe(0);
  });

  it.each(['sha1', 'sha256', 'sha512'] as const)('is compared with its manifest by %s', async (algorithm) => {
    const { ova, raw } = await ovaOf({ algorithm });
    const [disk] = await archiveVm({ path: ova }).acquire();
    expect(await contentOf(disk)).toBe(await sha256(raw));
  });

  it('without a manifest is taken, and that is said', async () => {
    const { ova } = await ovaOf({ manifest: 'none' });
    const vm = archiveVm({ path: ova });
    expect((await vm.describe()).findings).toMatchObject([
      { code: 'no-manifest', severity: 'info' },
      { code: 'described' },
    ]);
    await vm.acquire();
    expect(await filesIn(vm.work.scratch)).toEqual([]);
  });

  it('asks which of several VMs is meant, and takes the answer', async () => {
    const made = await prepare();
    const items = (network: string) =>
      [scsiController(3), diskItem(7, 'd1', 3, 0), nicItem(8, network)].join('\n');
    const vms = [
      '<VirtualSystemCollection ovf:id="shop">',
      systemText({ items: items('front') }),
      systemText({ name: 'db01', items: items('back') }),
      '</VirtualSystemCollection>',
    ];
    const text = {
      files: [{ id: 'f1', href: vmdk }],
      disks: [{ id: 'd1', file: 'f1', capacity: sizeBytes }],
    };
    await writeOva(made.ova, {
      directory: made.source,
      descriptor: ovfText(text, vms.join('\n')),
      files: [vmdk],
    });
    const vm = archiveVm({ path: made.ova });
    expect(await refusal(vm.describe())).toMatchObject({
      code: 'ARCHIVE_AMBIGUOUS',
      details: { systems: ['web01', 'db01'] },
    });
    expect((await vm.amended({ system: 'db01' }).describe()).vm.nics).toMatchObject([{ network: 'back' }]);
  });

  it('lies unpacked in a directory just as well, by its descriptor or by the directory', async () => {
    const { source, raw } = await prepare();
    await writePackage({ directory: source, descriptor: oneDiskOvf(vmdk, sizeBytes), files: [vmdk] });
    for (const path of [source, join(source, 'web01.ovf')]) {
      const vm = archiveVm({ path });
      expect(await vm.describe()).toMatchObject({ disks: [{ image: { path: join(source, vmdk) } }] });
      const [disk] = await vm.acquire();
      expect(await contentOf(disk)).toBe(await sha256(raw));
    }
  });
});

describe('disks of an OVA that have to be unpacked', () => {
  const gzOva = async (broken: (packed: Buffer) => Buffer = (packed) => packed) => {
    const made = await prepare();
    const packed = broken(gzipSync(await readFile(join(made.source, vmdk))));
    await writeFile(join(made.source, `${vmdk}.gz`), packed);
    const files = [{ id: 'file1', href: `${vmdk}.gz`, more: 'ovf:compression="gzip"' }];
    const descriptor = oneDiskOvf('', sizeBytes, { files });
    await writeOva(made.ova, { directory: made.source, descriptor, files: [`${vmdk}.gz`] });
    return made;
  };
  const chunkBytes = 300_000;
  const chunkedOva = async (change: (names: string[]) => string[] = (names) => names, more = '') => {
    const made = await prepare();
    const whole = await readFile(join(made.source, vmdk));
    const names: string[] = [];
    for (let at = 0; at < whole.length; at += chunkBytes) {
      const name = `${vmdk}.${String(names.length).padStart(9, '0')}`;
      await writeFile(join(made.source, name), whole.subarray(at, at + chunkBytes));
      names.push(name);
    }
    expect(names.length).toBeGreaterThan(2);
    const files = [
      { id: 'file1', href: vmdk, more: `ovf:chunkSize="${chunkBytes}" ovf:size="${whole.length}" ${more}` },
    ];
    await writeOva(made.ova, {
      directory: made.source,
      descriptor: oneDiskOvf('', sizeBytes, { files }),
      files: change(names),
    });
    return made;
  };

  it('are known by the descriptor before, and unpacked into the work directory: gzip', async () => {
    const { ova, raw } = await gzOva();
    const vm = archiveVm({ path: ova });
    expect(await vm.describe()).toMatchObject({
      disks: [],
      remoteDisks: [{ index: 0, virtualSizeBytes: sizeBytes }],
    });
    const [disk] = await vm.acquire();
    expect(disk?.image.path.startsWith(vm.work.scratch)).toBe(true);
    expect(await contentOf(disk)).toBe(await sha256(raw));
    expect((await stat(disk?.image.path ?? '')).mode & 0o777).toBe(0o600);
  });

  it('are not unpacked again once they are whole', async () => {
    const { ova } = await gzOva();
    const vm = archiveVm({ path: ova });
    const [first] = await vm.acquire();
    const [again] = await vm.acquire();
    expect(again?.files).toEqual(first?.files);
  });

  it('are put together from their pieces', async () => {
    const { ova, raw } = await chunkedOva();
    const vm = archiveVm({ path: ova });
    const [disk] = await vm.acquire();
    expect(await contentOf(disk)).toBe(await sha256(raw));
  });

  it.each([
    ['the first', (names: string[]) => names.slice(1)],
    ['one between', (names: string[]) => [...names.slice(0, 1), ...names.slice(2)]],
    ['the last', (names: string[]) => names.slice(0, -1)],
  ])('are refused when a piece is missing: %s', async (_which, change) => {
    const { ova } = await chunkedOva(change);
    const error = await refusal(archiveVm({ path: ova }).describe());
    expect(error.code).toBe('ARCHIVE_INCOMPLETE');
    expect(error.found).toMatch(/\.0000000\d\d/);
  });

  it('leave nothing under their name when they are damaged', async () => {
    const { ova } = await gzOva((packed) => packed.subarray(0, packed.length / 2));
    const vm = archiveVm({ path: ova });
    expect((await refusal(vm.acquire())).code).toBe('ARCHIVE_DAMAGED');
    expect(await filesIn(vm.work.scratch)).toEqual([]);
  });

  it('leave nothing under their name when they are not what the manifest says', async () => {
    const made = await gzOva();
    const bytes = await readFile(made.ova);
    // The time in the header of gzip: unpacking does not notice.
    const at = bytes.indexOf(Buffer.from([0x1f, 0x8b, 8, 0])) + 4;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    await writeFile(made.ova, bytes);
    const vm = archiveVm({ path: made.ova });
    const error = await refusal(vm.acquire());
    expect(error.code).toBe('ARCHIVE_CHECKSUM');
    expect(error.found).toContain(`${vmdk}.gz`);
    expect(await filesIn(vm.work.scratch)).toEqual([]);
  });

  it('are refused when they unpack to more than is allowed', async () => {
    const { ova } = await gzOva();
    const vm = archiveVm({ path: ova, limits: { maxTotalBytes: 1_000_000 } });
    expect(await refusal(vm.acquire())).toMatchObject({
      code: 'ARCHIVE_LIMIT',
      details: { limit: 'maxTotalBytes' },
    });
    expect(await filesIn(vm.work.scratch)).toEqual([]);
  });
});

describe('an OVA that is not to be trusted', () => {
  it.each<[string, string, (lines: string[]) => string[], string]>([
    [
      'has another descriptor',
      'ARCHIVE_CHECKSUM',
      ([, disk = '']) => [`SHA256(web01.ovf)= ${'0'.repeat(64)}`, disk],
      'web01.ovf',
    ],
    ['leaves out the disk', 'ARCHIVE_CHECKSUM', ([first = '']) => [first], vmdk],
    ['leaves out the descriptor', 'ARCHIVE_CHECKSUM', ([, disk = '']) => [disk], 'web01.ovf'],
    [
      'names a file that is not there',
      'ARCHIVE_CHECKSUM',
      (lines) => [...lines, `SHA256(other.vmdk)= ${'0'.repeat(64)}`],
      'other.vmdk',
    ],
    ['is cut off', 'ARCHIVE_CHECKSUM', ([first = '', disk = '']) => [first, disk.slice(0, -10)], 'web01.mf'],
    ['is empty', 'ARCHIVE_CHECKSUM', () => [], 'web01.mf'],
  ])('is refused before the migration when its manifest %s', async (_what, code, manifest, named) => {
    const { ova } = await ovaOf({ manifest });
    const error = await refusal(archiveVm({ path: ova }).describe());
    expect(error.code).toBe(code);
    expect(error.found).toContain(named);
  });

  const tampered = async () => {
    const made = await ovaOf();
    const bytes = await readFile(made.ova);
    const last = bytes.lastIndexOf(Buffer.from('KDMV')) - 4096;
    bytes[last] = (bytes[last] ?? 0) ^ 1;
    await writeFile(made.ova, bytes);
    return made;
  };

  it('is refused when its disk is not what the manifest says', async () => {
    const { ova } = await tampered();
    const error = await refusal(archiveVm({ path: ova }).acquire());
    expect(error.code).toBe('ARCHIVE_CHECKSUM');
    expect(error.found).toContain(vmdk);
  });

  it('is taken all the same when the spec says so, and the report will tell', async () => {
    const { ova } = await tampered();
    const vm = archiveVm({ path: ova, verify: false });
    expect((await vm.describe()).findings).toMatchObject([
      { code: 'manifest-ignored', severity: 'warning' },
      {},
    ]);
    expect(await vm.acquire()).toHaveLength(1);
  });

  it('is refused when a file is missing', async () => {
    const made = await ovaOf({ manifest: 'none', files: [] });
    const error = await refusal(archiveVm({ path: made.ova }).describe());
    expect(error).toMatchObject({ code: 'ARCHIVE_INCOMPLETE', details: { file: vmdk } });
  });

  it.each(['../disk.raw', '/etc/shadow', 'https://images.example/disk.vmdk'])(
    'is refused when a disk lies at %s',
    async (href) => {
      const { ova } = await ovaOf({ descriptor: oneDiskOvf(href, sizeBytes) });
      expect((await refusal(archiveVm({ path: ova }).describe())).code).toBe('OVF_UNSUPPORTED');
    },
  );

  it('in a directory is refused when a link leads out of it', async () => {
    const { directory, source } = await prepare();
    await rm(join(source, vmdk));
    await symlink(join(directory, 'disk.raw'), join(source, vmdk));
    await writePackage({ directory: source, descriptor: oneDiskOvf(vmdk, sizeBytes), files: [vmdk] });
    expect((await refusal(archiveVm({ path: source }).describe())).code).toBe('IMAGE_REFERENCE_OUTSIDE');
  });

  it('is refused when it was cut off', async () => {
    const { ova } = await ovaOf();
    await truncate(ova, Math.floor((await stat(ova)).size / 2));
    expect((await refusal(archiveVm({ path: ova }).describe())).code).toBe('ARCHIVE_DAMAGED');
  });

  it('is refused when something was added behind its end', async () => {
    const { ova } = await ovaOf();
    await appendFile(ova, 'x'.repeat(512));
    expect((await refusal(archiveVm({ path: ova }).describe())).code).toBe('ARCHIVE_HOSTILE');
  });

  it('is refused when its disk is on top of another', async () => {
    const { ova, source, directory } = await prepare();
    await copyFile(join(directory, 'disk.raw'), join(source, 'base.img'));
    qemuImg('create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', 'base.img', join(source, 'top.qcow2'), '1M');
    await writeOva(ova, {
      directory: source,
      descriptor: oneDiskOvf('top.qcow2', sizeBytes),
      files: ['top.qcow2', 'base.img'],
    });
    expect((await refusal(archiveVm({ path: ova }).describe())).code).toBe('IMAGE_REFERENCE_OUTSIDE');
  });

  it('is compared again when somebody touched it in between', async () => {
    const { ova } = await ovaOf();
    const vm = archiveVm({ path: ova });
    await vm.acquire();
    const bytes = await readFile(ova);
    const last = bytes.lastIndexOf(Buffer.from('KDMV')) - 4096;
    bytes[last] = (bytes[last] ?? 0) ^ 1;
    await writeFile(ova, bytes);
    expect((await refusal(vm.acquire())).code).toBe('ARCHIVE_CHECKSUM');
  });

  it('is not compared a second time otherwise', async () => {
    const { ova } = await ovaOf();
    const vm = archiveVm({ path: ova });
    await vm.acquire();
    const note = join(vm.work.scratch, 'checked-disk0.json');
    const { mtimeMs } = await stat(note);
    await vm.acquire();
    expect((await stat(note)).mtimeMs).toBe(mtimeMs);
  });
});
