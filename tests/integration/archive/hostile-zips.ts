import { randomBytes } from 'node:crypto';
import { deflateRawSync, gzipSync } from 'node:zlib';
import { tar, tarFile } from '../../support/tar-bytes.ts';
import { zip } from '../../support/zip-bytes.ts';
import { damaged, flipped, hostile, type HostileCase, overLimit, unsupported } from './hostile-case.ts';

const MiB = 1024 ** 2;
const noise = randomBytes(MiB);
const content = 'data of a member, '.repeat(100);
const entry = { name: 'fine.txt', data: content };
/** A zip in a tar. */
const inTar = (bytes: Buffer): Buffer => tar(tarFile(bytes, { name: 'inner.zip' }));
/** A zip in so many others. */
const inZips = (count: number): Buffer =>
  count === 0
    ? zip([entry])
    : zip([{ name: `z${count}`, data: inZips(count - 1), method: count % 2 === 0 ? 0 : 8 }]);

const nestedZips: HostileCase[] = [
  {
    title: 'nested: a zip in a tar, one in a zip, one that is compressed',
    bytes: tar(
      tarFile(zip([entry]), { name: 'a.zip' }),
      tarFile(inZips(1), { name: 'b.zip' }),
      tarFile(gzipSync(zip([entry])), { name: 'c.zip.gz' }),
    ),
    limits: { maxDepth: 4 },
    written: ['a.zip/fine.txt', 'b.zip/z1/fine.txt', 'c.zip.gz/fine.txt'],
  },
  { title: 'nested: a zip that is compressed', bytes: gzipSync(zip([entry])), written: ['fine.txt'] },
  {
    title: 'nested: a name that leads out of a zip inside',
    bytes: inTar(zip([{ ...entry, name: '../../x' }])),
    refused: hostile(/inner\.zip.*upwards/),
  },
  {
    title: 'nested: a link in a zip inside is left out by its whole name',
    bytes: inTar(zip([{ name: 'odd', data: '/etc/passwd', unixMode: 0o120777 }, entry])),
    skipped: ['inner.zip/odd'],
    written: ['inner.zip/fine.txt'],
  },
  {
    title: 'nested: something behind the end of a zip inside',
    bytes: inTar(zip([entry], { suffix: Buffer.from('garbage') })),
    refused: damaged(/inner\.zip.*comment length/i),
  },
  {
    title: 'nested: a zip inside that is encrypted',
    bytes: inTar(zip([{ ...entry, flags: 1 }])),
    refused: unsupported(/inner\.zip.*encrypted/),
  },
  {
    title: 'nested: a zip inside that is cut, of a member that is whole',
    bytes: inTar(zip([entry]).subarray(0, -5)),
    refused: damaged(/inner\.zip/),
  },
  {
    title: 'nested: a zip in a tar that is cut',
    bytes: gzipSync(inTar(zip([{ ...entry, method: 0 }])).subarray(0, 1024)),
    refused: damaged(/read on/),
  },
  {
    title: 'bomb: zips in zips',
    bytes: inZips(3),
    limits: { maxDepth: 3 },
    refused: overLimit(/maxDepth is 3/),
  },
  {
    title: 'bomb: members of zips inside count with the others',
    bytes: tar(
      ...[1, 2, 3].map((part) =>
        tarFile(zip([1, 2, 3].map((member) => ({ name: `m${member}` }))), { name: `p${part}` }),
      ),
    ),
    limits: { maxMembers: 10 },
    refused: overLimit(/more than 10 members/),
  },
  {
    title: 'bomb: bytes of zips inside count with the others',
    bytes: tar(
      ...[1, 2, 3].map((part) =>
        tarFile(zip([{ name: 'zeros', data: Buffer.alloc(MiB) }]), { name: `p${part}` }),
      ),
    ),
    limits: { maxTotalBytes: 2 * MiB },
    refused: overLimit(/maxTotalBytes/),
  },
  {
    title: 'bomb: a zip inside counts with what comes out of it',
    bytes: gzipSync(inTar(zip([{ name: 'noise', data: noise, method: 0 }]))),
    limits: { maxTotalBytes: 1.5 * MiB },
    refused: overLimit(/maxTotalBytes/),
  },
];

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

export const hostileZips: readonly HostileCase[] = [...nestedZips, ...zips, ...moreZips];
