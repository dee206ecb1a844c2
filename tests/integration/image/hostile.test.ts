import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readFile, rename, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolveChain } from '../../../activities/image/chain.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { qemuImg } from './variants.ts';

const outside = '/etc/passwd';

/** An empty directory for an image, with a neighbour directory that holds a secret disk. */
async function setUp(): Promise<{ directory: string; secret: string }> {
  const root = scratchDirectory();
  const directory = join(root, 'vm');
  const secret = join(root, 'other', 'secret.img');
  await mkdir(directory);
  await mkdir(dirname(secret));
  await writeFile(secret, Buffer.alloc(1024 * 1024, 0x53));
  return { directory, secret };
}

/** qcow2 with a backing name that qemu-img would not write: made with a placeholder, then overwritten. */
async function qcow2OnName(path: string, name: string, format = 'raw'): Promise<void> {
  const placeholder = join(dirname(path), 'p'.repeat(Buffer.byteLength(name)));
  qemuImg('create', '-q', '-u', '-f', 'qcow2', '-F', format, '-b', placeholder, path, '1M');
  const bytes = await readFile(path);
  const offset = Number(bytes.readBigUInt64BE(8));
  bytes.fill(0, offset, offset + bytes.readUInt32BE(16));
  bytes.write(name, offset);
  bytes.writeUInt32BE(Buffer.byteLength(name), 16);
  await writeFile(path, bytes);
}

const descriptor = (lines: string[], head = 'parentCID=ffffffff') =>
  [
    '# Disk DescriptorFile',
    'version=1',
    'CID=12345678',
    head,
    'createType="custom"',
    '# Extents',
    ...lines,
    '',
  ].join('\n');

interface Attack {
  what: string;
  code: string;
  /** Makes the image and returns its path. */
  make: (directory: string, secret: string) => Promise<string>;
}

const backing = (
  what: string,
  name: (secret: string) => string,
  code = 'IMAGE_REFERENCE_OUTSIDE',
): Attack => ({
  what: `a qcow2 whose backing file is ${what}`,
  code,
  make: async (directory, secret) => {
    await qcow2OnName(join(directory, 'disk.qcow2'), name(secret));
    return join(directory, 'disk.qcow2');
  },
});

const extents = (
  what: string,
  lines: (secret: string) => string[],
  code = 'IMAGE_REFERENCE_OUTSIDE',
): Attack => ({
  what: `a VMDK with ${what}`,
  code,
  make: async (directory, secret) => {
    await writeFile(join(directory, 'inside.img'), Buffer.alloc(1024 * 1024));
    await writeFile(join(directory, 'disk.vmdk'), descriptor(lines(secret)));
    return join(directory, 'disk.vmdk');
  },
});

const throughLink = (what: string, content: (link: string) => string, link: 'file' | 'folder'): Attack => ({
  what,
  code: 'IMAGE_REFERENCE_OUTSIDE',
  make: async (directory, secret) => {
    await symlink(link === 'file' ? secret : dirname(secret), join(directory, 'link'));
    await writeFile(join(directory, 'disk.vmdk'), content(link === 'file' ? 'link' : 'link/secret.img'));
    return join(directory, 'disk.vmdk');
  },
});

