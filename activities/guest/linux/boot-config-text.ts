import { mentionsMovingDevice } from './device-names.ts';
import type { ArgumentsEditor } from './kernel-arguments.ts';

const kernelNames = ['vmlinuz', 'vmlinux', 'linux', 'bzimage', 'kernel', 'image'];

/** A file name that is a Linux kernel and not memtest, a chain loader or a Xen hypervisor. */
function isKernelName(path: string): boolean {
  const file = path.slice(path.lastIndexOf('/') + 1).toLowerCase();
  // GRUB may name the disk before, in parentheses.
  const name = file.slice(file.lastIndexOf(')') + 1);
  const variable = /^\$\{?(\w+)/.exec(name)?.[1] ?? '';
  return (
    [file, name].some((each) => kernelNames.some((known) => each.startsWith(known))) ||
    ['linux', 'kernel'].some((word) => variable.includes(word))
  );
}

function splitEol(line: string): [string, string] {
  return line.endsWith('\r') ? [line.slice(0, -1), '\r'] : [line, ''];
}

function editLines(text: string, editLine: (line: string) => string): string {
  return text
    .split('\n')
    .map((line) => {
      const [body, eol] = splitEol(line);
      // What returns to its beginning is nothing that a loader reads.
      return body.includes('\r') ? line : `${editLine(body)}${eol}`;
    })
    .join('\n');
}

/** A command with its options, the file it is about, and the rest. */
function splitCommand(line: string, command: RegExp): [string, string, string] | undefined {
  const lead = command.exec(line)?.[0];
  if (lead === undefined) return undefined;
  const rest = line.slice(lead.length);
  const end = rest.search(/\s|$/);
  return end === 0 ? undefined : [lead, rest.slice(0, end), rest.slice(end)];
}

/** The arguments after a kernel's name, which they must not run into. */
function afterName(args: string, edit: ArgumentsEditor): string {
  const edited = unlessVariable(args, edit);
  return edited === args || /^\s/.test(edited) ? edited : ` ${edited}`;
}

/** A command line that only refers to a variable is edited where the variable is set. */
function unlessVariable(args: string, edit: ArgumentsEditor): string {
  return /\$\{?(kernelopts|default_kernelopts|photon_cmdline)\b/.test(args) ? args : edit(args);
}

/**
 * grub.cfg of GRUB 2: the arguments of `linux` commands, and the defaults that BLS entries refer to.
 * `set root=` names a disk in GRUB's own counting and is none of ours.
 */
export function editGrubCfg(text: string, edit: ArgumentsEditor): string {
  return editLines(text, (line) => {
    const [start, kernel = '', args = ''] = splitCommand(line, /^\s*(?:linux|linux16|linuxefi)\s+/) ?? [];
    if (start !== undefined && isKernelName(kernel)) return `${start}${kernel}${afterName(args, edit)}`;
    // Under Xen's own entry the kernel is a module of the hypervisor.
    const module = splitCommand(line, /^\s*(?:module|module2|multiboot_module)\s+(?:--\S+\s+)*/);
    if (module !== undefined && /\broot=/.test(module[2]))
      return `${module[0]}${module[1]}${afterName(module[2], edit)}`;
    const variable = /^(\s*set\s+(?:default_)?kernelopts=)(["'])(.*)\2(\s*)$/.exec(line);
    if (variable) {
      const [, lead = '', quote = '', args = '', tail = ''] = variable;
      return `${lead}${quote}${edit(args)}${quote}${tail}`;
    }
    // Photon's menu entry says root=$rootpartition.
    const root = /^(\s*set\s+rootpartition=)(["']?)(\/dev\/[^\s"'$]+)\2(\s*)$/.exec(line);
    if (root) {
      const [, lead = '', quote = '', device = '', tail = ''] = root;
      const edited = /^root=([^\s"']+)/.exec(edit(`root=${device}`))?.[1] ?? device;
      return `${lead}${quote}${edited}${quote}${tail}`;
    }
    return line;
  });
}

/** /boot/photon.cfg of Photon: an environment block of any length with `photon_cmdline`. */
export function editPhotonCfg(text: string, edit: ArgumentsEditor): string {
  return editLines(text, (line) => {
    const match = /^(photon_cmdline=)(.*)$/.exec(line);
    return match ? `${match[1] ?? ''}${edit(match[2] ?? '')}` : line;
  });
}

/** /etc/default/grub: `variables` that hold arguments; a value with an expansion or an escape is left alone. */
export function editGrubDefault(text: string, edit: ArgumentsEditor, variables: RegExp): string {
  return editLines(text, (line) => {
    const match =
      /^(\s*(?:export\s+)?([A-Z_]+)=)(?:"([^"\\$`]*)"|'([^']*)'|([^\s"'\\$`#]*))(\s*(?:#.*)?)$/.exec(line);
    if (!match?.[2] || !variables.test(match[2])) return line;
    const [, lead = '', , double, single, bare, tail = ''] = match;
    const before = double ?? single ?? bare ?? '';
    const after = edit(before);
    const quote = single === undefined ? '"' : "'";
    return after === before ? line : `${lead}${quote}${after}${quote}${tail}`;
  });
}

/** The variables with a value that `editGrubDefault` left alone and that names a device to edit. */
export function unclearGrubDefaults(text: string, edit: ArgumentsEditor, variables: RegExp): string[] {
  return editGrubDefault(text, edit, variables)
    .split('\n')
    .flatMap((line) => {
      const [, name = '', raw = ''] = /^\s*(?:export\s+)?([A-Z_]+)=(.*)/.exec(line) ?? [];
      const value = raw.replaceAll('`', ' ');
      const isUnclear =
        variables.test(name) && /[\\$`]/.test(raw) && mentionsMovingDevice(value) && edit(value) !== value;
      return isUnclear ? [name] : [];
    });
}

/** A Boot Loader Specification entry: its `options` lines, which are joined in order when there are several. */
export function editBlsEntry(text: string, edit: ArgumentsEditor): string {
  const lines = text.split('\n');
  const indexes = lines.flatMap((line, index) => (/^options\s/.test(line) ? [index] : []));
  const [first] = indexes;
  if (first === undefined) return text;
  const parts = indexes.map((index) => /^(options\s+)(.*?)(\r?)$/.exec(lines[index] ?? ''));
  if (parts.includes(null)) return text;
  const joined = parts.map((part) => part?.[2] ?? '').join(' ');
  const edited = unlessVariable(joined, edit);
  if (edited === joined) return text;
  lines[first] = `${parts[0]?.[1] ?? 'options '}${edited}${parts[0]?.[3] ?? ''}`;
  return lines.filter((_line, index) => index === first || !indexes.includes(index)).join('\n');
}

const grubenvBytes = 1024;

/** /boot/grub2/grubenv: `kernelopts`, in a block that must stay 1024 bytes long, filled up with `#`. */
export function editGrubEnv(text: string, edit: ArgumentsEditor): string {
  return editGrubEnvBody(text, (body) => editKernelOpts(body, edit));
}

function editKernelOpts(body: string, edit: ArgumentsEditor): string {
  return body.replace(/^(kernelopts=)(.*)$/m, (_whole, key: string, args: string) => `${key}${edit(args)}`);
}

/** Why a grubenv was left alone though its arguments have something to edit; undefined where it was not. */
export function grubEnvObjection(text: string, edit: ArgumentsEditor): string | undefined {
  if (editKernelOpts(text, edit) === text || editGrubEnv(text, edit) !== text) return undefined;
  return isGrubEnv(text)
    ? 'has no room for the new kernel arguments: they stay as they were'
    : `is no environment block of ${grubenvBytes} bytes: its kernel arguments stay as they were`;
}

function isGrubEnv(text: string): boolean {
  return text.length === grubenvBytes && text.startsWith('# GRUB Environment Block\n');
}

/** The variable of a grubenv; undefined when it has none of the name. */
export function grubEnvVariable(text: string, name: string): string | undefined {
  return new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1];
}

/** Sets a variable of a grubenv; the same text back when it is no grubenv or has no room. */
export function setGrubEnvVariable(text: string, name: string, value: string): string {
  const line = `${name}=${value}`;
  return editGrubEnvBody(text, (body) => {
    const present = new RegExp(`^${name}=.*$`, 'm');
    return present.test(body) ? body.replace(present, () => line) : `${body}${line}\n`;
  });
}

function editGrubEnvBody(text: string, edit: (body: string) => string): string {
  if (!isGrubEnv(text)) return text;
  const edited = edit(text.replace(/#*$/, ''));
  return edited.length > grubenvBytes ? text : edited.padEnd(grubenvBytes, '#');
}

/** extlinux.conf and syslinux.cfg: `append` lines. */
export function editExtlinux(text: string, edit: ArgumentsEditor): string {
  return editLines(text, (line) => {
    const match = /^(\s*append\s+)(.*)$/i.exec(line);
    return match ? `${match[1] ?? ''}${edit(match[2] ?? '')}` : line;
  });
}

/** menu.lst of GRUB legacy: `kernel` lines, and Debian's `# kopt=` from which they are made. */
export function editGrubLegacy(text: string, edit: ArgumentsEditor): string {
  return editLines(text, (line) => {
    const kopt = /^(#\s*kopt=)(.*)$/.exec(line);
    if (kopt) return `${kopt[1] ?? ''}${edit(kopt[2] ?? '')}`;
    const [lead, kernel = '', args = ''] = splitCommand(line, /^\s*(?:kernel|module)\s+(?:--\S+\s+)*/) ?? [];
    if (lead === undefined || !isKernelName(kernel)) return line;
    return `${lead}${kernel}${afterName(args, edit)}`;
  });
}

/** /etc/kernel/cmdline: arguments and nothing else. */
export function editCmdlineFile(text: string, edit: ArgumentsEditor): string {
  const match = /^([^\n]*)(\n*)$/.exec(text);
  return match ? `${edit(match[1] ?? '')}${match[2] ?? ''}` : text;
}
