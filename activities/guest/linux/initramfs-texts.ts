import type { DiskBus } from '../../../contracts/spec.ts';
import type { FixChange } from '../../../contracts/values.ts';
import type { DeviceMap } from './device-map.ts';
import { editCrypttab, editResume } from './fstab-text.ts';
import { stableDevices } from './kernel-arguments.ts';
import { editLvmFilters } from './lvm-text.ts';
import { physicalVolumes } from './lvm.ts';
import { editModprobe, letIn } from './modprobe-text.ts';

/** Edits one file of an initramfs, given its name in there; the same text back means nothing to do. */
export type TextEditor = (name: string, text: string) => string;

const copiedFile =
  /^\/etc\/(crypttab(\.initramfs)?|initramfs-tools\/conf\.d\/resume|lvm\/lvm(local)?\.conf|modprobe\.d\/[^/]+\.conf)$/;

/** Whether a change of the guest's is one that an initramfs must have as well, should it have the file. */
export function outdatesInitramfs({ path, after = '' }: FixChange): boolean {
  return copiedFile.test(path) && (!path.startsWith('/etc/modprobe.d/') || after.includes(letIn));
}

/** The copies, of what names devices and of what says which drivers are loaded: initramfs-tools(7), dracut(8). */
const copies: { name: RegExp; edit: (text: string, map: DeviceMap, bus: DiskBus | undefined) => string }[] = [
  { name: /^(\.?\/)?conf\/conf\.d\/[\w.-]+$/, edit: (text, map) => editResume(text, map).text },
  {
    name: /^(\.?\/)?(etc|cryptroot|conf\/conf\.d)\/crypttab$/,
    edit: (text, map) => editCrypttab(text, map).text,
  },
  {
    name: /^(\.?\/)?etc\/cmdline\.d\/[\w.-]+\.conf$/,
    edit: (text, map) =>
      text
        .split('\n')
        .map((line) => stableDevices(map, 'uuid', '', [])(line))
        .join('\n'),
  },
  {
    name: /^(\.?\/)?etc\/lvm\/lvm(local)?\.conf$/,
    edit: (text, map, bus) => editLvmFilters(text, physicalVolumes(map, bus)).text,
  },
  { name: /^(\.?\/)?etc\/modprobe\.d\/[\w.+-]+\.conf$/, edit: editModprobe },
];

export function isInitramfsText(name: string): boolean {
  return copies.some((copy) => copy.name.test(name));
}

/** Has the copies say what the guest's own files say after the fixes. */
export function stableTexts(map: DeviceMap, bus?: DiskBus): TextEditor {
  return (name, text) =>
    text.includes('\0') ? text : (copies.find((copy) => copy.name.test(name))?.edit(text, map, bus) ?? text);
}
