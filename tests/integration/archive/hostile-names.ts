import { crc32 } from 'node:zlib';
import { gnuLong, pax, tar, tarFile, tarHeader } from '../../support/tar-bytes.ts';
import { zip } from '../../support/zip-bytes.ts';
import { hostile, type HostileCase } from './hostile-case.ts';

const long = 'n'.repeat(256);
const deep = Array.from({ length: 40 }, () => 'd').join('/');
const overlong = Array.from({ length: 17 }, () => 'x'.repeat(250)).join('/');

/** Names that one file alone breaks the rules with. */
const names: readonly (readonly [title: string, name: string, rule: RegExp])[] = [
  ['absolute', '/etc/passwd', /absolute/],
  ['with two slashes in front', '//server/share/disk', /absolute/],
  ['leading upwards', '../disk.raw', /upwards/],
  ['leading upwards in the middle', 'a/../../disk.raw', /upwards/],
  ['leading upwards at the end', 'a/..', /upwards/],
  ['leading upwards behind a dot', './../disk.raw', /upwards/],
  ['with a drive letter', 'C:disk.raw', /drive letter/],
  ['with a drive letter and a slash', 'c:/disk.raw', /drive letter/],
  ['of a UNC path', String.raw`\\server\share\disk`, /backslash/],
  ['with a backslash', String.raw`a\disk.raw`, /backslash/],
  ['leading upwards by backslashes', String.raw`..\..\disk.raw`, /backslash/],
  ['with a line feed', 'disk\n.raw', /control/],
  ['with a carriage return', 'disk\r.raw', /control/],
  ['with an escape sequence', '\u001b[31mdisk.raw', /control/],
  ['with a delete character', 'disk\u007f.raw', /control/],
  ['with a C1 control', 'disk\u0085.raw', /control/],
  ['with text turned around', 'disk\u202ewar.exe', /control/],
  ['with an isolate', 'disk\u2066.raw', /control/],
  ['with a zero-width space', 'disk\u200b.raw', /control/],
  ['with a line separator', 'disk\u2028.raw', /control/],
  ['with a byte order mark', '\ufeffdisk.raw', /control/],
  ['with a replacement character', 'disk\ufffd.raw', /not UTF-8/],
  ['of 256 bytes in a part', `a/${long}/b`, /255 bytes/],
  ['of more than 4096 bytes', overlong, /4096 bytes/],
  ['40 folders deep', deep, /folders deep/],
  ['of nothing but dots', '././.', /no name/],
];

const content = 'data';

/** The name is too long for a header, or not: old GNU programs put either into a member of its own. */
const gnuMember = (name: string) => [gnuLong(name), tarFile(content, { name: 'short', magic: 'gnu' })];

const soloNames: HostileCase[] = names.flatMap(([title, name, rule]) => [
  ...(Buffer.byteLength(name) <= 100
    ? [{ title: `tar: a name ${title}`, bytes: tar(tarFile(content, { name })), refused: hostile(rule) }]
    : []),
  {
    title: `pax: a name ${title}`,
    bytes: tar(pax({ path: name }), tarFile(content)),
    refused: hostile(rule),
  },
  { title: `GNU tar: a long name ${title}`, bytes: tar(...gnuMember(name)), refused: hostile(rule) },
  {
    title: `zip: a name ${title}`,
    bytes: zip([{ name, data: content, flags: 0x800 }]),
    refused: hostile(rule),
  },
]);

const notUtf8 = Buffer.from([0x64, 0xff, 0xfe, 0x2e]);

/** Names that only some kinds of archives can have. */
const encodedNames: HostileCase[] = [
  {
    title: 'tar: a name that is not UTF-8',
    bytes: tar(tarFile(content, { name: notUtf8 })),
    refused: hostile(/UTF-8/),
  },
  {
    title: 'tar: a name in overlong UTF-8 (a hidden slash)',
    bytes: tar(tarFile(content, { name: Buffer.from([0x2e, 0x2e, 0xc0, 0xaf, 0x61]) })),
    refused: hostile(/UTF-8/),
  },
  {
    title: 'tar: half a surrogate pair',
    bytes: tar(tarFile(content, { name: Buffer.from([0xed, 0xa0, 0x80]) })),
    refused: hostile(/UTF-8/),
  },
  { title: 'tar: no name at all', bytes: tar(tarFile(content, { name: '' })), refused: hostile(/no name/) },
  {
    title: 'tar: an absolute name by its prefix',
    bytes: tar(tarFile(content, { name: 'passwd', prefix: '/etc' })),
    refused: hostile(/absolute/),
  },
  {
    title: 'tar: leading upwards by its prefix',
    bytes: tar(tarFile(content, { name: 'disk.raw', prefix: '..' })),
    refused: hostile(/upwards/),
  },
  {
    title: 'pax: a name that is not UTF-8',
    bytes: tar(pax({ path: notUtf8 }), tarFile(content)),
    refused: hostile(/UTF-8/),
  },
  {
    title: 'pax: a name with a NUL',
    bytes: tar(pax({ path: 'disk.raw\0.txt' }), tarFile(content)),
    refused: hostile(/NUL/),
  },
  {
    title: 'GNU tar: a long name with a NUL',
    bytes: tar(gnuLong('disk.raw\0../../x'), tarFile(content, { magic: 'gnu' })),
    refused: hostile(/NUL/),
  },
  {
    title: 'GNU tar: a long name that is not UTF-8',
    bytes: tar(gnuLong(notUtf8), tarFile(content, { magic: 'gnu' })),
    refused: hostile(/UTF-8/),
  },
  {
    title: 'zip: a name with a NUL',
    bytes: zip([{ name: 'disk.raw\0.txt', data: content }]),
    refused: hostile(/NUL/),
  },
  {
    title: 'zip: a name that is not UTF-8',
    bytes: zip([{ name: notUtf8, data: content, flags: 0x800 }]),
    refused: hostile(/UTF-8/),
  },
  { title: 'zip: no name at all', bytes: zip([{ name: '', data: content }]), refused: hostile(/no name/) },
];

