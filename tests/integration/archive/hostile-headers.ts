import {
  base256,
  extended,
  gnuLong,
  octal,
  pax,
  paxData,
  tar,
  tarEnd,
  tarFile,
  tarHeader,
} from '../../support/tar-bytes.ts';
import { damaged, hostile, type HostileCase, overLimit, unsupported } from './hostile-case.ts';

const data = 'x'.repeat(600);
const whole = tarFile('fine', { name: 'fine.txt' });

/** Members that are no files are left out, and the rest is taken. */
const leftOut: HostileCase[] = (
  [
    ['a symbolic link out', { type: '2', linkname: '/etc/shadow' }],
    ['a symbolic link upwards', { type: '2', linkname: '../../../x' }],
    ['a hard link', { type: '1', linkname: '/etc/shadow' }],
    ['a character device', { type: '3', raw: { 329: '0000001\x000000003\0' } }],
    ['a block device', { type: '4', raw: { 329: '0000010\x000000000\0' } }],
    ['a FIFO', { type: '6' }],
    ['the name of a volume', { type: 'V', name: '/' }],
    ['an unknown type', { type: 'Q' }],
    ['a door', { type: 'D' }],
    ['a type beyond ASCII', { raw: { 156: Buffer.from([0xe9]) } }],
  ] as const
).map(([title, fields]) => ({
  title: `tar: ${title} is left out`,
  bytes: tar(tarHeader({ name: 'odd', ...fields }), whole),
  skipped: ['name' in fields ? fields.name : 'odd'],
  written: ['fine.txt'],
}));

const unknownWithData: HostileCase = {
  title: 'tar: an unknown type with data is left out with it',
  bytes: tar(tarFile(data, { name: 'odd', type: 'Q' }), whole),
  skipped: ['odd'],
  written: ['fine.txt'],
};

const setuid: HostileCase = {
  title: 'tar: a mode with setuid says nothing',
  bytes: tar(tarFile(data, { name: 'fine.txt', mode: '0006777\0' })),
  written: ['fine.txt'],
};

const sizes: HostileCase[] = (
  [
    ['with a minus', '-0000000001\0', hostile(/size/)],
    ['with letters', '0000zzz0000\0', hostile(/size/)],
    ['with a digit that is not octal', '00000000009\0', hostile(/size/)],
    ['with a NUL between digits', '0000\x00000001\0', hostile(/size/)],
    ['with a blank between digits', '000 0000001\0', hostile(/size/)],
    ['in hexadecimal', '0x000000010\0', hostile(/size/)],
    ['below zero in base 256', base256(-512n, 0xff), hostile(/size/)],
    ['far beyond 2^53 in base 256', base256(2n ** 62n), hostile(/size/)],
    [
      'beyond 64 bits in base 256',
      Buffer.concat([Buffer.from([0x80]), Buffer.alloc(11, 0xff)]),
      hostile(/size/),
    ],
    ['of base 256 with another mark', base256(512n, 0x81), hostile(/size/)],
    ['that is more than the archive has', octal(1_000_000, 11), damaged(/ends in the middle/)],
    ['of eight GiB that are not there', octal(0o77777777777, 11), damaged(/ends in the middle/)],
    ['of terabytes in base 256 that are not there', base256(2n ** 41n), damaged(/ends in the middle/)],
  ] as const
).map(([title, size, refused]) => ({
  title: `tar: a size ${title}`,
  bytes: tar(tarFile(data, { size })),
  refused,
  ...(/GiB|terabytes/.test(title) ? { refusedAsStream: overLimit(/maxRatio/) } : {}),
}));

const withData: HostileCase[] = (
  [
    ['a directory', { type: '5', name: 'sub/' }],
    ['a directory by its name', { name: 'sub/' }],
    ['a symbolic link', { type: '2', linkname: 'a' }],
    ['a hard link', { type: '1', linkname: 'a' }],
    ['a device', { type: '3' }],
    ['a FIFO', { type: '6' }],
  ] as const
).map(([title, fields]) => ({
  title: `tar: ${title} with data, which programs read in two ways`,
  bytes: tar(tarFile(tar(tarFile(data, { name: 'hidden' })), fields)),
  refused: hostile(/has data/),
}));

