/** What the menus of boot loaders start by default. Anything a script decides at boot time is not guessed. */

export interface MenuItem {
  title: string;
  /** What else the loader knows it by. */
  id?: string;
  /** The kernel's path as written there. */
  kernel?: string;
  /** A repair entry, which is nobody's default. */
  rescue?: boolean;
  /** Set for a submenu. */
  items?: MenuItem[];
}

const rescueArguments = /(^|\s)(single|recovery|rescue|s|1|systemd\.unit=rescue\S*)(?=\s|$)/;
const quoted = /'([^']*)'|"([^"]*)"/;

/** Entries and submenus of a grub.cfg, without those that another file or BLS entries bring. */
export function parseGrubMenu(text: string): MenuItem[] {
  const root: MenuItem[] = [];
  const open: MenuItem[] = [];
  for (const line of text.split('\n')) {
    const start = /^\s*(menuentry|submenu)(\s.*)\{\s*$/.exec(line);
    const here = open.at(-1);
    if (start) {
      const [, kind, rest = ''] = start;
      const title = quoted.exec(rest);
      const id = /(?:\$menuentry_id_option|--id[ =])\s*(?:'([^']*)'|"([^"]*)"|(\S+))/.exec(rest);
      const name = id?.[1] ?? id?.[2] ?? id?.[3];
      const item: MenuItem = {
        title: title?.[1] ?? title?.[2] ?? rest.trim(),
        ...(name === undefined ? {} : { id: name }),
        ...(kind === 'submenu' ? { items: [] } : {}),
      };
      (here?.items ?? root).push(item);
      open.push(item);
    } else if (/^\s*\}\s*$/.test(line)) {
      open.pop();
    } else if (here !== undefined && here.items === undefined && here.kernel === undefined) {
      const kernel = /^\s*(?:linux|linux16|linuxefi|module|module2)\s+(?:--\S+\s+)*(\S+)(.*)$/s.exec(line);
      if (kernel?.[1] === undefined) continue;
      here.kernel = kernel[1];
      if (rescueArguments.test(kernel[2] ?? '')) here.rescue = true;
    }
  }
  return root;
}

/** The item that a GRUB default names: a number, id or title, behind those of its submenus and `>`. */
export function findMenuItem(items: readonly MenuItem[], name: string): MenuItem | undefined {
  let level: readonly MenuItem[] = items;
  let found: MenuItem | undefined;
  for (const part of name.split('>')) {
    found = /^\d+$/.test(part)
      ? level[Number(part)]
      : level.find(({ id, title }) => id === part || title === part);
    level = found?.items ?? [];
  }
  // The default of a submenu is its first entry.
  while (found?.items !== undefined) [found] = found.items;
  return found;
}

