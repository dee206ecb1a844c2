import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { extractDisks } from '../../../activities/archive/extract-disks.ts';
import { defaultLimits } from '../../../activities/archive/limits.ts';
import { probeImage } from '../../../activities/image/formats/probe.ts';
import { run } from '../../guests/lib/run.ts';
import { testIo } from '../../support/io.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { tar, tarFile } from '../../support/tar-bytes.ts';
import { zip } from '../../support/zip-bytes.ts';

const MiB = 1024 ** 2;

/** MBR with one partition. */
function partitioned(bytes = 4 * MiB): Buffer {
  const disk = Buffer.alloc(bytes);
  disk[450] = 0x83;
  disk.writeUInt32LE(2048, 454);
  disk.writeUInt32LE(2048, 458);
  disk.writeUInt16LE(0xaa55, 510);
  disk.write('data of the disk', 2 * MiB);
  return disk;
}

/** A disk of a format, as qemu-img makes it. */
async function image(format: string, options = ''): Promise<Buffer> {
  const scratch = scratchDirectory();
  await writeFile(join(scratch, 'raw'), partitioned());
  const args = ['convert', '-f', 'raw', '-O', format, ...(options ? ['-o', options] : [])];
  await run('qemu-img', [...args, join(scratch, 'raw'), join(scratch, 'disk')]);
  return readFile(join(scratch, 'disk'));
}

async function disksIn(bytes: Buffer, named?: readonly string[]) {
  const scratch = scratchDirectory();
  const path = join(scratch, 'bundle');
  await writeFile(path, bytes);
  const job = {
    path,
    directory: join(scratch, 'out'),
    limits: { ...defaultLimits, reserveBytes: 0 },
    io: testIo(),
  };
  return { job, found: await extractDisks(job, named).catch((error: unknown) => error as Error) };
}

const readme = tarFile('read me', { name: 'README.txt' });
const file = (name: string, data: Buffer | string) => tarFile(data, { name });