const attacks: Attack[] = [
  backing('a system file', () => outside),
  backing('an image of a neighbour', (secret) => secret),
  backing('up and out', () => '../other/secret.img'),
  backing('a file that may not exist outside', () => '/no/such/file'),
  backing(
    'a json: name',
    (secret) => `json:{"driver":"raw","file":{"driver":"file","filename":"${secret}"}}`,
  ),
  backing('a network address', () => 'nbd://127.0.0.1:10809/x'),
  backing('a file: name', (secret) => `file:${secret}`),
  backing('the image itself', () => 'disk.qcow2', 'IMAGE_CORRUPT'),
  backing('not there', () => 'gone.img', 'IMAGE_PARENT_MISSING'),
  {
    what: 'a qcow2 whose backing file is a link that leads out',
    code: 'IMAGE_REFERENCE_OUTSIDE',
    make: async (directory, secret) => {
      await symlink(secret, join(directory, 'base.img'));
      await qcow2OnName(join(directory, 'disk.qcow2'), 'base.img');
      return join(directory, 'disk.qcow2');
    },
  },
  {
    what: 'two qcow2 files that are each on top of the other',
    code: 'IMAGE_CORRUPT',
    make: async (directory) => {
      await qcow2OnName(join(directory, 'a.qcow2'), 'b.qcow2', 'qcow2');
      await qcow2OnName(join(directory, 'b.qcow2'), 'a.qcow2', 'qcow2');
      return join(directory, 'a.qcow2');
    },
  },
  {
    what: 'a qcow2 whose data file lies outside',
    code: 'IMAGE_REFERENCE_OUTSIDE',
    make: (directory, secret) => {
      qemuImg(
        'create',
        '-q',
        '-f',
        'qcow2',
        '-o',
        `data_file=${join(dirname(secret), 'data.img')}`,
        join(directory, 'disk.qcow2'),
        '1M',
      );
      return Promise.resolve(join(directory, 'disk.qcow2'));
    },
  },
  {
    what: 'a qcow2 whose stated parent format is not what the parent is',
    code: 'IMAGE_CORRUPT',
    make: async (directory) => {
      await writeFile(join(directory, 'base.img'), Buffer.alloc(1024 * 1024));
      await qcow2OnName(join(directory, 'disk.qcow2'), 'base.img', 'qcow2');
      return join(directory, 'disk.qcow2');
    },
  },
  {
    what: 'a qcow2 on a parent of a driver that reads no disks',
    code: 'IMAGE_FORMAT_UNSUPPORTED',
    make: async (directory) => {
      await qcow2OnName(join(directory, 'disk.qcow2'), 'base.img', 'blkdebug');
      return join(directory, 'disk.qcow2');
    },
  },
  extents('an extent with an absolute name', (secret) => [`RW 2048 FLAT "${secret}" 0`]),
  extents('an extent up and out', () => ['RW 2048 FLAT "../other/secret.img" 0']),
  extents('a system file as extent', () => [`RW 1 FLAT "${outside}" 0`]),
  extents('a sparse extent outside', (secret) => [`RW 2048 SPARSE "${secret}"`]),
  extents('an extent named like a protocol', () => ['RW 2048 FLAT "json:{}" 0']),
  extents('one good and one bad extent', (secret) => [
    'RW 2048 FLAT "inside.img" 0',
    `RW 2048 VMFS "${secret}"`,
  ]),
  extents(
    'the same extent twice',
    () => ['RW 2048 FLAT "inside.img" 0', 'RW 2048 FLAT "inside.img" 0'],
    'IMAGE_CORRUPT',
  ),
  extents('an extent that is too short', () => ['RW 4096 FLAT "inside.img" 0'], 'IMAGE_TRUNCATED'),
  extents('an extent read from past its end', () => ['RW 2048 FLAT "inside.img" 1'], 'IMAGE_TRUNCATED'),
  extents('an extent that is not there', () => ['RW 2048 FLAT "gone.img" 0'], 'SOURCE_NOT_FOUND'),
  extents(
    'an extent QEMU passes over',
    () => ['RW 2048 FLAT "inside.img" 0', 'RW 2048 ZERO'],
    'IMAGE_FORMAT_UNSUPPORTED',
  ),
  extents(
    'an extent hidden behind white space',
    (secret) => ['RW 2048 FLAT "inside.img" 0', ` RW 2048 FLAT "${secret}" 0`],
    'IMAGE_CORRUPT',
  ),
  extents(
    'an extent broken over two lines',
    (secret) => ['RW 2048 FLAT "inside.img" 0', 'RW', `2048 FLAT "${secret}" 0`],
    'IMAGE_FORMAT_UNSUPPORTED',
  ),
  extents('an extent QEMU would read twice', () => ['', 'RW 2048 FLAT "inside.img" 0'], 'IMAGE_CORRUPT'),
  throughLink(
    'a VMDK whose extent is a link that leads out',
    (link) => descriptor([`RW 2048 FLAT "${link}" 0`]),
    'file',
  ),
  throughLink(
    'a VMDK whose extent lies behind a linked folder',
    (link) => descriptor([`RW 2048 FLAT "${link}" 0`]),
    'folder',
  ),
  {
    what: 'a VMDK snapshot whose parent lies outside',
    code: 'IMAGE_REFERENCE_OUTSIDE',
    make: async (directory, secret) => {
      await writeFile(join(directory, 'inside.img'), Buffer.alloc(1024 * 1024));
      const head = `parentCID=12345678\nparentFileNameHint="${secret}"`;
      await writeFile(join(directory, 'disk.vmdk'), descriptor(['RW 2048 FLAT "inside.img" 0'], head));
      return join(directory, 'disk.vmdk');
    },
  },
  {
    what: 'a VMDK snapshot whose parent has changed',
    code: 'IMAGE_CORRUPT',
    make: async (directory) => {
      qemuImg('create', '-q', '-f', 'vmdk', join(directory, 'base.vmdk'), '1M');
      execFileSync('qemu-img', ['create', '-q', '-f', 'vmdk', '-F', 'vmdk', '-b', 'base.vmdk', 'top.vmdk'], {
        cwd: directory,
      });
      qemuImg('create', '-q', '-f', 'vmdk', join(directory, 'new.vmdk'), '1M');
      await rename(join(directory, 'new.vmdk'), join(directory, 'base.vmdk'));
      return join(directory, 'top.vmdk');
    },
  },
  {
    what: 'a qcow2 that claims 2^60 bytes',
    code: 'IMAGE_CORRUPT',
    make: (directory) => patched(directory, (head) => void head.writeBigUInt64BE(1n << 60n, 24)),
  },
  {
    what: 'a disk of more than 64 TiB',
    code: 'IMAGE_SIZE_ABSURD',
    make: (directory) => {
      qemuImg('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=2M', join(directory, 'disk.qcow2'), '65T');
      return Promise.resolve(join(directory, 'disk.qcow2'));
    },
  },
  {
    what: 'a disk without a sector',
    code: 'IMAGE_SIZE_ABSURD',
    make: (directory) => patched(directory, (head) => void head.writeBigUInt64BE(0n, 24)),
  },
  {
    what: 'a qcow2 with an L1 table past its end',
    code: 'IMAGE_TRUNCATED',
    make: (directory) => patched(directory, (head) => void head.writeBigUInt64BE(1n << 40n, 40)),
  },
  {
    what: 'a qcow2 marked corrupt',
    code: 'IMAGE_CORRUPT',
    make: (directory) => patched(directory, (head) => void head.writeBigUInt64BE(2n, 72)),
  },
  {
    what: 'a qcow2 with a feature from the future',
    code: 'IMAGE_FORMAT_UNSUPPORTED',
    make: (directory) => patched(directory, (head) => void head.writeBigUInt64BE(1n << 40n, 72)),
  },
  {
    what: 'an encrypted qcow2',
    code: 'IMAGE_ENCRYPTED',
    make: (directory) => patched(directory, (head) => void head.writeUInt32BE(2, 32)),
  },
  {
    what: 'a differencing VHD',
    code: 'IMAGE_FORMAT_UNSUPPORTED',
    make: async (directory) => {
      const path = join(directory, 'disk.vhd');
      qemuImg('create', '-q', '-f', 'vpc', path, '4M');
      const bytes = await readFile(path);
      bytes.writeUInt32BE(4, 60);
      bytes.writeUInt32BE(bytes.readUInt32BE(64) - 1, 64);
      await writeFile(path, bytes);
      return path;
    },
  },
  {
    what: 'a VHD with a wrong checksum',
    code: 'IMAGE_CORRUPT',
    make: async (directory) => {
      const path = join(directory, 'disk.vhd');
      qemuImg('create', '-q', '-f', 'vpc', path, '4M');
      const bytes = await readFile(path);
      bytes.writeUInt8(bytes.readUInt8(48) ^ 1, 48);
      await writeFile(path, bytes);
      return path;
    },
  },
  {
    what: 'a FIFO in place of an image',
    code: 'SOURCE_UNREADABLE',
    make: (directory) => {
      execFileSync('mkfifo', [join(directory, 'disk.img')]);
      return Promise.resolve(join(directory, 'disk.img'));
    },
  },
  {
    what: 'a directory in place of an image',
    code: 'SOURCE_UNREADABLE',
    make: (directory) => Promise.resolve(directory),
  },
  {
    what: 'nothing in place of an image',
    code: 'SOURCE_NOT_FOUND',
    make: (directory) => Promise.resolve(join(directory, 'none.img')),
  },
];

