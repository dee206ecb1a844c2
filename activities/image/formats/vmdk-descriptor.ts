import { decodeText, type ImageFile } from './image-file.ts';
import type { ExtentReference } from './layer.ts';

/** QEMU reads descriptors up to this length. */
export const maxDescriptorBytes = 1024 * 1024 - 1;
/** And looks for the parent within this much of them. */
const parentWindowBytes = 20 * 512;
const noParent = 'ffffffff';

const extentLine = /^(RW|RDONLY|NOACCESS) (\d{1,15}) ([A-Z]{1,10})(?: "([^"]{1,511})"(?: (\d{1,15}))?)?$/;
const keyLine = /^[A-Za-z][A-Za-z0-9._]*\s*=/;

const extentKinds = {
  FLAT: 'flat',
  VMFS: 'flat',
  SPARSE: 'sparse',
  VMFSSPARSE: 'vmfs-sparse',
  SESPARSE: 'se-sparse',
} as const satisfies Record<string, ExtentReference['kind']>;

export interface VmdkDescriptor {
  createType: string | undefined;
  contentId: string;
  parent?: { name: string; contentId: string };
  extents: ExtentReference[];
}

/** True for the text form: comments, then `version=`; how QEMU recognises it too. */
export function isVmdkDescriptor(head: Buffer): boolean {
  const text = head.toString('latin1');
  return /^(?:[ \t]*(?:#[^\n]*)?\r?\n)*version=[1-3]\s*\r?\n/.test(text) && text.includes('CID');
}

/**
 * Parses a descriptor (VMware "Virtual Disk Format 5.0"). QEMU's own parser is lenient in ways that let one
 * text mean two things, so a line this one does not know is an error, not skipped.
 */
export function parseDescriptor(file: ImageFile, bytes: Buffer, place: 'file' | 'embedded'): VmdkDescriptor {
  const end = bytes.indexOf(0);
  const text = decodeText(end === -1 ? bytes : bytes.subarray(0, end));
  if (text === undefined)
    throw file.unsupported(
      'has a descriptor that is not UTF-8',
      'Rename its files in plain letters on the source.',
    );
  const fields = new Map<string, string>();
  const extents: ExtentReference[] = [];
  let previous = '#';
  for (const line of text.split('\n').map((raw) => raw.trimEnd())) {
    if (/^(RW|RDONLY|NOACCESS)/.test(line)) {
      // QEMU would read this extent twice: its scan runs over an empty line into the next.
      if (previous === '' && place === 'file')
        throw file.corrupt('has an empty line before an extent in its descriptor');
      // An embedded descriptor names the file it is in; QEMU does not look at that, and neither do we.
      if (place === 'file') extents.push(parseExtent(file, line));
    } else if (keyLine.test(line)) {
      addField(file, fields, line);
    } else if (line !== '' && !line.startsWith('#')) {
      throw file.corrupt(
        `has a line in its descriptor that is not known: ${JSON.stringify(line.slice(0, 60))}`,
      );
    }
    previous = line;
  }
  return { createType: fields.get('createType'), ...ancestry(file, fields, text), extents };
}

function addField(file: ImageFile, fields: Map<string, string>, line: string): void {
  const equals = line.indexOf('=');
  const key = line.slice(0, equals).trim();
  const value = line.slice(equals + 1).trim();
  if (fields.has(key) && !key.startsWith('ddb.')) throw file.corrupt(`gives ${key} twice in its descriptor`);
  fields.set(key, value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value);
}

function parseExtent(file: ImageFile, line: string): ExtentReference {
  const [, access, sectors, type = '', name, offset] = extentLine.exec(line) ?? [];
  const kind = Object.entries(extentKinds).find(([known]) => known === type)?.[1];
  if (access !== 'RW' || kind === undefined || name === undefined)
    throw file.unsupported(
      `has an extent that QEMU cannot read: ${JSON.stringify(line.slice(0, 80))}`,
      'Clone the disk on the source into one file (vmkfstools -i, vmware-vdiskmanager -r) and migrate the clone.',
    );
  const needsOffset = type === 'FLAT';
  if ((offset !== undefined) !== needsOffset || Number(sectors) === 0)
    throw file.corrupt(`has a malformed extent: ${JSON.stringify(line.slice(0, 80))}`);
  return { kind, name, sizeBytes: Number(sectors) * 512, offsetBytes: Number(offset ?? 0) * 512 };
}

function ancestry(
  file: ImageFile,
  fields: Map<string, string>,
  text: string,
): Pick<VmdkDescriptor, 'contentId' | 'parent'> {
  const contentId = fields.get('CID')?.toLowerCase();
  const parentId = fields.get('parentCID')?.toLowerCase() ?? noParent;
  const name = fields.get('parentFileNameHint');
  if (contentId === undefined || !/^[0-9a-f]{1,8}$/.test(contentId) || !/^[0-9a-f]{1,8}$/.test(parentId))
    throw file.corrupt('has no content id in its descriptor');
  if (name === undefined) {
    if (parentId !== noParent) throw file.corrupt('has a parent and does not name it');
    return { contentId };
  }
  const at = text.indexOf('parentFileNameHint');
  if (parentId === noParent || name === '' || Buffer.byteLength(text.slice(0, at)) > parentWindowBytes - 1024)
    throw file.corrupt('names a parent in a way that cannot be followed');
  return { contentId, parent: { name, contentId: parentId } };
}
