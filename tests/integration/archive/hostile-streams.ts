import { gzipSync, zstdCompressSync } from 'node:zlib';
import { pipe } from '../../support/pipe.ts';
import { tar, tarFile } from '../../support/tar-bytes.ts';
import { damaged, flipped, hostile, type HostileCase, overLimit, unsupported } from './hostile-case.ts';

const MiB = 1024 ** 2;
const content = 'data of a member, '.repeat(100);
const whole = tar(tarFile(content, { name: 'fine.txt' }));

const compressors = {
  gzip: (bytes: Buffer) => gzipSync(bytes),
  // Node's own has no checksum.
  zstd: (bytes: Buffer) => pipe('zstd', ['-qc'], bytes),
  xz: (bytes: Buffer) => pipe('xz', ['-c'], bytes),
  bzip2: (bytes: Buffer) => pipe('bzip2', ['-c'], bytes),
} as const;

/** The same damage in every compression. */
const compressed: HostileCase[] = Object.entries(compressors).flatMap(([name, compress]) => {
  const packed = compress(whole);
  return [
    { title: `${name}: cut at the end`, bytes: packed.subarray(0, -3), refused: damaged(/read on/) },
    {
      title: `${name}: cut in the middle`,
      bytes: packed.subarray(0, packed.length / 2),
      refused: damaged(/read on/),
    },
    {
      title: `${name}: a bit that turned`,
      bytes: flipped(packed, Math.floor(packed.length * 0.6)),
      refused: damaged(/read on/),
    },
    {
      title: `${name}: garbage behind it`,
      bytes: Buffer.concat([packed, Buffer.from('garbage')]),
      refused: damaged(/read on/),
    },
    {
      title: `${name}: a second stream that is cut`,
      bytes: Buffer.concat([packed, compress(Buffer.alloc(20_000)).subarray(0, -3)]),
      refused: damaged(/read on/),
    },
    {
      title: `${name}: a tar behind the tar`,
      bytes: Buffer.concat([packed, packed]),
      refused: hostile(/behind the mark/),
    },
    {
      title: `${name}: a tar in two streams is one`,
      bytes: Buffer.concat([compress(whole.subarray(0, 700)), compress(whole.subarray(700))]),
      written: ['fine.txt'],
    },
    {
      title: `${name}: a bomb of zeros`,
      bytes: compress(tar(tarFile(Buffer.alloc(8 * MiB), { name: 'zeros' }))),
      limits: { maxTotalBytes: 4 * MiB },
      refused: overLimit(/maxTotalBytes/),
    },
    {
      title: `${name}: a bomb that is no tar`,
      bytes: compress(Buffer.alloc(8 * MiB, 'x')),
      limits: { maxTotalBytes: 4 * MiB },
      refused: overLimit(/maxTotalBytes/),
    },
  ];
});

const gzipped: HostileCase[] = [
  {
    title: 'gzip: something hidden behind zeros',
    bytes: Buffer.concat([gzipSync(whole), Buffer.alloc(600), gzipSync(Buffer.from(content))]),
    refused: damaged(/behind the end/),
  },
  {
    title: 'gzip: zeros behind it are padding',
    bytes: Buffer.concat([gzipSync(whole), Buffer.alloc(600)]),
    written: ['fine.txt'],
  },
  {
    title: 'gzip: nothing but a header',
    bytes: gzipSync(whole).subarray(0, 10),
    refused: damaged(/read on/),
  },
  {
    title: 'zstd: a window beyond reason',
    bytes: pipe('zstd', ['-c', '--ultra', '--long=31', '--no-content-size'], whole),
    refused: damaged(/read on/),
  },
  {
    title: 'zstd: a skippable frame in front',
    bytes: Buffer.concat([Buffer.from('502a4d1804000000abcdabcd', 'hex'), zstdCompressSync(whole)]),
    written: ['fine.txt'],
  },
];

