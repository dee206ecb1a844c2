import type { Dispatcher } from 'undici';
import { LonghaulError } from '../../../contracts/errors.ts';
import type { Extent } from '../../transfer/extents.ts';
import { HttpRangeSource } from '../../transfer/http-source.ts';
import type { RangeSource } from '../../transfer/range-source.ts';
import { readPageRanges } from './page-ranges.ts';
import { SasAccess } from './sas-access.ts';
import { blobApiVersion, SnapshotBlob } from './snapshot-blob.ts';
import type { FrozenDisk } from './snapshots.ts';

/** Behind the disk lies the footer of a fixed VHD; VHD image format specification, "Hard Disk Footer Format". */
const footerBytes = 512;
const sectorBytes = 512;

/** Asks for the pages that a snapshot holds, and makes it readable: the disk alone, without the footer. */
export async function openSnapshot(
  { id, name, grant }: FrozenDisk,
  dispatcher: Dispatcher,
  signal: AbortSignal,
): Promise<RangeSource> {
  const access = new SasAccess(grant);
  const blob = new SnapshotBlob(name, access, dispatcher);
  const { blobBytes, etag, data } = await readPageRanges(blob, signal);
  const sizeBytes = blobBytes - footerBytes;
  if (sizeBytes <= 0 || sizeBytes % sectorBytes !== 0)
    throw new LonghaulError('IMAGE_FORMAT_UNSUPPORTED', {
      found: `${name} comes as ${blobBytes} bytes, which is no disk with the footer of a fixed VHD`,
      remedy: 'Disks with sectors of 4096 bytes are exported as VHDX, which is not supported.',
    });
  return new HttpRangeSource(
    {
      name,
      access,
      etag,
      id,
      sizeBytes,
      resourceBytes: blobBytes,
      extents: within(data, sizeBytes),
      headers: { 'x-ms-version': blobApiVersion, 'x-ms-range-get-content-md5': 'true' },
    },
    dispatcher,
  );
}

/** What of the extents lies before `sizeBytes`. */
export function within(extents: readonly Extent[], sizeBytes: number): Extent[] {
  return extents
    .filter(({ offset }) => offset < sizeBytes)
    .map(({ offset, length }) => ({ offset, length: Math.min(length, sizeBytes - offset) }));
}