/** An empty qcow2 of 1 MiB with its header changed. */
async function patched(directory: string, change: (head: Buffer) => void): Promise<string> {
  const path = join(directory, 'disk.qcow2');
  qemuImg('create', '-q', '-f', 'qcow2', path, '1M');
  const bytes = await readFile(path);
  change(bytes);
  await writeFile(path, bytes);
  return path;
}

describe('a hostile image', () => {
  it.each(attacks)('is refused: $what', async ({ make, code }) => {
    const { directory, secret } = await setUp();
    const path = await make(directory, secret);
    await expect(resolveChain(path)).rejects.toMatchObject({ name: 'LonghaulError', code });
  });

  it('may lie over several directories when the directory above them is given', async () => {
    const { directory, secret } = await setUp();
    await qcow2OnName(join(directory, 'disk.qcow2'), '../other/secret.img');
    const image = await resolveChain(join(directory, 'disk.qcow2'), { directory: dirname(directory) });
    expect(image.backing?.path).toBe(secret);
  });

  it('may name no other file when it lies directly in /', async () => {
    const { directory, secret } = await setUp();
    await qcow2OnName(join(directory, 'disk.qcow2'), secret);
    await expect(resolveChain(join(directory, 'disk.qcow2'), { directory: '/' })).rejects.toMatchObject({
      code: 'IMAGE_REFERENCE_OUTSIDE',
    });
    await qcow2OnName(join(directory, 'alone.qcow2'), '');
    expect(await resolveChain(join(directory, 'alone.qcow2'), { directory: '/' })).not.toHaveProperty(
      'backing',
    );
  });

  it('is taken for a disk when the spec says so, whatever it looks like', async () => {
    const { directory } = await setUp();
    const path = await patched(directory, () => undefined);
    const { size } = await stat(path);
    await truncate(path, Math.ceil(size / 512) * 512);
    expect(await resolveChain(path, { statedFormat: 'raw' })).toMatchObject({ format: 'raw', extents: [] });
  });

  it('is recognised by its content, not by its name', async () => {
    const { directory } = await setUp();
    await rename(await patched(directory, () => undefined), join(directory, 'disk.vmdk'));
    expect(await resolveChain(join(directory, 'disk.vmdk'))).toMatchObject({ format: 'qcow2' });
    await chmod(join(directory, 'disk.vmdk'), 0o400);
    await expect(resolveChain(join(directory, 'disk.vmdk'), { statedFormat: 'vmdk' })).rejects.toMatchObject({
      code: 'IMAGE_CORRUPT',
    });
  });
});
