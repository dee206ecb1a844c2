import { XMLParser } from 'fast-xml-parser';
import { LonghaulError, messageOf } from '../../../../contracts/errors.ts';

/** Descriptors of large appliances have some hundred KiB. */
export const maxDescriptorBytes = 4 * 1024 ** 2;
const maxElements = 100_000;
const maxDepth = 64;

/** Namespaces whose attributes are asked for, by the prefix they have here, whatever they have in the text. */
const namespaces: readonly (readonly [prefix: string, uri: RegExp])[] = [
  ['', /^http:\/\/(schemas\.dmtf\.org\/ovf\/envelope|www\.vmware\.com\/schema\/ovf\/.*envelope)/],
  ['vmw:', /^http:\/\/www\.vmware\.com\/schema\/ovf$/],
];

/**
 * Reads XML nobody vouches for: within bounds, without document types, and so without entities of its own.
 *
 * @returns Elements as objects: attributes as `@name` (those of OVF without prefix, of VMware with `vmw:`, of others
 *   with the text's own), child elements by local name as arrays, text as `#text`.
 * @throws LonghaulError OVF_INVALID
 */
export function parseXml(bytes: Buffer, file: string): unknown {
  const invalid = (what: string, cause?: unknown) =>
    new LonghaulError(
      'OVF_INVALID',
      {
        found: `${file} ${what}`,
        remedy: 'Export the VM again; descriptors made by hand have to follow DSP0243.',
      },
      cause,
    );
  if (bytes.length > maxDescriptorBytes) throw invalid(`has ${bytes.length} bytes, more than any descriptor`);
  const text = decode(bytes);
  if (text === undefined) throw invalid('is not text in the encoding that it states');
  if (/<!(DOCTYPE|ENTITY)/i.test(text))
    throw invalid('declares a document type or entities, which OVF has none of');
  if (count(text, '<') > maxElements) throw invalid(`has more than ${maxElements} elements`);
  // The parser takes a text that was cut off for a whole one.
  if (!/<\/([\w.-]+:)?Envelope\s*>(\s|<!--((?!-->)[^])*-->)*$/.test(text.slice(-8192)))
    throw invalid('does not end as an OVF descriptor does: it is cut off, or something else');
  try {
    return parserFor(text).parse(text);
  } catch (error) {
    throw invalid(`cannot be read: ${messageOf(error)}`, error);
  }
}

function parserFor(text: string): XMLParser {
  const prefixes = prefixesIn(text);
  return new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: '@',
    transformTagName: (name) => name.slice(name.indexOf(':') + 1),
    transformAttributeName: (name) => {
      const colon = name.indexOf(':');
      const canonical = prefixes.get(name.slice(1, colon));
      return canonical === undefined || colon < 0 ? name : `@${canonical}${name.slice(colon + 1)}`;
    },
    isArray: (_name, _path, _isLeaf, isAttribute) => !isAttribute,
    parseTagValue: false,
    parseAttributeValue: false,
    alwaysCreateTextNode: true,
    processEntities: false,
    tagValueProcessor: (_name, value) => unescaped(value),
    attributeValueProcessor: (_name, value) => unescaped(value),
    maxNestedTags: maxDepth,
  });
}

/** Prefixes that the text declares for the namespaces that are asked for. */
function prefixesIn(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, prefix = '', uri = ''] of text.matchAll(
    /xmlns:([\w.-]{1,64})\s*=\s*["']([^"']{1,200})["']/g,
  )) {
    const canonical = namespaces.find(([, pattern]) => pattern.test(uri))?.[0];
    if (canonical !== undefined) found.set(prefix, canonical);
  }
  return found;
}

/** By its byte order mark, else as the XML declaration says, else UTF-8. */
function decode(bytes: Buffer): string | undefined {
  const declared = /^<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w-]{1,40})["']/.exec(
    bytes.toString('latin1', 0, 300),
  )?.[1];
  const mark = bytes.toString('hex', 0, 2);
  const encoding = mark === 'fffe' ? 'utf-16le' : mark === 'feff' ? 'utf-16be' : (declared ?? 'utf-8');
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

const predefined: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

/** The five entities that XML itself has, and references to characters. */
function unescaped(text: string): string {
  return text.replaceAll(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(\w{2,4}));/gi, (whole, decimal, hex, name) => {
    if (typeof name === 'string') return predefined[name] ?? whole;
    const code = typeof hex === 'string' ? Number.parseInt(hex, 16) : Number(decimal);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

function count(text: string, character: string): number {
  let found = 0;
  for (let at = text.indexOf(character); at >= 0; at = text.indexOf(character, at + 1)) found += 1;
  return found;
}
