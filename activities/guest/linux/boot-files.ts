import type { Guestfs } from '../session/guestfs.ts';
import {
  editBlsEntry,
  editCmdlineFile,
  editExtlinux,
  editGrubCfg,
  editGrubDefault,
  editGrubEnv,
  editGrubLegacy,
  editPhotonCfg,
  grubEnvObjection,
  unclearGrubDefaults,
} from './boot-config-text.ts';
import type { PlannedChange } from './fix.ts';
import { planText, readGuestText, type GuestText } from './guest-text.ts';
import type { ArgumentsEditor } from './kernel-arguments.ts';

type Kind = 'grub-cfg' | 'shell' | 'bls' | 'grubenv' | 'extlinux' | 'grub-legacy' | 'cmdline' | 'photon';

/** Every place a kernel command line is known to be kept: shell patterns, and the path as a regular expression. */
const places: { pattern: string; path: RegExp; kind: Kind }[] = [
  { pattern: '/etc/default/{grub,grub.d/*.cfg}', path: /^\/etc\/default\//, kind: 'shell' },
  { pattern: '/etc/sysconfig/bootloader', path: /^\/etc\/sysconfig\//, kind: 'shell' },
  { pattern: '/etc/kernel/cmdline', path: /\/cmdline$/, kind: 'cmdline' },
  {
    pattern: '/boot/{grub,grub2,efi/EFI/*}/{grub.cfg,user.cfg}',
    path: /\/(grub|user)\.cfg$/,
    kind: 'grub-cfg',
  },
  { pattern: '/boot/{grub,grub2,efi/EFI/*}/grubenv', path: /\/grubenv$/, kind: 'grubenv' },
  { pattern: '/{boot,boot/efi,efi}/loader/entries/*.conf', path: /\/loader\/entries\//, kind: 'bls' },
  {
    pattern: '/boot/{extlinux.conf,extlinux/*.conf,syslinux/syslinux.cfg,syslinux/extlinux.conf}',
    path: /\/(extlinux|syslinux)(\/|\.)/,
    kind: 'extlinux',
  },
  {
    pattern: '/boot/{grub,efi/EFI/*}/{menu.lst,grub.conf}',
    path: /\/(menu\.lst|grub\.conf)$/,
    kind: 'grub-legacy',
  },
  // Photon's own is a link to one of the others, and not always to the same.
  { pattern: '/boot/{systemd,linux-*,photon}.cfg', path: /^\/boot\/[^/]+\.cfg$/, kind: 'photon' },
];

/** One question instead of one for each place: under emulation each takes a tenth of a second. */
const allPlaces = `/{${places.map(({ pattern }) => pattern.slice(1)).join(',')}}`;
const maxFiles = 400;

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
  for (const path of (await guest.glob(allPlaces)).slice(0, maxFiles)) {
    const kind = places.find((place) => place.path.test(path))?.kind;
    const file = kind === undefined ? undefined : await readGuestText(guest, path, warnings);
    if (kind === undefined || file === undefined || seen.has(file.path)) continue;
    seen.add(file.path);
    const editor = await edit.editorFor({ path, text: file.text, warnings });
    const edited = editBootText(kind, file.text, editor, edit.variables);
    warnings.push(...leftAlone(kind, { ...file, path }, editor, edit.variables));
    const change = planText(file, edited, edit.what);
    if (change !== undefined) changes.push(change);
  }
  return { changes, warnings: [...new Set(warnings)] };
}

/** What should have been edited and is kept in a form that was not. */
function leftAlone(
  kind: Kind,
  { path, text }: GuestText,
  edit: ArgumentsEditor,
  variables: RegExp,
): string[] {
  if (kind === 'grubenv') {
    const objection = grubEnvObjection(text, edit);
    return objection === undefined ? [] : [`${path} ${objection}.`];
  }
  if (kind !== 'shell') return [];
  return unclearGrubDefaults(text, edit, variables).map(
    (name) =>
      `${path} sets ${name} with an expansion or an escape, and names a device that may move in it; it was left alone.`,
  );
}

function editBootText(kind: Kind, text: string, edit: ArgumentsEditor, variables: RegExp): string {
  switch (kind) {
    case 'grub-cfg':
      return editGrubCfg(text, edit);
    case 'shell':
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
    case 'photon':
      return editPhotonCfg(text, edit);
  }
}