const file = (name: string) => tarFile(content, { name });
const folder = (name: string) => tarHeader({ name, type: '5' });
const link = (name: string, linkname: string) => tarHeader({ name, type: '2', linkname });

/** Names that are harmless one by one. */
const pairs: readonly (readonly [title: string, members: readonly Buffer[], rule: RegExp])[] = [
  ['the same name twice', [file('a'), file('a')], /twice/],
  ['the same name twice, once with a dot', [file('a/b'), file('./a//b')], /twice/],
  ['names that differ in case', [file('disk.raw'), file('DISK.RAW')], /case or form/],
  ['folders that differ in case', [file('a/one'), file('A/two')], /case or form/],
  ['names that differ in composition', [file('\u00e9'), file('e\u0301')], /case or form/],
  ['names that differ in width', [file('disk'), file('\uff44isk')], /case or form/],
  ['names that differ in a ligature', [file('file'), file('\ufb01le')], /case or form/],
  ['a file where a folder is needed', [file('a'), file('a/b')], /no directory/],
  ['a folder where a file is', [file('a'), folder('a')], /two kinds/],
  ['a file where a folder is', [folder('a/'), file('a')], /two kinds/],
  ['a file where other files need a folder', [file('a/b'), file('a')], /two kinds/],
  ['a file behind a link out', [link('a', '/etc'), file('a/passwd')], /no directory/],
  ['a file in place of a link', [link('a', '../../x'), file('a')], /two kinds/],
  ['a link in place of a file', [file('a'), link('a', '/etc/passwd')], /two kinds/],
  ['a link in place of a folder', [folder('a'), link('a', '/etc'), file('a/passwd')], /two kinds/],
  ['a link twice', [link('a', '/etc'), link('a', '/')], /twice/],
  ['a folder of the same name in another case', [folder('Sub'), folder('sub')], /case or form/],
];

const togetherNames: HostileCase[] = [
  ...pairs.map(([title, members, rule]) => ({
    title: `tar: ${title}`,
    bytes: tar(...members),
    refused: hostile(rule),
  })),
  {
    title: 'zip: the same name twice',
    bytes: zip([
      { name: 'a', data: 'one' },
      { name: 'a', data: 'two' },
    ]),
    refused: hostile(/twice/),
  },
  {
    title: 'zip: names that differ in case',
    bytes: zip([
      { name: 'a', data: 'one' },
      { name: 'A', data: 'two' },
    ]),
    refused: hostile(/case or form/),
  },
  {
    title: 'zip: a file behind a link out',
    bytes: zip([
      { name: 'a', data: '/etc', unixMode: 0o120777 },
      { name: 'a/passwd', data: content },
    ]),
    refused: hostile(/no directory/),
  },
  {
    title: 'zip: a file where a folder is needed',
    bytes: zip([
      { name: 'a', data: content },
      { name: 'a/b', data: content },
    ]),
    refused: hostile(/no directory/),
  },
  {
    title: 'zip: another name in the Unicode extra field',
    bytes: zip([{ name: 'a', data: content, extra: unicodePath('a', '../../b') }]),
    refused: hostile(/upwards/),
  },
];

/** Info-ZIP Unicode Path; APPNOTE.TXT 4.6.9. */
function unicodePath(name: string, shown: string): Buffer {
  const body = Buffer.concat([Buffer.from([1]), crcOf(name), Buffer.from(shown)]);
  const head = Buffer.alloc(4);
  head.writeUInt16LE(0x7075, 0);
  head.writeUInt16LE(body.length, 2);
  return Buffer.concat([head, body]);
}

function crcOf(text: string): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(crc32(text), 0);
  return bytes;
}

export const hostileNames: readonly HostileCase[] = [...soloNames, ...encodedNames, ...togetherNames];