describe('a bundle that says nothing of its disks', () => {
  it.each([
    ["Google's disk.raw in tar.gz", () => gzipSync(tar(file('disk.raw', partitioned()))), 'disk.raw', 'raw'],
    [
      'OpenStack: qcow2 beside kernel and notes',
      async () => tar(readme, file('vmlinuz', 'MZ'), file('root.img', await image('qcow2'))),
      'root.img',
      'qcow2',
    ],
    [
      "Azure's fixed VHD in tar",
      async () => tar(file('disk.vhd', await image('vpc', 'subformat=fixed,force_size=on'))),
      'disk.vhd',
      'vpc',
    ],
    [
      'a dynamic VHD in zip',
      async () =>
        zip([
          { name: 'osdisk', data: await image('vpc', 'force_size=on') },
          { name: 'a.json', data: '{}' },
        ]),
      'osdisk',
      'vpc',
    ],
    [
      'a VDI under the name of something else',
      async () => tar(file('backup.dat', await image('vdi'))),
      'backup.dat',
      'vdi',
    ],
    ['a VHDX', async () => tar(file('a', await image('vhdx'))), 'a', 'vhdx'],
    [
      'a streamOptimized VMDK',
      async () => tar(file('a', await image('vmdk', 'subformat=streamOptimized'))),
      'a',
      'vmdk',
    ],
    [
      'a disk that is compressed in the tar',
      () => tar(readme, file('disk.raw.gz', gzipSync(partitioned()))),
      'disk.raw.gz',
      'raw',
    ],
    [
      'a tar.gz in a tar',
      async () => tar(readme, file('in.tar.gz', gzipSync(tar(file('d', await image('qcow2')))))),
      'in.tar.gz/d',
      'qcow2',
    ],
    [
      'a zip in a tar',
      async () => tar(readme, file('in.zip', zip([{ name: 'd', data: await image('qcow2') }]))),
      'in.zip/d',
      'qcow2',
    ],
    [
      'a zip in a zip',
      async () => zip([{ name: 'in.zip', data: zip([{ name: 'd', data: await image('qcow2') }]) }]),
      'in.zip/d',
      'qcow2',
    ],
    ['a disk that is merely compressed', () => gzipSync(partitioned()), 'bundle', 'raw'],
    [
      'a raw disk before others that rank behind it',
      async () => tar(file('b.qcow2', await image('qcow2')), file('a.raw', partitioned())),
      'a.raw',
      'raw',
    ],
  ] as const)('is searched by content: %s', async (_, make, name, format) => {
    const { found } = await disksIn(await make());
    expect(found).toMatchObject({ disks: [{ name }] });
    const [disk] = 'disks' in found ? found.disks : [];
    expect(await probeImage(disk?.path ?? '')).toMatchObject({ format, virtualSizeBytes: 4 * MiB });
  });

  describe('that was cut into parts', () => {
    /** Members that are the bytes in so many parts, named by their number. */
    const cut = (bytes: Buffer, count: number, nameOf: (number: number) => string): Buffer[] => {
      const length = Math.ceil(bytes.length / count);
      return Array.from({ length: count }, (_, number) =>
        file(nameOf(number), bytes.subarray(number * length, (number + 1) * length)),
      );
    };
    const padded2 = (number: number) => `image.part.${String(number).padStart(2, '0')}`;
    const letters = (number: number) => `disk.raw.a${'abcdefghijklm'[number] ?? ''}`;
    const noisy = () => Buffer.concat([partitioned(), randomBytes(3 * MiB)]);

    it.each([
      ['image.part.00', (bytes: Buffer) => tar(readme, ...cut(bytes, 12, padded2), file('z.txt', 'more'))],
      ['disk.part0', (bytes: Buffer) => gzipSync(tar(...cut(bytes, 3, (number) => `disk.part${number}`)))],
      ['disk.001', (bytes: Buffer) => tar(...cut(bytes, 3, (number) => `disk.00${number + 1}`))],
      ['disk.raw.aa', (bytes: Buffer) => tar(...cut(bytes, 13, letters))],
      ['image.part.00', (bytes: Buffer) => tar(...cut(gzipSync(bytes), 5, padded2), readme)],
      [
        'image.part.00/disk.raw',
        (bytes: Buffer) => tar(readme, ...cut(gzipSync(tar(file('disk.raw', bytes))), 5, padded2)),
      ],
      [
        'disk.000',
        (bytes: Buffer) =>
          zip(
            [0, 1].map((half) => ({
              name: `disk.00${half}`,
              data: bytes.subarray(half * 5 * MiB, (half + 1) * 5 * MiB),
            })),
          ),
      ],
    ] as const)('is put together: %s', async (name, make) => {
      const bytes = noisy();
      const { found } = await disksIn(make(bytes));
      expect(found).toMatchObject({ disks: [{ name }] });
      const [disk] = 'disks' in found ? found.disks : [];
      expect((await readFile(disk?.path ?? '')).equals(bytes)).toBe(true);
    });

    const [a = readme, b = readme, c = readme] = cut(noisy(), 3, padded2);
    it.each([
      ['a gap', [a, c]],
      ['another order', [a, c, b]],
      ['something between them', [a, readme, b, c]],
    ])('is refused for %s', async (_what, members) => {
      const { found } = await disksIn(tar(...members));
      expect(found).toMatchObject({
        code: 'ARCHIVE_INCOMPLETE',
        found: expect.stringContaining('image.part.0') as string,
      });
    });

    it('is not what disks with numbers are', async () => {
      const { found } = await disksIn(tar(file('disk.00', partitioned()), file('disk.01', partitioned())));
      expect(found).toMatchObject({ code: 'ARCHIVE_AMBIGUOUS' });
    });

    it('is refused when a later part is a disk of its own', async () => {
      const { found } = await disksIn(tar(a, b, file('image.part.02', partitioned())));
      expect(found).toMatchObject({
        code: 'ARCHIVE_UNSUPPORTED',
        found: expect.stringContaining('part by its name') as string,
      });
    });
  });

  it('takes a VMDK with its pieces for one disk', async () => {
    const scratch = scratchDirectory();
    await writeFile(join(scratch, 'raw'), partitioned());
    const vmdk = join(scratch, 'vm.vmdk');
    await run('qemu-img', [
      'convert',
      '-O',
      'vmdk',
      '-o',
      'subformat=monolithicFlat',
      join(scratch, 'raw'),
      vmdk,
    ]);
    const { found } = await disksIn(
      tar(
        file('x/vm-flat.vmdk', await readFile(join(scratch, 'vm-flat.vmdk'))),
        file('x/vm.vmdk', await readFile(vmdk)),
      ),
    );
    expect(found).toMatchObject({ disks: [{ name: 'x/vm.vmdk', extents: ['x/vm-flat.vmdk'] }] });
    const [disk] = 'disks' in found ? found.disks : [];
    await run('qemu-img', ['compare', '-f', 'vmdk', '-F', 'raw', disk?.path ?? '', join(scratch, 'raw')]);
  });

  it('asks which disks are meant, likeliest first, and then takes them in the order they were named', async () => {
    const bytes = tar(
      file('data.qcow2', await image('qcow2')),
      file('one.raw', partitioned()),
      file('two.raw', partitioned()),
    );
    const { job, found } = await disksIn(bytes);
    expect(found).toMatchObject({
      code: 'ARCHIVE_AMBIGUOUS',
      found: expect.stringMatching(
        /2 disks.*one\.raw \(raw with partitions, 4 MiB\).*two\.raw.*data\.qcow2/,
      ) as string,
    });
    expect(await extractDisks(job, ['two.raw', 'data.qcow2'])).toMatchObject({
      disks: [{ name: 'two.raw' }, { name: 'data.qcow2' }],
    });
    await expect(extractDisks(job, ['three.raw'])).rejects.toMatchObject({ code: 'ARCHIVE_AMBIGUOUS' });
  });

  it('is no disk when it is a CD, although that has a partition table too', async () => {
    const cd = partitioned();
    cd.write('CD001', 0x8001);
    const { found } = await disksIn(tar(file('install.iso', cd), file('disk', await image('qcow2'))));
    expect(found).toMatchObject({
      disks: [{ name: 'disk' }],
      skipped: [{ name: 'install.iso', why: 'not wanted' }],
    });
  });

  it.each([
    [
      'an AWS bundle',
      ['image.manifest.xml', 'image.part.00', 'image.part.01'],
      /AWS bundle.*encrypted/,
      /ec2-unbundle/,
    ],
    ['a disk that was cut', ['disk.000', 'disk.001'], /cut into parts/, /cat/],
    ['nothing like a disk', ['a.txt', 'b.json'], /no disk/, /give the disk/],
  ])('is refused with what to do: %s', async (_, names, what, remedy) => {
    const { found } = await disksIn(tar(...names.map((name) => file(name, `of ${name}`))));
    expect(found).toMatchObject({
      code: 'ARCHIVE_UNSUPPORTED',
      found: expect.stringMatching(what) as string,
      remedy: expect.stringMatching(remedy) as string,
    });
  });
});
