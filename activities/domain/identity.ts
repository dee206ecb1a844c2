import { createHash } from 'node:crypto';
import type { RunRef } from '../../contracts/values.ts';
import { parseDomain, textOf, type XmlElement } from './xml.ts';

/** Namespace of the element under `<metadata>` that says whose domain this is. */
const metadataNamespace = 'urn:longhaul:domain:1';
const element = 'longhaul:migration';

/** Namespace of the UUIDs made of migration ids. It must never change: domains are found again by it. */
const uuidNamespace = '6f7d1c1e-2f0b-5d3a-9a54-3c1f0e6a8b27';

/** The UUID of a migration's domain, the same at every attempt: RFC 9562 version 5. */
export function domainUuid(migrationId: string): string {
  const hash = createHash('sha1')
    .update(Buffer.from(uuidNamespace.replaceAll('-', ''), 'hex'))
    .update(migrationId)
    .digest()
    .subarray(0, 16);
  hash.writeUInt8((hash.readUInt8(6) & 0x0f) | 0x50, 6);
  hash.writeUInt8((hash.readUInt8(8) & 0x3f) | 0x80, 8);
  return hash.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Content of `<metadata>`: which run of which migration made the domain. */
export function ownershipMark(owner: RunRef): XmlElement {
  return {
    [element]: {
      '@xmlns:longhaul': metadataNamespace,
      '@id': owner.migrationId,
      '@run': owner.runId,
    },
  };
}

/** Who made a domain, by its metadata; undefined when it was not Longhaul. */
export function ownerOf(domainXml: string): RunRef | undefined {
  const metadata = parseDomain(domainXml)['metadata'];
  if (typeof metadata !== 'object' || Array.isArray(metadata)) return undefined;
  const mark = metadata[element];
  if (typeof mark !== 'object' || Array.isArray(mark)) return undefined;
  if (textOf(mark, '@xmlns:longhaul') !== metadataNamespace) return undefined;
  const migrationId = textOf(mark, '@id');
  const runId = textOf(mark, '@run');
  return migrationId === undefined || runId === undefined ? undefined : { migrationId, runId };
}

export const sameRun = (a: RunRef | undefined, b: RunRef): boolean =>
  a?.migrationId === b.migrationId && a.runId === b.runId;
