import type { DeviceMap } from './device-map.ts';
import { editCrypttab, editResume } from './fstab-text.ts';
import { stableDevices } from './kernel-arguments.ts';

/** Edits one file of an initramfs, given its name in there; the same text back means nothing to do. */
export type TextEditor = (name: string, text: string) => string;

/** Copies that an initramfs keeps of what names devices: initramfs-tools(7), crypttab(5), dracut.cmdline(7). */
const copies: { name: RegExp; edit: (text: string, map: DeviceMap) => string }[] = [
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
];

export function isInitramfsText(name: string): boolean {
  return copies.some((copy) => copy.name.test(name));
}

/** Has the copies name devices as the guest's own files do after the fstab fix. */
export function stableTexts(map: DeviceMap): TextEditor {
  return (name, text) =>
    text.includes('\0') ? text : (copies.find((copy) => copy.name.test(name))?.edit(text, map) ?? text);
}
