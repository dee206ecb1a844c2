import { XMLParser } from 'fast-xml-parser';
import { LonghaulError } from '../../contracts/errors.ts';

/** An element as an object: attributes are keys that start with `@`, text is `#text`, the rest are children. */
export interface XmlElement {
  [name: string]: XmlValue | undefined;
}
type XmlValue = string | XmlElement | XmlElement[];

/** Children of `devices` that may come more than once: always lists, also when there is one. */
const lists = new Set(
  [
    'disk',
    'interface',
    'serial',
    'console',
    'channel',
    'controller',
    'input',
    'graphics',
    'video',
    'rng',
  ].map((name) => `domain.devices.${name}`),
);

/**
 * Reads libvirt's domain XML. Elements of one name keep their order; libvirt gives no meaning to the order of
 * different ones.
 *
 * @returns the content of `<domain>`
 * @throws LonghaulError DOMAIN_XML_INVALID when the text is no domain.
 */
export function parseDomain(xml: string): XmlElement {
  const parser = new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: '@',
    parseTagValue: false,
    parseAttributeValue: false,
    isArray: (_, path) => lists.has(String(path)),
  });
  let domain: unknown;
  try {
    domain = (parser.parse(xml) as XmlElement)['domain'];
  } catch (error) {
    throw notADomain(error);
  }
  if (typeof domain !== 'object' || domain === null || Array.isArray(domain)) throw notADomain();
  return domain as XmlElement;
}

/**
 * Writes domain XML. Every text and attribute is escaped.
 *
 * @throws LonghaulError DOMAIN_XML_INVALID for a control character, which XML cannot carry.
 */
export function buildDomain(domain: XmlElement): string {
  return write('domain', domain, '');
}

function write(name: string, element: XmlElement, indent: string): string {
  let attributes = '';
  let text = '';
  let children = '';
  for (const [key, value] of Object.entries(element)) {
    if (value === undefined) continue;
    if (key === '#text' && typeof value === 'string') text = escape(value);
    else if (key.startsWith('@') && typeof value === 'string')
      attributes += ` ${key.slice(1)}="${escape(value)}"`;
    else for (const child of childrenOf(value)) children += write(key, child, `${indent}  `);
  }
  if (children !== '') return `${indent}<${name}${attributes}>\n${children}${indent}</${name}>\n`;
  return `${indent}<${name}${attributes}${text === '' ? '/' : `>${text}</${name}`}>\n`;
}

function childrenOf(value: XmlValue): XmlElement[] {
  if (typeof value === 'string') return [{ '#text': value }];
  return Array.isArray(value) ? value : [value];
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

function escape(text: string): string {
  if (/\p{Cc}/u.test(text)) {
    throw new LonghaulError('DOMAIN_XML_INVALID', {
      found: `${JSON.stringify(text)} has a control character, which a domain definition cannot hold`,
      remedy: 'Rename what it names (a path or a network) and migrate again.',
    });
  }
  return text.replace(/[&<>"']/g, (sign) => entities[sign] ?? sign);
}

/** The list of children of that name; empty when there is none. */
export function listOf(element: XmlElement, name: string): XmlElement[] {
  const value = element[name];
  if (value === undefined || typeof value === 'string') return [];
  return Array.isArray(value) ? value : [value];
}

/** The one child of that name; an empty element when there is none. */
export function childOf(element: XmlElement, name: string): XmlElement {
  return listOf(element, name)[0] ?? {};
}

/** The text of an attribute (`@name`) or of a child without attributes. */
export function textOf(element: XmlElement, name: string): string | undefined {
  const value = element[name];
  return typeof value === 'string' ? value : undefined;
}

function notADomain(cause?: unknown): LonghaulError {
  return new LonghaulError(
    'DOMAIN_XML_INVALID',
    { found: 'libvirt gave a definition that is no domain', remedy: 'See virsh dumpxml of the domain.' },
    cause,
  );
}