const extendedHeaders: HostileCase[] = (
  [
    ['a size that differs from the header', pax({ size: '5' }), hostile(/two different sizes/)],
    ['a size of zero over data', pax({ size: '0' }), hostile(/two different sizes/)],
    ['a negative size', pax({ size: '-600' }), hostile(/size/)],
    ['a size that is no number', pax({ size: '6e2' }), hostile(/size/)],
    ['a size in hexadecimal', pax({ size: '0x258' }), hostile(/size/)],
    ['a size beyond 2^53', pax({ size: '99999999999999999' }), hostile(/size/)],
    ['a size with a blank', pax({ size: ' 600' }), hostile(/size/)],
    [
      'two names',
      extended(
        paxData([
          ['path', 'a'],
          ['path', 'b'],
        ]),
      ),
      hostile(/twice/),
    ],
    [
      'two sizes',
      extended(
        paxData([
          ['size', '600'],
          ['size', '600'],
        ]),
      ),
      hostile(/twice/),
    ],
    ['a record with a wrong length', extended('99 path=a\n'), hostile(/damaged records/)],
    ['a record that is too short', extended('5 path=abc\n'), hostile(/damaged records/)],
    ['a record without an end', extended('9 path=ab'), hostile(/damaged records/)],
    ['a record of length zero', extended('0 path=ab\n'), hostile(/damaged records/)],
    ['a record with a negative length', extended('-9 path=ab\n'), hostile(/damaged records/)],
    ['a record without a key', extended('6 =ab\n'), hostile(/damaged records/)],
    ['a record without a value', extended('8 pathx\n'), hostile(/damaged records/)],
    ['records that are nothing but NULs', extended(Buffer.alloc(40)), hostile(/damaged records/)],
    ['a length with a leading zero', extended('010 path=a\n'), hostile(/damaged records/)],
    ['no records', extended(''), hostile(/absurd size/)],
    [
      'records of megabytes',
      extended(paxData([['comment', 'c'.repeat(2 * 1024 ** 2)]])),
      hostile(/absurd size/),
    ],
    ['records of eight GiB', tarHeader({ type: 'x', size: 0o77777777777 }), hostile(/absurd size/)],
    [
      'records of a negative size',
      tarHeader({ type: 'x', size: base256(-1n, 0xff) }),
      hostile(/absurd size/),
    ],
    [
      'another extended header behind it',
      Buffer.concat([pax({ path: 'a' }), pax({ path: 'b' })]),
      hostile(/same extended header twice/),
    ],
    [
      'a long name of GNU besides',
      Buffer.concat([pax({ path: 'a' }), gnuLong('b')]),
      hostile(/two long names/),
    ],
    ['a long name twice', Buffer.concat([gnuLong('a'), gnuLong('b')]), hostile(/same extended header twice/)],
    [
      'a long link name twice',
      Buffer.concat([gnuLong('a', 'K'), gnuLong('b', 'K')]),
      hostile(/same extended header twice/),
    ],
    [
      'a long name of eight GiB',
      tarHeader({ type: 'L', size: 0o77777777777, magic: 'gnu' }),
      hostile(/absurd size/),
    ],
    ['a long name of nothing', tarHeader({ type: 'L', size: 0, magic: 'gnu' }), hostile(/absurd size/)],
    ['an empty long name', gnuLong(''), hostile(/NUL/)],
    [
      'a key of a prototype',
      extended(
        paxData([
          ['__proto__', 'a'],
          ['path', '../b'],
        ]),
      ),
      hostile(/upwards/),
    ],
  ] as const
).map(([title, header, refused]) => ({
  title: `extended header: ${title}`,
  bytes: tar(whole, header, tarFile(data)),
  refused,
}));