const bombs: HostileCase[] = [
  {
    title: 'bomb: many times its size, refused by its ratio before it is unpacked',
    bytes: gzipSync(tar(tarFile(Buffer.alloc(300 * MiB), { name: 'zeros' }))),
    limits: { maxRatio: 100 },
    refused: overLimit(/maxRatio is 100/),
  },
  {
    title: 'bomb: more members than are allowed',
    bytes: gzipSync(tar(...Array.from({ length: 50 }, (_, index) => tarFile('', { name: `m${index}` })))),
    limits: { maxMembers: 20 },
    refused: overLimit(/more than 20 members/),
  },
  {
    title: 'bomb: more links than are allowed',
    bytes: tar(...Array.from({ length: 50 }, (_, index) => tarFile('', { name: `m${index}`, type: '2' }))),
    limits: { maxMembers: 20 },
    refused: overLimit(/more than 20 members/),
  },
  {
    title: 'bomb: global headers without end',
    bytes: tar(...Array.from({ length: 50 }, () => tarFile('9 a=bcde\n', { type: 'g', name: 'g' }))),
    limits: { maxMembers: 20 },
    refused: overLimit(/more than 20 members/),
  },
  {
    title: 'bomb: gzip in gzip in gzip in gzip',
    bytes: [1, 2, 3].reduce((bytes) => gzipSync(bytes), gzipSync(whole)),
    limits: { maxDepth: 3 },
    refused: overLimit(/maxDepth is 3/),
  },
  {
    title: 'bomb: archives in archives',
    bytes: [1, 2, 3, 4].reduce((bytes, level) => tar(tarFile(bytes, { name: `level${level}` })), whole),
    limits: { maxDepth: 3 },
    refused: overLimit(/maxDepth is 3/),
  },
  {
    title: 'bomb: members of archives inside count with the others',
    bytes: tar(
      ...[1, 2, 3].map((part) =>
        tarFile(tar(...[1, 2, 3].map((member) => tarFile('a', { name: `m${member}` }))), {
          name: `p${part}`,
        }),
      ),
    ),
    limits: { maxMembers: 10 },
    refused: overLimit(/more than 10 members/),
  },
  {
    title: 'bomb: bytes of archives inside count with the others',
    bytes: tar(
      ...[1, 2, 3].map((part) =>
        tarFile(gzipSync(tar(tarFile(Buffer.alloc(MiB), { name: 'zeros' }))), { name: `p${part}` }),
      ),
    ),
    limits: { maxTotalBytes: 2 * MiB },
    refused: overLimit(/maxTotalBytes/),
  },
];

const nested: HostileCase[] = [
  {
    title: 'nested: a name that leads out of an archive inside',
    bytes: tar(tarFile(tar(tarFile(content, { name: '../../../x' })), { name: 'inner.tar' })),
    refused: hostile(/inner\.tar.*upwards/),
  },
  {
    title: 'nested: a damaged archive inside',
    bytes: tar(
      tarFile(content, { name: 'fine.txt' }),
      tarFile(gzipSync(whole).subarray(0, -3), { name: 'inner.tar.gz' }),
    ),
    refused: damaged(/inner\.tar\.gz/),
  },
  {
    title: 'nested: a link inside is left out by its whole name',
    bytes: tar(
      tarFile(tar(tarFile('', { name: 'odd', type: '2' }), tarFile(content, { name: 'fine.txt' })), {
        name: 'inner',
      }),
    ),
    skipped: ['inner/odd'],
    written: ['inner/fine.txt'],
  },
  {
    title: 'nothing of an archive',
    bytes: Buffer.from('plain text'),
    refused: unsupported(/neither an archive/),
  },
  { title: 'nothing at all', bytes: Buffer.alloc(0), refused: unsupported(/neither an archive/) },
];

export const hostileStreams: readonly HostileCase[] = [...compressed, ...gzipped, ...bombs, ...nested];
