import { access, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hasErrno } from '../../contracts/errors.ts';
import type { ImageNode } from '../../contracts/values.ts';
import { blockdevOf, plainFile, pseudoFileName, type Blockdev } from './blockdev.ts';
import { imageError } from './errors.ts';
import { askQemuImg } from './qemu-img.ts';

/** The longest backing file name a qcow2 header holds. */
const maxNameBytes = 1023;

/** Where the overlay of a disk lies that the guest's fixes are written to. */
export const overlayPathOf = (scratch: string, index: number): string =>
  join(scratch, `overlay-disk${index}.qcow2`);

/** Says that the overlays of a run hold all of its fixes. */
const markOf = (scratch: string): string => join(scratch, 'overlays-complete');

/**
 * The overlay of a disk, when the guest step ended well. One that a failed or killed step left is half
 * changed: an operator who skips that step gets the disks as they are, so it must not be read.
 */
export async function completeOverlay(scratch: string, index: number): Promise<string | undefined> {
  try {
    await access(markOf(scratch));
    await access(overlayPathOf(scratch, index));
    return overlayPathOf(scratch, index);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Writes overlays and then the mark through to the disk: from here on they are part of the VM. */
export async function completeOverlays(scratch: string, indexes: readonly number[]): Promise<void> {
  for (const index of indexes) await syncFile(overlayPathOf(scratch, index));
  await (await open(markOf(scratch), 'w', 0o600)).close();
  await syncFile(scratch);
}

/** Takes the mark away, before an overlay is made anew. */
export async function discardOverlays(scratch: string): Promise<void> {
  await rm(markOf(scratch), { force: true });
  await syncFile(scratch);
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Makes a fresh, empty qcow2 overlay (mode 0600) on an image, in place of one that may lie there. Its header
 * names the whole source chain with every format stated, so that whoever opens the overlay, libguestfs for
 * one, reads no name out of a source's header. The image is never written to.
 *
 * A chain too long for one header is split over helper overlays beside it, `<overlay>.1` and so on.
 */
export async function createOverlay(
  overlayPath: string,
  image: ImageNode,
  signal?: AbortSignal,
): Promise<void> {
  const backing = await fitting(overlayPath, image, 1, signal);
  await createOn(overlayPath, backing, image.virtualSizeBytes, signal);
}

/** Removes an overlay and its helpers. Idempotent. */
export async function removeOverlay(overlayPath: string, image: ImageNode): Promise<void> {
  await rm(overlayPath, { force: true });
  let level = 1;
  for (let layer = image.backing; layer; layer = layer.backing)
    await rm(`${overlayPath}.${level++}`, { force: true });
}

async function fitting(
  overlayPath: string,
  image: ImageNode,
  level: number,
  signal: AbortSignal | undefined,
): Promise<Blockdev> {
  const whole = blockdevOf(image);
  if (fits(whole)) return whole;
  if (!image.backing) throw tooLong(image.path);
  const helper = `${overlayPath}.${level}`;
  const backing = await fitting(overlayPath, image.backing, level + 1, signal);
  await createOn(helper, backing, image.backing.virtualSizeBytes, signal);
  // The helper's own header leads further; stating it again here would be as long as before.
  const { driver, file } = plainFile(helper, 'qcow2');
  const split = blockdevOf(image, { driver, file });
  if (!fits(split)) throw tooLong(image.path);
  return split;
}

const fits = (node: Blockdev): boolean => Buffer.byteLength(pseudoFileName(node)) <= maxNameBytes;

async function createOn(
  path: string,
  backing: Blockdev,
  sizeBytes: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  await rm(path, { force: true });
  // qemu-img keeps the mode of a file that exists.
  await (await open(path, 'wx', 0o600)).close();
  await askQemuImg(
    [
      'create',
      '-q',
      '-f',
      'qcow2',
      '-F',
      backing.driver,
      '-b',
      pseudoFileName(backing),
      path,
      `${sizeBytes}`,
    ],
    signal ? { signal } : {},
  );
}

function tooLong(path: string): Error {
  return imageError(
    'IMAGE_FORMAT_UNSUPPORTED',
    path,
    `has a path of ${Buffer.byteLength(path)} bytes, too long for the header of an overlay`,
    'Move the image to a directory with a shorter path.',
  );
}