const globalHeaders: HostileCase[] = (
  [
    ['a name', { path: 'disk.raw' }],
    ['a size', { size: '600' }],
    ['a link name', { linkpath: '/etc/passwd' }],
    ['a map of holes', { 'GNU.sparse.major': '1' }],
  ] as const
).map(([title, records]) => ({
  title: `global header: ${title} for all members`,
  bytes: tar(pax(records, { type: 'g' }), tarFile(data)),
  refused: hostile(/global header/),
}));

const harmlessGlobal: HostileCase = {
  title: 'global header: a comment is read over',
  bytes: tar(pax({ comment: 'of git archive' }, { type: 'g' }), whole),
  written: ['fine.txt'],
};

const ends: HostileCase[] = [
  { title: 'tar: no end', bytes: Buffer.concat([whole]), refused: damaged(/without the mark of its end/) },
  {
    title: 'tar: cut in a header',
    bytes: Buffer.concat([whole, whole.subarray(0, 300)]),
    refused: damaged(/end/),
  },
  {
    title: 'tar: cut in data',
    bytes: Buffer.concat([whole, tarFile(data).subarray(0, 700)]),
    refused: damaged(/end/),
  },
  {
    title: 'tar: cut in the padding',
    bytes: Buffer.concat([whole, tarFile('a').subarray(0, 600)]),
    refused: damaged(/end/),
  },
  {
    title: 'tar: cut behind an extended header',
    bytes: tar(whole, pax({ path: 'a' })),
    refused: damaged(/should follow/),
  },
  {
    title: 'tar: cut behind a long name',
    bytes: tar(whole, gnuLong('a')),
    refused: damaged(/should follow/),
  },
  {
    title: 'tar: cut in an extended header',
    bytes: Buffer.concat([whole, pax({ path: 'a' }).subarray(0, 700)]),
    refused: damaged(/end/),
  },
  {
    title: 'tar: a member behind the end',
    bytes: Buffer.concat([tar(whole), tarFile(data)]),
    refused: hostile(/behind the mark/),
  },
  {
    title: 'tar: a member behind a lone zero block',
    bytes: Buffer.concat([whole, Buffer.alloc(512), tarFile(data), tarEnd]),
    refused: hostile(/behind the mark/),
  },
  {
    title: 'tar: two archives in one',
    bytes: Buffer.concat([tar(whole), tar(tarFile(data))]),
    refused: hostile(/behind the mark/),
  },
  {
    title: 'tar: garbage behind the end',
    bytes: Buffer.concat([tar(whole), Buffer.from('garbage')]),
    refused: hostile(/behind the mark/),
  },
  {
    title: 'tar: a header with a wrong checksum',
    bytes: tar(whole, tarFile(data, { checksum: '000001\0 ' })),
    refused: damaged(/damaged/),
  },
  {
    title: 'tar: noise in place of a header',
    bytes: tar(whole, Buffer.alloc(512, 0xa5)),
    refused: damaged(/damaged/),
  },
];

const others: HostileCase[] = [
  {
    title: 'tar: a part of several volumes',
    bytes: tar(tarFile(data, { type: 'M', magic: 'gnu' })),
    refused: unsupported(/several/),
  },
  {
    title: 'tar: a list of names of an old GNU tar',
    bytes: tar(tarFile(data, { type: 'N', magic: 'gnu' })),
    refused: unsupported(/old GNU/),
  },
  {
    title: 'tar: an extended header of Solaris is left out',
    bytes: tar(extended(paxData([['path', 'a']]), { type: 'X' }), whole),
    skipped: ['PaxHeaders/disk.raw'],
    written: ['fine.txt'],
  },
];

export const hostileHeaders: readonly HostileCase[] = [
  ...leftOut,
  unknownWithData,
  setuid,
  ...sizes,
  ...withData,
  ...extendedHeaders,
  ...globalHeaders,
  harmlessGlobal,
  ...ends,
  ...others,
];
