import type { Guestfs } from '../session/guestfs.ts';
import {
  editBlsEntry,
  editCmdlineFile,
  editExtlinux,
  editGrubCfg,
  editGrubDefault,
  editGrubEnv,
  editGrubLegacy,
} from './boot-config-text.ts';
import type { PlannedChange } from './fix.ts';
import { planText, readGuestText } from './guest-text.ts';
import type { ArgumentsEditor } from './kernel-arguments.ts';

type Kind = 'grub-cfg' | 'grub-default' | 'bls' | 'grubenv' | 'extlinux' | 'grub-legacy' | 'cmdline';

/** Every place a kernel command line is known to be kept, as shell patterns. */
const places: { pattern: string; kind: Kind }[] = [
  { pattern: '/etc/default/grub', kind: 'grub-default' },
  { pattern: '/etc/default/grub.d/*.cfg', kind: 'grub-default' },
  { pattern: '/etc/kernel/cmdline', kind: 'cmdline' },
  { pattern: '/boot/grub/grub.cfg', kind: 'grub-cfg' },
  { pattern: '/boot/grub2/grub.cfg', kind: 'grub-cfg' },
  { pattern: '/boot/efi/EFI/*/grub.cfg', kind: 'grub-cfg' },
  { pattern: '/boot/grub2/grubenv', kind: 'grubenv' },
  { pattern: '/boot/efi/EFI/*/grubenv', kind: 'grubenv' },
  { pattern: '/boot/loader/entries/*.conf', kind: 'bls' },
  { pattern: '/boot/efi/loader/entries/*.conf', kind: 'bls' },
  { pattern: '/efi/loader/entries/*.conf', kind: 'bls' },
  { pattern: '/boot/extlinux.conf', kind: 'extlinux' },
  { pattern: '/boot/extlinux/*.conf', kind: 'extlinux' },
  { pattern: '/boot/syslinux/syslinux.cfg', kind: 'extlinux' },
  { pattern: '/boot/grub/menu.lst', kind: 'grub-legacy' },
  { pattern: '/boot/grub/grub.conf', kind: 'grub-legacy' },
];

const maxFiles = 200;

export interface BootEdit {
  what: string;
  /** Variables of /etc/default/grub that the editor is for. */
  variables: RegExp;
  /** Makes the editor for one file, given its path for warnings, and its text. */
  editorFor(file: {
    path: string;
    text: string;
    warnings: string[];
  }): ArgumentsEditor | Promise<ArgumentsEditor>;
}

/** Plans one edit over all kernel command lines of the guest. */
export async function planBootEdit(
  guest: Guestfs,
  edit: BootEdit,
): Promise<{ changes: PlannedChange[]; warnings: string[] }> {
  const changes: PlannedChange[] = [];
  const warnings: string[] = [];
  const seen = new Set<string>();
  for (const { pattern, kind } of places) {
    for (const path of (await matching(guest, pattern)).slice(0, maxFiles)) {
      const file = await readGuestText(guest, path, warnings);
      if (file === undefined || seen.has(file.path)) continue;
      seen.add(file.path);
      const editor = await edit.editorFor({ path, text: file.text, warnings });
      const edited = editBootText(kind, file.text, editor, edit.variables);
      const change = planText(file, edited, edit.what);
      if (change !== undefined) changes.push(change);
    }
  }
  return { changes, warnings: [...new Set(warnings)] };
}

async function matching(guest: Guestfs, pattern: string): Promise<string[]> {
  return pattern.includes('*') ? guest.glob(pattern) : [pattern];
}

function editBootText(kind: Kind, text: string, edit: ArgumentsEditor, variables: RegExp): string {
  switch (kind) {
    case 'grub-cfg':
      return editGrubCfg(text, edit);
    case 'grub-default':
      return editGrubDefault(text, edit, variables);
    case 'bls':
      return editBlsEntry(text, edit);
    case 'grubenv':
      return editGrubEnv(text, edit);
    case 'extlinux':
      return editExtlinux(text, edit);
    case 'grub-legacy':
      return editGrubLegacy(text, edit);
    case 'cmdline':
      return editCmdlineFile(text, edit);
  }
}
