import { deflateRawSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { pipe } from '../../support/pipe.ts';
import { tar, tarFile } from '../../support/tar-bytes.ts';
import { zip } from '../../support/zip-bytes.ts';
import { damaged, hostile, type HostileCase, overLimit, unsupported } from './hostile-case.ts';

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

const flipped = (bytes: Buffer, at: number): Buffer => {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 0xff;
  return copy;
};

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
    title: 'nested: a zip inside',
    bytes: tar(tarFile(zip([{ name: 'a', data: content }]), { name: 'inner.zip' })),
    refused: unsupported(/zip inside/),
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

const entry = { name: 'fine.txt', data: content };
/** The member `b` as it lies in a zip: a header of thirty bytes, its name, its data. */
const innerLocal = zip([{ name: 'b', method: 0, data: content }]).subarray(0, 31 + content.length);
const deflated = deflateRawSync(Buffer.from(content));

const zips: HostileCase[] = (
  [
    ['an encrypted member', zip([{ ...entry, flags: 1 }]), unsupported(/encrypted/)],
    ['a strongly encrypted member', zip([{ ...entry, flags: 0x41 }]), unsupported(/encrypt/)],
    [
      'a member encrypted in its local header only',
      zip([{ ...entry, local: { flags: 1 } }]),
      hostile(/two different ways/),
    ],
    ['a rare compression', zip([{ ...entry, method: 12 }]), unsupported(/method 12/)],
    [
      'another compression in the local header',
      zip([{ ...entry, local: { method: 0 } }]),
      hostile(/two different ways/),
    ],
    [
      'another name in the local header',
      zip([{ ...entry, local: { name: 'evil.txt' } }]),
      hostile(/two different ways/),
    ],
    [
      'another size in the local header',
      zip([{ ...entry, local: { size: 5 } }]),
      hostile(/two different ways/),
    ],
    [
      'another checksum in the local header',
      zip([{ ...entry, local: { crc: 5 } }]),
      hostile(/two different ways/),
    ],
    [
      'a size that is too small',
      zip([{ ...entry, directory: { size: 5 }, local: { size: 5 } }]),
      hostile(/larger than it says/),
    ],
    [
      'a size that is too large',
      zip([{ ...entry, directory: { size: 5000 }, local: { size: 5000 } }]),
      damaged(/checksum/),
    ],
    ['a wrong checksum', zip([{ ...entry, directory: { crc: 5 }, local: { crc: 5 } }]), damaged(/checksum/)],
    [
      'a wrong checksum of a stored member',
      zip([{ ...entry, method: 0, directory: { crc: 5 }, local: { crc: 5 } }]),
      damaged(/checksum/),
    ],
    [
      'sizes of a stored member that differ',
      zip([{ ...entry, method: 0, directory: { size: 5 } }]),
      damaged(/mismatch/),
    ],
    ['damaged data', zip([{ ...entry, compressed: flipped(deflated, 3) }]), damaged(/read on|checksum/)],
    [
      'something hidden behind the data of a member',
      zip([{ ...entry, compressed: Buffer.concat([deflated, Buffer.from('hidden')]) }]),
      damaged(/behind the end/),
    ],
    [
      'data beyond the end',
      zip([{ ...entry, directory: { compressedSize: 90_000 }, local: { compressedSize: 90_000 } }]),
      damaged(/bounds/),
    ],
    ['a local header beyond the end', zip([{ ...entry, directory: { offset: 90_000 } }]), damaged(/read on/)],
    ['a local header that is none', zip([{ ...entry, directory: { offset: 3 } }]), damaged(/signature/)],
    [
      'members that share a header under two names',
      zip([entry, { ...entry, name: 'b', sameAs: 0 }]),
      hostile(/two different ways/),
    ],
    [
      'a bomb whose members lie in one another',
      zip([
        { name: 'a', method: 0, data: innerLocal },
        { name: 'b', method: 0, data: content, sameAs: 0, directory: { offset: 31 } },
      ]),
      hostile(/over another/),
    ],
    [
      'members over the directory',
      zip([
        {
          ...entry,
          directory: { compressedSize: deflated.length + 20 },
          local: { compressedSize: deflated.length + 20 },
        },
      ]),
      hostile(/over its directory/),
    ],
    ['a part of several disks', zip([entry], { disk: 1 }), unsupported(/multi-disk/)],
    ['more entries than there are', zip([entry], { entryCount: 9 }), damaged(/read on/)],
    ['a directory that is not there', zip([entry], { directoryOffset: 90_000 }), damaged(/read on/)],
    ['garbage behind the end', zip([entry], { suffix: Buffer.from('garbage') }), damaged(/comment length/i)],
    ['a cut end', zip([entry]).subarray(0, -5), damaged(/read on/)],
    ['a directory entry with data', zip([{ name: 'sub/', data: content }]), hostile(/has data/)],
  ] as const
).map(([title, bytes, refused]) => ({ title: `zip: ${title}`, bytes, refused }));

const moreZips: HostileCase[] = [
  ...(
    [
      ['a symbolic link', 0o120777],
      ['a character device', 0o020666],
      ['a block device', 0o060666],
      ['a FIFO', 0o010666],
      ['a socket', 0o140666],
    ] as const
  ).map(([title, unixMode]) => ({
    title: `zip: ${title} is left out`,
    bytes: zip([{ name: 'odd', data: '/etc/passwd', unixMode }, entry]),
    skipped: ['odd'],
    written: ['fine.txt'],
  })),
  {
    title: 'zip: a mode with setuid says nothing',
    bytes: zip([{ ...entry, unixMode: 0o104777 }]),
    written: ['fine.txt'],
  },
  {
    title: 'zip: a bomb by its stated size',
    bytes: zip([{ ...entry, data: Buffer.alloc(8 * MiB) }]),
    limits: { maxTotalBytes: 4 * MiB },
    refused: overLimit(/maxTotalBytes/),
  },
  {
    title: 'zip: more members than are allowed',
    bytes: zip(Array.from({ length: 50 }, (_, index) => ({ name: `m${index}` }))),
    limits: { maxMembers: 20 },
    refused: overLimit(/more than 20 members/),
  },
];

export const hostileStreams: readonly HostileCase[] = [
  ...compressed,
  ...gzipped,
  ...bombs,
  ...nested,
  ...zips,
  ...moreZips,
];
