import { existsSync } from 'node:fs';
import { readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { archiveVm } from '../../support/archive-vm.ts';
import { contentOf, filesIn, ovaOf, prepare, refusal, sizeBytes, vmdk } from './ova-package.ts';
import { writeOva, writePackage } from '../../support/ova.ts';
import {
  diskItem,
  nicItem,
  oneDiskOvf,
  ovfText,
  scsiController,
  systemText,
} from '../../support/ovf-texts.ts';
import { qemuImg, sha256 } from '../image/variants.ts';

/** Processor time of this process, in microseconds: what else the machine does is hardly in it. */
async function processorTime(body: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await body();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

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
    expect(await filesIn(vm.work.scratch)).toEqual([]);
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

  const MiB = 2 ** 20;
  it.each([
    ['the size of its image, in bytes', sizeBytes, 'byte', false],
    ['a little more, as images are rounded', sizeBytes + MiB - 1, 'byte', false],
    ['two MiB more, in bytes', sizeBytes + 2 * MiB, 'byte', true],
    ['two MiB more, in MiB', Math.ceil(sizeBytes / MiB) + 2, 'byte * 2^20', true],
    ['whole GiB, as oVirt counts', 1, 'byte * 2^30', false],
    ['two GiB', 2, 'byte * 2^30', true],
    ['a TiB', 1, 'byte * 2^40', true],
  ])('has a disk whose capacity is %s: %s %s', async (_what, capacity, units, isTold) => {
    const disks = [{ id: 'vmdisk1', file: 'file1', capacity, units }];
    const { ova } = await ovaOf({ descriptor: oneDiskOvf(vmdk, 0, { disks }) });
    const { findings } = await archiveVm({ path: ova }).describe();
    const told = findings?.filter(({ code }) => code === 'capacity-differs') ?? [];
    expect(told).toHaveLength(isTold ? 1 : 0);
    if (isTold) expect(told[0]?.found).toContain(`${sizeBytes} bytes`);
  });

  it('has a disk that no VM has, which is told', async () => {
    const { source, ova } = await prepare();
    const descriptor = oneDiskOvf(vmdk, sizeBytes, {
      files: [
        { id: 'file1', href: vmdk },
        { id: 'file2', href: 'lost.vmdk' },
      ],
      disks: ['1', '2'].map((at) => ({ id: `vmdisk${at}`, file: `file${at}`, capacity: sizeBytes })),
    });
    await writeOva(ova, { directory: source, descriptor, files: [vmdk] });
    const { findings } = await archiveVm({ path: ova }).describe();
    expect(findings).toContainEqual(
      expect.objectContaining({
        code: 'disks-without-vm',
        found: expect.stringContaining('vmdisk2 (lost.vmdk)') as string,
      }),
    );
  });

  it.each(['sha1', 'sha256', 'sha512'] as const)('is compared with its manifest by %s', async (algorithm) => {
    const { ova } = await ovaOf({ algorithm });
    const vm = archiveVm({ path: ova });
    const disks = await vm.acquire();
    expect(disks).toMatchObject([{ digest: { algorithm } }]);
    expect(await filesIn(await vm.convert(disks))).toEqual(['web01-disk1.qcow2']);
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

  it('may have what macOS puts beside each file', async () => {
    const { source, ova } = await prepare();
    await writeFile(join(source, '._web01.ovf'), 'Mac OS X');
    const descriptor = oneDiskOvf(vmdk, sizeBytes);
    await writeOva(ova, { directory: source, descriptor, files: ['._web01.ovf', vmdk] });
    expect((await archiveVm({ path: ova }).describe()).vm.cpus).toBe(2);
  });

  it.each([
    ['./', (name: string) => `./${name}`],
    ['capitals', (name: string) => name.toUpperCase()],
    ['escapes', (name: string) => name.replace('-', '%2D')],
  ])('may have a manifest that writes names with %s', async (_how, written) => {
    const manifest = (lines: string[]) =>
      lines.map((line) => line.replace(/\((.*)\)/, (_all, name: string) => `(${written(name)})`));
    const { ova } = await ovaOf({ manifest });
    expect(await archiveVm({ path: ova }).acquire()).toHaveLength(1);
  });

  it(
    'may have thousands of files: eight times as many take hardly more than eight times as long',
    { timeout: 120_000 },
    async () => {
      const packages: { ova: string; least: number }[] = [];
      for (const count of [1200, 9600]) {
        const { source, ova } = await prepare();
        const names = Array.from({ length: count }, (_, index) => `notes-${index}.txt`);
        for (const name of names) await writeFile(join(source, name), '');
        const descriptor = oneDiskOvf(vmdk, sizeBytes);
        await writeOva(ova, { directory: source, descriptor, files: [vmdk, ...names] });
        packages.push({ ova, least: Infinity });
      }
      for (let round = 0; round < 3; round += 1)
        for (const each of packages)
          each.least = Math.min(
            each.least,
            await processorTime(() => archiveVm({ path: each.ova }).describe()),
          );
      const [few = NaN, many = NaN] = packages.map(({ least }) => least);
      // Where all is compared with all it is more than twenty times as long.
      expect(many / few).toBeLessThan(13);
    },
  );

  it('may lie behind a link, in a directory too', async () => {
    const { source, directory } = await prepare();
    await writePackage({ directory: source, descriptor: oneDiskOvf(vmdk, sizeBytes), files: [vmdk] });
    const path = join(directory, 'latest');
    await symlink(source, path);
    expect(await archiveVm({ path }).acquire()).toMatchObject([{ image: { path: join(source, vmdk) } }]);
  });
});
