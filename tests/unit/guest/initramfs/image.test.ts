import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import {
  addModules,
  isModuleIndex,
  type AddedModule,
} from '../../../../activities/guest/initramfs/add-modules.ts';
import { MalformedArchive } from '../../../../activities/host/byte-reader.ts';
import { rewriteImage, surveyImage } from '../../../../activities/guest/initramfs/image.ts';
import { writeModuleIndex } from '../../../../activities/guest/initramfs/module-index.ts';
import { readInitramfsModules } from '../../../../activities/guest/initramfs/module-names.ts';
import { cpioArchive } from '../../../support/cpio-archive.ts';
import { pipe } from '../../../support/pipe.ts';

const dir = mkdtempSync(join(tmpdir(), 'initramfs-image-'));
afterAll(() => rmSync(dir, { recursive: true }));

const version = '6.1.0-1-amd64';
const folder = `usr/lib/modules/${version}`;
const never = new AbortController().signal;
const microcode = cpioArchive({ 'kernel/x86/microcode/GenuineIntel.bin': Buffer.alloc(5000, 7) });

/** An initramfs of a guest on VMware, whose virtio modules stayed on its disk; its index is depmod's format. */
const vmware: Record<string, string | Buffer> = {
  init: '#!/bin/sh\n',
  'usr/bin/udevadm': 'ELF',
  'conf/conf.d/resume': 'RESUME=/dev/sda5\n',
  [`${folder}/kernel/drivers/virtio/virtio.ko`]: 'unpacked',
  [`${folder}/modules.dep`]: 'kernel/drivers/virtio/virtio.ko:\n',
  [`${folder}/modules.dep.bin`]: writeModuleIndex([
    { key: 'virtio', value: 'kernel/drivers/virtio/virtio.ko:', priority: 0 },
  ]),
  [`${folder}/modules.alias.bin`]: writeModuleIndex([
    { key: 'pci:v000015ADd000007C0*', value: 'vmw_pvscsi', priority: 0 },
  ]),
  'usr/sbin/last': Buffer.alloc(300_000, 'a file behind the modules\n'),
};
const blk: AddedModule = {
  name: 'virtio_blk',
  path: 'kernel/drivers/block/virtio_blk.ko.xz',
  dependencies: ['kernel/drivers/virtio/virtio.ko.xz', 'kernel/drivers/virtio/virtio_ring.ko.xz'],
  aliases: ['virtio:d00000002v*'],
  content: Buffer.from('driver'),
};
const ring: AddedModule = {
  name: 'virtio_ring',
  path: 'kernel/drivers/virtio/virtio_ring.ko.xz',
  dependencies: [],
  aliases: [],
  content: Buffer.from('ring'),
};

let files = 0;
function written(content: Buffer): string {
  const path = join(dir, `image-${files++}`);
  writeFileSync(path, content);
  return path;
}

/** The image with the modules in it. */
async function given(image: Buffer, modules = [blk, ring], more: [string, string][] = []): Promise<string> {
  const path = written(image);
  const survey = await surveyImage(path, (name) => isModuleIndex(name, version), never);
  const edit = addModules(survey, version, modules);
  for (const [name, content] of more) edit.files.set(name, Buffer.from(content));
  await rewriteImage(path, `${path}.new`, { ...edit, survey }, never);
  return `${path}.new`;
}

/** What cpio makes of the last archive of an image, and what modprobe says of the modules in it. */
function unpacked(image: Buffer): {
  read: (name: string) => string;
  modprobe: (...args: string[]) => string;
} {
  const root = join(dir, `root-${files++}`);
  mkdirSync(root);
  pipe('cpio', ['--quiet', '-i', '-d', '-D', root], image);
  const base = ['-d', join(root, 'usr'), '-S', version];
  return {
    read: (name) => readFileSync(join(root, name), 'latin1'),
    modprobe: (...args) => pipe('modprobe', [...base, ...args]).toString(),
  };
}

const compressors: Record<string, (content: Buffer) => Buffer> = {
  none: (content) => content,
  gzip: (content) => gzipSync(content),
  zstd: (content) => zstdCompressSync(content),
  xz: (content) => pipe('xz', ['--check=crc32', '-c'], content),
  lz4: (content) => pipe('lz4', ['-l', '-c'], content),
  bzip2: (content) => pipe('bzip2', ['-c'], content),
  lzma: (content) => pipe('xz', ['--format=lzma', '-c'], content),
};
const unpackers: Record<string, string[]> = {
  none: ['cat'],
  gzip: ['gzip', '-dc'],
  zstd: ['zstd', '-dc'],
  xz: ['xz', '-dc'],
  lz4: ['lz4', '-dc'],
  bzip2: ['bzip2', '-dc'],
  lzma: ['xz', '--format=lzma', '-dc'],
};

