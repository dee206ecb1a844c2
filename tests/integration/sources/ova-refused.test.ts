import { appendFile, copyFile, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { orDamaged } from '../../../activities/image/content-digest.ts';
import { LonghaulError } from '../../../contracts/errors.ts';
import { archiveVm } from '../../support/archive-vm.ts';
import { filesIn, ovaOf, prepare, refusal, sizeBytes, vmdk } from './ova-package.ts';
import { testIo } from '../../support/io.ts';
import { writeOva, writePackage } from '../../support/ova.ts';
import { diskItem, nicItem, oneDiskOvf, ovfText, scsiController } from '../../support/ovf-texts.ts';
import { qemuImg } from '../image/variants.ts';

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

  it('is refused while it is copied when its disk is not what the manifest says, and no copy is left', async () => {
    const { ova } = await tampered();
    const vm = archiveVm({ path: ova });
    const disks = await vm.acquire();
    const error = await refusal(vm.convert(disks));
    expect(error.code).toBe('ARCHIVE_CHECKSUM');
    expect(error.found).toContain(vmdk);
    expect(await filesIn(vm.target)).toEqual([]);
  });

  it('is copied all the same when the spec was amended to say so', async () => {
    const { ova } = await tampered();
    const vm = archiveVm({ path: ova });
    const disks = await vm.acquire();
    const trusting = vm.amended({ verify: false });
    expect(await filesIn(await trusting.convert(disks))).toEqual(['web01-disk1.qcow2']);
  });

  it('is said to be damaged when nobody can make sense of what is in it', async () => {
    const { ova } = await tampered();
    const vm = archiveVm({ path: ova });
    const disks = await vm.acquire();
    const words = { found: 'no operating system', remedy: '' };
    const inspect = () => Promise.reject(new LonghaulError('GUEST_NO_OS', words));
    expect((await refusal(orDamaged(vm.ctx, disks, testIo(), inspect))).code).toBe('ARCHIVE_CHECKSUM');
    const sound = await archiveVm({ path: (await ovaOf()).ova }).acquire();
    const guest = { code: 'GUEST_NO_OS' };
    expect(await refusal(orDamaged(vm.ctx, sound, testIo(), inspect))).toMatchObject(guest);
    const trusting = vm.amended({ verify: false });
    expect(await refusal(orDamaged(trusting.ctx, disks, testIo(), inspect))).toMatchObject(guest);
    // That says nothing of the disks.
    const appliance = new LonghaulError('APPLIANCE_FAILED', words);
    expect(await refusal(orDamaged(vm.ctx, disks, testIo(), () => Promise.reject(appliance)))).toBe(
      appliance,
    );
  });

  it('is said to be damaged when its disk cannot be copied to its end', async () => {
    const made = await prepare();
    const [raw, disk] = [join(made.directory, 'text.raw'), join(made.source, vmdk)];
    await writeFile(raw, 'all work and no play '.repeat(100_000).slice(0, 1024 ** 2));
    qemuImg('convert', '-c', '-f', 'raw', '-O', 'qcow2', raw, disk);
    const descriptor = oneDiskOvf(vmdk, 1024 ** 2);
    await writePackage({ directory: made.source, descriptor, files: [vmdk] });
    const bytes = await readFile(disk);
    await writeFile(disk, bytes.fill(0xff, 5 * 64 * 1024));
    // To read all of it takes longer than to see that it cannot be copied.
    await truncate(disk, 1024 ** 3);
    const vm = archiveVm({ path: made.source });
    const disks = await vm.acquire();
    expect((await refusal(vm.convert(disks))).code).toBe('ARCHIVE_CHECKSUM');
  });

  it.each([
    ['than any', 8 * 1024 ** 5 - 1],
    ['than the file system takes', 63 * 1024 ** 4],
  ])('is refused when it has a blank disk that is larger %s', async (_what, capacity) => {
    const { ova } = await ovaOf({
      descriptor: ovfText({
        files: [],
        disks: [{ id: 'd1', file: '', capacity }],
        items: [scsiController(3), diskItem(7, 'd1', 3, 0)].join(''),
      }),
    });
    const vm = archiveVm({ path: ova });
    const isTaken =
      capacity < 2 ** 46 &&
      (await vm.acquire().then(
        () => true,
        () => false,
      ));
    if (!isTaken) expect((await refusal(vm.acquire())).code).toBe('OVF_UNSUPPORTED');
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

  it('in a directory is refused when a disk names another file, which the manifest does not cover', async () => {
    const { directory, source } = await prepare();
    const raw = join(directory, 'disk.raw');
    const flat = join(source, 'flat.vmdk');
    qemuImg('convert', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=monolithicFlat', raw, flat);
    const descriptor = oneDiskOvf('flat.vmdk', sizeBytes);
    await writePackage({ directory: source, descriptor, files: ['flat.vmdk'] });
    expect((await refusal(archiveVm({ path: source }).describe())).code).toBe('IMAGE_REFERENCE_OUTSIDE');
  });

  it('in a directory is incomplete when it names a file by a name that no file can have', async () => {
    const { source } = await prepare();
    await writePackage({
      directory: source,
      descriptor: oneDiskOvf(`${'x'.repeat(300)}.vmdk`, sizeBytes),
      files: [],
      manifest: 'none',
    });
    expect((await refusal(archiveVm({ path: source }).describe())).code).toBe('ARCHIVE_INCOMPLETE');
  });

  it('is refused before the migration when it has more network cards than a domain gets', async () => {
    const made = await prepare();
    const items = Array.from({ length: 17 }, (_one, index) => nicItem(100 + index, 'VM Network')).join('\n');
    const descriptor = oneDiskOvf(vmdk, sizeBytes, {
      items: `${scsiController(3)}\n${diskItem(7, 'vmdisk1', 3, 0)}\n${items}`,
    });
    await writeOva(made.ova, { directory: made.source, descriptor, files: [vmdk] });
    const error = await refusal(archiveVm({ path: made.ova }).describe());
    expect([error.code, error.found]).toEqual([
      'OVF_UNSUPPORTED',
      expect.stringContaining('17 network cards'),
    ]);
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

  it('is not read any further once its disk was refused', async () => {
    const { source, directory } = await prepare();
    await copyFile(join(directory, 'disk.raw'), join(source, 'base.img'));
    qemuImg('create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', 'base.img', join(source, 'top.qcow2'), '1M');
    const descriptor = oneDiskOvf('top.qcow2', sizeBytes);
    await writePackage({ directory: source, descriptor, files: ['top.qcow2', 'base.img'] });
    const vm = archiveVm({ path: source });
    expect((await refusal(vm.acquire())).code).toBe('IMAGE_REFERENCE_OUTSIDE');
    await sleep(300);
    expect(await filesIn(vm.work.scratch)).toEqual([]);
  });

  it.each([
    ['it', ({ ova }: { ova: string }) => Promise.resolve(ova)],
    [
      'what a link to it leads to',
      async ({ ova, directory }: { ova: string; directory: string }) => {
        const link = join(directory, 'latest.ova');
        await symlink(ova, link);
        return link;
      },
    ],
  ])('is refused when somebody touched %s in between', async (_what, pathTo) => {
    const made = await ovaOf();
    const vm = archiveVm({ path: await pathTo(made) });
    const disks = await vm.acquire();
    await appendFile(made.ova, Buffer.alloc(1));
    expect((await refusal(vm.convert(disks))).code).toBe('SOURCE_CHANGED');
  });
});