/** The name of the first usual entry that starts a kernel, in the form a GRUB default has; by id where it can be. */
export function nameOfKernel(
  items: readonly MenuItem[],
  starts: (kernel: string) => boolean,
): string | undefined {
  for (const item of items) {
    const name = item.id ?? item.title;
    if (name.includes('>') || /["'\\$`\n]/.test(name)) continue;
    if (item.items !== undefined) {
      const below = nameOfKernel(item.items, starts);
      if (below !== undefined) return `${name}>${below}`;
    } else if (item.kernel !== undefined && item.rescue !== true && starts(item.kernel)) {
      return name;
    }
  }
  return undefined;
}

/** The last `set default=` of a grub.cfg that does not stand for one boot only. */
const grubDefault = /^([ \t]*set[ \t]+default=)(["']?)((?!\$\{?(?:next|prev)_)[^"'\n]*)\2[ \t]*$/gm;

export function grubCfgDefault(text: string): string | undefined {
  return [...text.matchAll(grubDefault)].at(-1)?.[3];
}

/** @param name without quotes and backslashes, as `nameOfKernel` gives it */
export function setGrubCfgDefault(text: string, name: string): string {
  const last = [...text.matchAll(grubDefault)].at(-1);
  if (last === undefined) return text;
  return `${text.slice(0, last.index)}${last[1] ?? ''}"${name}"${text.slice(last.index + last[0].length)}`;
}

/** GRUB_DEFAULT in /etc/default/grub, from which grub.cfg is made anew; added when it is not there. */
export function setGrubDefaultVariable(text: string, name: string): string {
  const line = `GRUB_DEFAULT="${name}"`;
  const present = /^[ \t]*GRUB_DEFAULT=.*$/m;
  if (present.test(text)) return text.replace(present, () => line);
  return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${line}\n`;
}

/** Entries of GRUB legacy's menu.lst, in the order its numbers count. */
export function parseLegacyMenu(text: string): MenuItem[] {
  const items: MenuItem[] = [];
  for (const line of text.split('\n')) {
    const title = /^\s*title\s(.*)/.exec(line)?.[1]?.trim();
    if (title !== undefined) items.push({ title });
    const here = items.at(-1);
    const [, command, kernel, args = ''] =
      /^\s*(kernel|module)\s+(?:--\S+\s+)*(?:\(\w+,\w+\))?(\S+)(.*)$/s.exec(line) ?? [];
    // Under Xen's own entry the kernel is the first module.
    if (here === undefined || kernel === undefined || (command === 'module' && !isXen(here.kernel))) continue;
    here.kernel = kernel;
    if (rescueArguments.test(args)) here.rescue = true;
  }
  return items;
}

function isXen(kernel: string | undefined): boolean {
  return kernel !== undefined && /(^|\/)xen[^/]*$/.test(kernel);
}

const legacyDefault = /^([ \t]*default(?:[ \t]*=[ \t]*|[ \t]+))(?!\s)(\S+)([ \t]*)$/m;

export function legacyMenuDefault(text: string): string | undefined {
  return legacyDefault.exec(text)?.[2];
}

export function setLegacyMenuDefault(text: string, number: number): string {
  if (!legacyDefault.test(text)) return `default ${number}\n${text}`;
  return text.replace(
    legacyDefault,
    (_line, lead: string, _old: string, tail: string) => `${lead}${number}${tail}`,
  );
}

/** Entries of extlinux.conf and its default label. */
export function parseExtlinuxMenu(text: string): { items: MenuItem[]; defaultLabel?: string } {
  const items: MenuItem[] = [];
  let defaultLabel: string | undefined;
  for (const line of text.split('\n')) {
    const [, word = '', after = ''] = /^\s*(\w+)(\s.*)/.exec(line) ?? [];
    const rest = after.trim();
    const here = items.at(-1);
    if (/^default$/i.test(word)) defaultLabel = rest;
    else if (/^label$/i.test(word)) items.push({ title: rest });
    else if (/^(linux|kernel)$/i.test(word) && here !== undefined) here.kernel = rest;
  }
  return { items, ...(defaultLabel === undefined ? {} : { defaultLabel }) };
}

export function setExtlinuxDefault(text: string, label: string): string {
  const present = /^([ \t]*default[ \t]+)(?![ \t])(.*)$/im;
  if (!present.test(text)) return `DEFAULT ${label}\n${text}`;
  return text.replace(
    present,
    (_line, lead: string, old: string) => `${lead}${label}${old.slice(old.trimEnd().length)}`,
  );
}

/** `default` of systemd-boot's loader.conf: a pattern for names of entries. */
export function loaderConfDefault(text: string): string | undefined {
  return /^[ \t]*default[ \t]+(\S+)[ \t]*$/m.exec(text)?.[1];
}

export function setLoaderConfDefault(text: string, entry: string): string {
  const present = /^([ \t]*default[ \t]+)\S+([ \t]*)$/m;
  if (present.test(text))
    return text.replace(present, (_line, lead: string, tail: string) => `${lead}${entry}${tail}`);
  return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}default ${entry}\n`;
}

/** A Boot Loader Specification entry, known by the name of its file without `.conf`. */
export function parseBlsEntry(text: string, name: string): MenuItem {
  const field = (key: string) => new RegExp(`^${key}[ \\t](.*)$`, 'm').exec(text)?.[1]?.trim();
  const kernel = field('linux');
  return {
    title: field('title') ?? name,
    id: name,
    ...(kernel === undefined ? {} : { kernel }),
    ...(/rescue/.test(name) || rescueArguments.test(field('options') ?? '') ? { rescue: true } : {}),
  };
}