describe('an initramfs that gets modules', () => {
  it.each(Object.keys(compressors))(
    'compressed by %s has them where modprobe finds them, and all else as it was',
    async (name) => {
      const main = compressors[name]?.(cpioArchive(vmware)) ?? Buffer.alloc(0);
      const early = Buffer.concat([microcode, Buffer.alloc(512)]);
      const image = readFileSync(await given(Buffer.concat([early, main])));

      expect(image.subarray(0, early.length).equals(early)).toBe(true);
      const rest = image.subarray(early.length);
      // The compression stays the same.
      if (name !== 'none') expect(rest.subarray(0, 3)).toEqual(main.subarray(0, 3));
      // The kernel knows no other check of xz than CRC32: stream flags of the xz file format.
      if (name === 'xz') expect(rest[7]).toBe(1);
      const [program = '', ...args] = unpackers[name] ?? [];
      const found = unpacked(pipe(program, args, rest));
      expect(found.read('usr/sbin/last')).toBe(vmware['usr/sbin/last']?.toString());
      expect(found.read(`${folder}/${blk.path}`)).toBe('driver');
      expect(found.modprobe('--resolve-alias', 'virtio:d00000002v00001AF4')).toBe('virtio_blk\n');
      expect(found.modprobe('--resolve-alias', 'pci:v000015ADd000007C0sv0')).toBe('vmw_pvscsi\n');
      const needed = found.modprobe('--show-depends', 'virtio_blk');
      // What was there under another name is loaded by that name.
      expect([...needed.matchAll(/insmod .*\/(\S+) /g)].map(([, file]) => file)).toEqual([
        'virtio_ring.ko.xz',
        'virtio.ko',
        'virtio_blk.ko.xz',
      ]);
    },
  );

  it('is read by the inspector to its end, with archives one after another as Ubuntu has them', async () => {
    const modules = Object.fromEntries(Object.entries(vmware).filter(([name]) => name.startsWith(folder)));
    const others = Object.fromEntries(Object.entries(vmware).filter(([name]) => !name.startsWith(folder)));
    const tail = zstdCompressSync(cpioArchive(others));
    const path = await given(Buffer.concat([microcode, cpioArchive(modules), tail]));

    const { modules: read, problem } = await readInitramfsModules(path, version, never);
    expect({ read: [...read].sort(), problem }).toEqual({
      read: ['virtio', 'virtio_blk', 'virtio_ring'],
      problem: undefined,
    });
    const image = readFileSync(path);
    expect(image.subarray(image.length - tail.length).equals(tail)).toBe(true);
  });

  it('can be unpacked apart where its modules lie in an archive of their own, as Debian 13 has them', async () => {
    const early = { [`${folder}/kernel/drivers`]: '', [`${folder}/kernel/drivers/scsi.ko.xz`]: 'packed' };
    const main = gzipSync(cpioArchive(vmware));
    const image = readFileSync(await given(Buffer.concat([cpioArchive(early), main])));
    const names = pipe('cpio', ['--quiet', '-t'], gunzipSync(image.subarray(cpioArchive(early).length)));
    const [directory, ...others] = names
      .toString()
      .split('\n')
      .filter((name) => name === `${folder}/kernel/drivers`);
    expect({ directory, others }).toEqual({ directory: `${folder}/kernel/drivers`, others: [] });
  });

  it('gets nothing twice', async () => {
    const once = readFileSync(await given(cpioArchive(vmware)));
    expect(readFileSync(await given(once)).equals(once)).toBe(true);
  });

  it('can have files changed in place', async () => {
    const path = await given(
      gzipSync(cpioArchive(vmware)),
      [blk, ring],
      [['conf/conf.d/resume', 'RESUME=UUID=5\n']],
    );
    const found = unpacked(pipe('gzip', ['-dc', path]));
    expect(found.read('conf/conf.d/resume')).toBe('RESUME=UUID=5\n');
  });

  it.each([
    ['without a udev that would load them', 'usr/bin/udevadm', /no udev/],
    ['without indexes', `${folder}/modules.dep.bin`, /no module indexes/],
  ])('is left to the tools of the guest %s', async (_why, missing, problem) => {
    const others = Object.fromEntries(Object.entries(vmware).filter(([name]) => name !== missing));
    await expect(given(cpioArchive(others))).rejects.toThrow(problem);
  });

  it('is left to them when it is damaged, whatever the damage', async () => {
    const image = gzipSync(cpioArchive(vmware));
    await fc.assert(
      fc.asyncProperty(fc.nat(image.length - 1), fc.nat(255), async (at, byte) => {
        const damaged = Buffer.from(image);
        damaged[at] = byte;
        await given(damaged).catch((error: unknown) => expect(error).toBeInstanceOf(MalformedArchive));
      }),
      { numRuns: 60 },
    );
    await expect(given(image.subarray(0, image.length - 20))).rejects.toBeInstanceOf(MalformedArchive);
  });
});
