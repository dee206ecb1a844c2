import type { ImageNode } from './values.ts';

/** Where an image lies, for people: `/exports/web01.ova: web01-disk1.vmdk` for one inside another file. */
export function placeOfImage({ path, window }: Pick<ImageNode, 'path' | 'window'>): string {
  return window === undefined ? path : `${path}: ${window.name}`;
}
