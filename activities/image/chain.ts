import { realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ImageFormat } from '../../contracts/spec.ts';
import { hasErrno, LonghaulError } from '../../contracts/errors.ts';
import { placeOfImage } from '../../contracts/image-place.ts';
import type { ImageNode, ImageWindow } from '../../contracts/values.ts';
import { layerAlone, pseudoFileName } from './blockdev.ts';
import { imageError, sourceFileError } from './errors.ts';
import { resolveExtents } from './extents.ts';
import type { Layer } from './formats/layer.ts';
import { probeImage } from './formats/probe.ts';
import { Enclosure } from './enclosure.ts';
import { askQemuImg } from './qemu-img.ts';

const maxDepth = 32;
export const maxVirtualBytes = 64 * 1024 ** 4;

export interface ChainOptions {
  /** Every file of the image must lie in here; the directory of the top image (links resolved) when left out. */
  directory?: string;
  /** It was fetched by itself: no other file is part of it. */
  alone?: boolean;
  /** It lies inside the file, and so is alone. */
  window?: ImageWindow | undefined;
  /** The top image's format as the spec states it. */
  statedFormat?: ImageFormat | undefined;
  signal?: AbortSignal;
}

/**
 * Finds every file of an image and checks it, without a byte written and without QEMU: headers, table
 * bounds, that each backing, data and extent file lies in the directory, sizes. Then asks qemu-img, with
 * every format stated, whether it sees the same disk.
 *
 * @returns The chain with resolved paths, ready for `blockdevOf`.
 * @throws LonghaulError SOURCE_NOT_FOUND, SOURCE_UNREADABLE, IMAGE_TRUNCATED, IMAGE_CORRUPT,
 *   IMAGE_ENCRYPTED, IMAGE_FORMAT_UNSUPPORTED, IMAGE_REFERENCE_OUTSIDE, IMAGE_PARENT_MISSING,
 *   IMAGE_SIZE_ABSURD; TOOL_* when qemu-img itself cannot run.
 */
export async function resolveChain(path: string, options: ChainOptions = {}): Promise<ImageNode> {
  const top = await resolvePath(path);
  const directory = options.directory === undefined ? dirname(top) : await resolvePath(options.directory);
  const alone = options.alone === true || options.window !== undefined;
  const enclosure = new Enclosure(directory, { alone });
  await enclosure.admit(path, top);
  const { node } = await resolveLayer(
    { path: top, window: options.window },
    options.statedFormat,
    enclosure,
    1,
  );
  for (let layer: ImageNode | undefined = node; layer; layer = layer.backing)
    await crossCheck(layer, options.signal);
  return node;
}

/** With every link followed. @throws LonghaulError SOURCE_NOT_FOUND, SOURCE_UNREADABLE */
export async function resolvePath(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    throw sourceFileError(path, error);
  }
}

/** `path` was admitted already. */
async function resolveLayer(
  { path, window }: { path: string; window?: ImageWindow | undefined },
  stated: ImageFormat | undefined,
  enclosure: Enclosure,
  depth: number,
): Promise<{ node: ImageNode; layer: Layer }> {
  if (depth > maxDepth)
    throw imageError(
      'IMAGE_FORMAT_UNSUPPORTED',
      path,
      `is the ${depth}th layer of its snapshot chain; ${maxDepth} is the most`,
      'Consolidate the snapshots on the source and retry.',
    );
  const layer = await probeImage(path, stated, window);
  const place = placeOfImage({ path, ...(window ? { window } : {}) });
  checkSize(place, layer.virtualSizeBytes);
  const node: ImageNode = {
    path,
    ...(window ? { window } : {}),
    format: layer.format,
    virtualSizeBytes: layer.virtualSizeBytes,
    extents: await resolveExtents(place, layer, enclosure),
  };
  if (layer.backing) node.backing = await resolveParent(place, layer.backing, enclosure, depth);
  return { node, layer };
}

async function resolveParent(
  child: string,
  backing: NonNullable<Layer['backing']>,
  enclosure: Enclosure,
  depth: number,
): Promise<ImageNode> {
  let path: string;
  try {
    path = await enclosure.resolve(child, backing.name);
  } catch (error) {
    if (!(error instanceof LonghaulError && hasErrno(error.cause, 'ENOENT'))) throw error;
    throw imageError(
      'IMAGE_PARENT_MISSING',
      child,
      `is a snapshot on top of ${JSON.stringify(backing.name)}, which is not there`,
      'Copy every file of the snapshot chain into one directory, or consolidate the snapshots on the source.',
      { parent: backing.name },
    );
  }
  const parent = await resolveLayer({ path }, backing.format, enclosure, depth + 1);
  if (
    backing.contentId !== undefined &&
    Number(`0x${backing.contentId}`) !== Number(`0x${parent.layer.contentId ?? ''}`)
  )
    throw imageError(
      'IMAGE_CORRUPT',
      child,
      `was made on another state of its parent ${path} (parentCID ${backing.contentId}, CID ${parent.layer.contentId ?? 'none'})`,
      'The parent was written to after the snapshot, or is another disk. Copy the chain again from a stopped VM.',
    );
  return parent.node;
}

function checkSize(path: string, sizeBytes: number): void {
  if (sizeBytes > 0 && sizeBytes <= maxVirtualBytes && sizeBytes % 512 === 0) return;
  throw imageError(
    'IMAGE_SIZE_ABSURD',
    path,
    `describes a disk of ${sizeBytes} bytes`,
    'Disks have 1 sector to 64 TiB, in whole sectors. The header is damaged or forged: copy the image again.',
    { sizeBytes },
  );
}

/** What we read and what QEMU will read of this one layer must be the same disk. */
async function crossCheck(node: ImageNode, signal: AbortSignal | undefined): Promise<void> {
  const seen = await virtualSizeByQemu(node, signal);
  if (seen === node.virtualSizeBytes) return;
  throw imageError(
    'IMAGE_CORRUPT',
    placeOfImage(node),
    `describes ${node.virtualSizeBytes} bytes, but qemu-img sees ${seen}`,
    'The header contradicts itself. Export the disk again, if possible as qcow2 or raw.',
  );
}

async function virtualSizeByQemu(node: ImageNode, signal: AbortSignal | undefined): Promise<number> {
  try {
    const { stdout } = await askQemuImg(
      ['info', '--output=json', pseudoFileName(layerAlone(node))],
      signal ? { signal } : {},
    );
    const info = JSON.parse(stdout) as { 'virtual-size'?: unknown };
    return Number(info['virtual-size']);
  } catch (error) {
    if (!(error instanceof LonghaulError) || error.code !== 'TOOL_FAILED') throw error;
    throw refusalOfQemu(node, error);
  }
}

function refusalOfQemu(node: ImageNode, error: LonghaulError): LonghaulError {
  const replay = /log that needs to be replayed/.test(error.found);
  const place = placeOfImage(node);
  return new LonghaulError(
    replay ? 'IMAGE_FORMAT_UNSUPPORTED' : 'IMAGE_CORRUPT',
    {
      found: replay
        ? `${place} was not closed cleanly: its log has to be replayed, which would write to it`
        : `qemu-img cannot open ${place}: ${error.found}`,
      remedy: replay
        ? 'Shut the VM down properly and copy the disk again, or run `qemu-img check -r all` on a copy.'
        : 'Export the disk again, if possible as qcow2 or raw, and retry.',
      details: { path: node.path },
    },
    error,
  );
}
