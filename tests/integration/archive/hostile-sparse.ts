import { extended, octal, padded, pax, paxData, tar, tarFile, tarHeader } from '../../support/tar-bytes.ts';
import { damaged, hostile, type HostileCase, overLimit } from './hostile-case.ts';

const data = 'x'.repeat(600);

/** Old GNU format: four entries of offset and length from 386 on, whether more follow at 482, the real size at 483. */
function oldSparse(
  entries: readonly (readonly [number, number])[],
  realSize: number,
  stored: string,
  more = 0,
): Buffer {
  const map = entries.map(([offset, length]) => octal(offset, 11) + octal(length, 11)).join('');
  return tarFile(stored, {
    name: 'sparse.raw',
    type: 'S',
    magic: 'gnu',
    raw: { 386: map, 482: Buffer.from([more]), 483: octal(realSize, 11) },
  });
}

const sparse1 = (map: string, realSize: string, stored: string) => [
  pax({
    'GNU.sparse.major': '1',
    'GNU.sparse.minor': '0',
    'GNU.sparse.name': 'sparse.raw',
    'GNU.sparse.realsize': realSize,
  }),
  tarFile(Buffer.concat([padded(map), Buffer.from(stored)])),
];

/** A block of entries, none of which is used, that says that another one follows. */
const emptyMap = Buffer.alloc(512);
emptyMap[504] = 1;

/** As many parts of no bytes as a file may have. */
const manyParts = (name: string) => [
  pax({
    'GNU.sparse.major': '1',
    'GNU.sparse.minor': '0',
    'GNU.sparse.name': name,
    'GNU.sparse.realsize': '512',
  }),
  tarFile(padded(`250000\n${'0\n0\n'.repeat(250_000)}`)),
];

const noFit = hostile(/map of its holes/);
const sparse: HostileCase[] = (
  [
    ['old: more than is there', [oldSparse([[0, 1024]], 4096, 'x'.repeat(512))]],
    ['old: less than is there', [oldSparse([[0, 512]], 4096, 'x'.repeat(1024))]],
    ['old: beyond the end of the file', [oldSparse([[8192, 512]], 4096, 'x'.repeat(512))]],
    [
      'old: one part over another',
      [
        oldSparse(
          [
            [0, 512],
            [256, 512],
          ],
          4096,
          'x'.repeat(1024),
        ),
      ],
    ],
    [
      'old: parts in the wrong order',
      [
        oldSparse(
          [
            [2048, 512],
            [0, 512],
          ],
          4096,
          'x'.repeat(1024),
        ),
      ],
    ],
    ['old: an entry that is no number', [oldSparse([[-5, 512]], 4096, 'x'.repeat(512))]],
    ['old: a real size that is no number', [tarFile('x', { type: 'S', magic: 'gnu', raw: { 483: 'zzz' } })]],
    ['1.0: more than is there', sparse1('1\n0\n1024\n', '4096', 'x'.repeat(512))],
    ['1.0: beyond the end of the file', sparse1('1\n8192\n512\n', '4096', 'x'.repeat(512))],
    ['1.0: offsets that overflow', sparse1('1\n9007199254740991\n512\n', '4096', 'x'.repeat(512))],
    ['1.0: a negative offset', sparse1('1\n-512\n512\n', '4096', 'x'.repeat(512))],
    ['1.0: letters for numbers', sparse1('a\nb\nc\n', '4096', 'x'.repeat(512))],
    ['1.0: more entries than anybody has', sparse1('900000000\n0\n512\n', '4096', 'x'.repeat(512))],
    ['1.0: a map without line ends', sparse1('1'.repeat(512), '4096', 'x'.repeat(512))],
    ['1.0: no real size', sparse1('1\n0\n512\n', '', 'x'.repeat(512))],
    ['1.0: something behind the map', sparse1('1\n0\n512\nmore', '4096', 'x'.repeat(512))],
    [
      'of a version that nobody knows',
      [pax({ 'GNU.sparse.major': '2', 'GNU.sparse.minor': '0' }), tarFile(data)],
    ],
    [
      '0.1: a list that is odd',
      [
        pax({ 'GNU.sparse.map': '0,512,1024', 'GNU.sparse.numblocks': '1', 'GNU.sparse.size': '4096' }),
        tarFile('x'.repeat(512)),
      ],
    ],
    [
      '0.1: another count than entries',
      [
        pax({ 'GNU.sparse.map': '0,512', 'GNU.sparse.numblocks': '7', 'GNU.sparse.size': '4096' }),
        tarFile('x'.repeat(512)),
      ],
    ],
    [
      '0.0: offsets without lengths',
      [
        extended(
          paxData([
            ['GNU.sparse.size', '4096'],
            ['GNU.sparse.numblocks', '1'],
            ['GNU.sparse.offset', '0'],
            ['GNU.sparse.offset', '512'],
          ]),
        ),
        tarFile('x'.repeat(512)),
      ],
    ],
    [
      'of a directory',
      [pax({ 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0' }), tarHeader({ type: '5', name: 'a/' })],
    ],
  ] as const
).map(([title, members]) => ({ title: `sparse ${title}`, bytes: tar(...members), refused: noFit }));

/** Maps that say nothing more and do not end: they are not read until the archive does. */
const endless: HostileCase[] = (
  [
    [
      'old: blocks without an entry',
      [oldSparse([[0, 512]], 4096, '', 1), ...Array.from({ length: 40 }, () => emptyMap)],
    ],
    ['1.0: NULs', sparse1('2\n0\n512\n', '4096', '\0'.repeat(20_000))],
    ['1.0: empty lines', sparse1(`90000\n${'\n'.repeat(9000)}`, '4096', '')],
  ] as const
).map(([title, members]) => ({
  title: `sparse: a map without end, ${title}`,
  bytes: Buffer.concat(members),
  refused: noFit,
}));

const moreSparse: HostileCase[] = [
  {
    title: 'sparse: a map that goes on where the archive ends',
    bytes: Buffer.concat([oldSparse([[0, 512]], 4096, '', 1)]),
    refused: damaged(/end/),
  },
  {
    title: 'sparse: a name that leads out',
    bytes: tar(
      pax({
        'GNU.sparse.major': '1',
        'GNU.sparse.minor': '0',
        'GNU.sparse.name': '../x',
        'GNU.sparse.realsize': '512',
      }),
      tarFile(Buffer.concat([padded('1\n0\n512\n'), Buffer.alloc(512, 1)])),
    ),
    refused: hostile(/upwards/),
  },
  {
    title: 'sparse: more parts in all files than anybody has',
    bytes: tar(...['a', 'b', 'c', 'd', 'e'].flatMap(manyParts)),
    refused: hostile(/more than 1000000 parts/),
  },
  {
    title: 'sparse: petabytes of holes',
    bytes: tar(oldSparse([[0, 512]], 0o77777777777, 'x'.repeat(512))),
    limits: { maxTotalBytes: 1024 ** 3 },
    refused: overLimit(/maxTotalBytes/),
  },
];

export const hostileSparse: readonly HostileCase[] = [...sparse, ...endless, ...moreSparse];
