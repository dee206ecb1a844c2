import type { Dispatcher } from 'undici';
import { LonghaulError } from '../../../contracts/errors.ts';
import type { Extent } from '../../transfer/extents.ts';
import { HttpRangeSource } from '../../transfer/http-source.ts';
import type { DiskChange } from '../../transfer/patched-disk.ts';
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
  disk: FrozenDisk,
  dispatcher: Dispatcher,
  signal: AbortSignal,
): Promise<RangeSource> {
  return (await openDifference(disk, undefined, dispatcher, signal)).source;
}

/** The same of what became different since an earlier snapshot of the disk. */
export async function openDifference(
  { id, name, grant }: FrozenDisk,
  earlier: FrozenDisk | undefined,
  dispatcher: Dispatcher,
  signal: AbortSignal,
): Promise<DiskChange> {
  const access = new SasAccess(grant);
  const blob = new SnapshotBlob(name, access, dispatcher);
  const previous = earlier && (await new SasAccess(earlier.grant).current(signal));
  const { blobBytes, etag, data, cleared } = await readPageRanges(blob, signal, previous);
  const sizeBytes = blobBytes - footerBytes;
  if (sizeBytes <= 0 || sizeBytes % sectorBytes !== 0)
    throw new LonghaulError('IMAGE_FORMAT_UNSUPPORTED', {
      found: `${name} comes as ${blobBytes} bytes, which is no disk with the footer of a fixed VHD`,
      remedy: 'Disks with sectors of 4096 bytes are exported as VHDX, which is not supported.',
    });
  const source = new HttpRangeSource(
    {
      name,
      access,
      etag,
      // The same snapshot may have another tag each time that access is given.
      identity: id,
      sizeBytes,
      resourceBytes: blobBytes,
      extents: within(data, sizeBytes),
      headers: { 'x-ms-version': blobApiVersion, 'x-ms-range-get-content-md5': 'true' },
    },
    dispatcher,
  );
  return { source, cleared: within(cleared, sizeBytes) };
}

/** What of the extents lies before `sizeBytes`. */
function within(extents: readonly Extent[], sizeBytes: number): Extent[] {
  return extents
    .filter(({ offset }) => offset < sizeBytes)
    .map(({ offset, length }) => ({ offset, length: Math.min(length, sizeBytes - offset) }));
}
