import { basename } from 'node:path';
import { looksLikeAddress, unescaped } from './disk-address.ts';

/** File name endings that say what an image is, not which VM it holds; several may follow one another. */
const imageEnding =
  /\.(qcow2|qcow|vmdk|vhdx|vhd|vpc|vdi|img|raw|bin|disk|ova|ovf|tar|tgz|zip|gz|xz|zst|bz2)$|[-_](flat|s\d{3}|disk-?\d+)$/i;

/**
 * A VM name for an image that came without one: the name of the file, or the last part of the address, without its
 * endings, reduced to what libvirt and file systems take. `My Server (old)-disk1.vmdk` is `My-Server-old`. Never empty.
 */
export function vmNameFromPath(path: string): string {
  let stem = basename(looksLikeAddress(path) ? pathOf(path) : path);
  while (imageEnding.test(stem)) stem = stem.replace(imageEnding, '');
  const clean = stem
    .replaceAll(/[^A-Za-z0-9._+-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 64)
    .replace(/[-._+]+$/, '');
  return clean === '' ? 'vm' : clean;
}

const pathOf = (address: string) => (URL.canParse(address) ? unescaped(new URL(address).pathname) : '');
