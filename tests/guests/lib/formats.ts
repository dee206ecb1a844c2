import { run } from './run.ts';

/** Disk formats guests come in, as the programs of other hypervisors write them. */
const formats = {
  raw: { extension: 'raw', driver: 'raw', options: '' },
  qcow2: { extension: 'qcow2', driver: 'qcow2', options: '' },
  'vhd-fixed': { extension: 'vhd', driver: 'vpc', options: 'subformat=fixed,force_size=on' },
  'vhd-dynamic': { extension: 'vhd', driver: 'vpc', options: 'subformat=dynamic,force_size=on' },
  vhdx: { extension: 'vhdx', driver: 'vhdx', options: 'subformat=dynamic' },
  vdi: { extension: 'vdi', driver: 'vdi', options: '' },
  'vmdk-sparse': { extension: 'vmdk', driver: 'vmdk', options: 'subformat=monolithicSparse' },
  'vmdk-flat': { extension: 'vmdk', driver: 'vmdk', options: 'subformat=monolithicFlat' },
  'vmdk-split': { extension: 'vmdk', driver: 'vmdk', options: 'subformat=twoGbMaxExtentSparse' },
  'vmdk-stream': { extension: 'vmdk', driver: 'vmdk', options: 'subformat=streamOptimized' },
} as const satisfies Record<string, { extension: string; driver: string; options: string }>;

export type GuestFormat = keyof typeof formats;

export const guestFormats = Object.keys(formats) as GuestFormat[];

/** File name of a guest's disk in a format. Flat and split VMDKs have extent files beside it. */
export function diskFileName(guest: string, index: number, format: GuestFormat): string {
  return `${guest}-disk${index}.${formats[format].extension}`;
}

/** Writes a raw disk in another format. */
export async function convertRaw(raw: string, target: string, format: GuestFormat): Promise<void> {
  const { driver, options } = formats[format];
  const withOptions = options === '' ? [] : ['-o', options];
  await run('qemu-img', ['convert', '-f', 'raw', '-O', driver, ...withOptions, raw, target]);
}
