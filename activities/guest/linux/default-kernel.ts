import type { Kernel } from '../../../contracts/values.ts';
import type { Guestfs } from '../session/guestfs.ts';
import { grubEnvVariable, setGrubEnvVariable } from './boot-config-text.ts';
import {
  findMenuItem,
  grubCfgDefault,
  legacyMenuDefault,
  loaderConfDefault,
  nameOfKernel,
  parseBlsEntry,
  parseExtlinuxMenu,
  parseGrubMenu,
  parseLegacyMenu,
  setExtlinuxDefault,
  setGrubCfgDefault,
  setGrubDefaultVariable,
  setLegacyMenuDefault,
  setLoaderConfDefault,
  type MenuItem,
} from './boot-menu-text.ts';
import type { FixPlan, PlannedChange } from './fix.ts';
import { planText, readGuestText, type GuestText } from './guest-text.ts';
import { planPhoton } from './photon-menu.ts';

export interface KernelVerdict {
  /** The kernel to start where the default would be one of the useless. */
  best: Kernel;
  useless: readonly Kernel[];
}

interface Menus {
  guest: Guestfs;
  verdict: KernelVerdict;
  warnings: string[];
  what: string;
}

const maxEntries = 200;
const maxStars = 5;

/** Makes the best kernel the default of every boot loader that would start one of the useless ones. */
export async function planDefaultKernel(guest: Guestfs, verdict: KernelVerdict): Promise<FixPlan> {
  const warnings: string[] = [];
  const what = `Kernel ${verdict.best.version} starts by default, because the one before cannot drive virtio disks.`;
  const menus = { guest, verdict, warnings, what };
  const bls = await blsEntries(menus);
  const changes = [
    ...(await planGrub(menus, bls)),
    ...(await planLegacy(menus)),
    ...(await planExtlinux(menus)),
    ...(await planSystemdBoot(menus, bls)),
    ...(await planPhoton(guest, verdict, what, warnings)),
  ];
  const versions = [...new Set(verdict.useless.map(({ version }) => version.slice(0, 80)))].join(', ');
  warnings.push(`These kernels cannot drive virtio disks and are of no use any more: ${versions}.`);
  return { changes, warnings };
}

/** Whether a path in a boot entry means the kernel: entries count from the file system that /boot may be. */
function means(kernel: Kernel): (path: string) => boolean {
  const inFolder = (path: string) => path.includes(`/${kernel.version}/`);
  // kernel-install(8) calls every kernel `linux`, in a folder of its version.
  if (inFolder(kernel.path)) return inFolder;
  const name = kernel.path.slice(kernel.path.lastIndexOf('/') + 1);
  return (path) => path.endsWith(`/${name}`) || path === name || inFolder(path);
}

function isUseless({ verdict }: Menus, item: MenuItem | undefined): boolean {
  const path = item?.kernel;
  return path !== undefined && verdict.useless.some((kernel) => means(kernel)(path));
}

async function planGrub(menus: Menus, bls: MenuItem[]): Promise<PlannedChange[]> {
  const { guest, verdict, warnings, what } = menus;
  const changes: (PlannedChange | undefined)[] = [];
  for (const dir of ['/boot/grub2', '/boot/grub']) {
    const config = await readGuestText(guest, `${dir}/grub.cfg`, warnings);
    if (config === undefined) continue;
    // The script that brings the BLS entries comes before those that add others.
    const items = [...(/^[ \t]*blscfg\b/m.test(config.text) ? bls : []), ...parseGrubMenu(config.text)];
    const stated = grubCfgDefault(config.text) ?? '0';
    const saved = /\$\{?saved_entry/.test(stated);
    const env = saved ? await readGuestText(guest, `${dir}/grubenv`, warnings) : undefined;
    const name = saved ? (grubEnvVariable(env?.text ?? '', 'saved_entry') ?? '0') : stated;
    if (!isUseless(menus, findMenuItem(items, name === '' ? '0' : name))) continue;
    const better = nameOfKernel(items, means(verdict.best));
    if (better === undefined) {
      warnings.push(
        `${config.path} starts a kernel without virtio drivers and has no entry for ${verdict.best.version}.`,
      );
    } else if (saved) {
      changes.push(planSaved(menus, env, better));
    } else {
      changes.push(planText(config, setGrubCfgDefault(config.text, better), what));
      const defaults = await readGuestText(guest, '/etc/default/grub', warnings);
      if (defaults !== undefined)
        changes.push(planText(defaults, setGrubDefaultVariable(defaults.text, better), what));
    }
  }
  return changes.filter((change) => change !== undefined);
}

function planSaved(
  { warnings, what }: Menus,
  env: GuestText | undefined,
  name: string,
): PlannedChange | undefined {
  const edited = setGrubEnvVariable(env?.text ?? '', 'saved_entry', name);
  if (env === undefined || edited === env.text) {
    warnings.push(
      `GRUB's environment block could not take the entry ${name}; a kernel without virtio drivers starts.`,
    );
    return undefined;
  }
  return planText(env, edited, what);
}

async function planLegacy(menus: Menus): Promise<PlannedChange[]> {
  const { guest, verdict, warnings, what } = menus;
  for (const path of ['/boot/grub/menu.lst', '/boot/grub/grub.conf']) {
    const menu = await readGuestText(guest, path, warnings);
    if (menu === undefined) continue;
    const items = parseLegacyMenu(menu.text);
    const stated = legacyMenuDefault(menu.text) ?? '0';
    // `saved` is kept in a file of GRUB's own, which names the first entry until it is written.
    if (!isUseless(menus, items[/^\d+$/.test(stated) ? Number(stated) : 0])) continue;
    const starts = means(verdict.best);
    const number = items.findIndex(
      ({ kernel, rescue }) => kernel !== undefined && rescue !== true && starts(kernel),
    );
    const change = number < 0 ? undefined : planText(menu, setLegacyMenuDefault(menu.text, number), what);
    if (change !== undefined) return [change];
    warnings.push(
      `${path} starts a kernel without virtio drivers and has no entry for ${verdict.best.version}.`,
    );
  }
  return [];
}

async function planExtlinux(menus: Menus): Promise<PlannedChange[]> {
  const { guest, verdict, warnings, what } = menus;
  const changes: (PlannedChange | undefined)[] = [];
  for (const path of ['/boot/extlinux/extlinux.conf', '/boot/extlinux.conf', '/boot/syslinux/syslinux.cfg']) {
    const menu = await readGuestText(guest, path, warnings);
    if (menu === undefined || changes.some((change) => change?.path === menu.path)) continue;
    const { items, defaultLabel } = parseExtlinuxMenu(menu.text);
    const current = items.find(({ title }) => title === defaultLabel) ?? items[0];
    const better = items.find(({ kernel }) => kernel !== undefined && means(verdict.best)(kernel));
    if (!isUseless(menus, current) || better === undefined) continue;
    changes.push(planText(menu, setExtlinuxDefault(menu.text, better.title), what));
  }
  return changes.filter((change) => change !== undefined);
}

async function planSystemdBoot(menus: Menus, bls: MenuItem[]): Promise<PlannedChange[]> {
  const { guest, verdict, warnings, what } = menus;
  for (const path of [
    '/boot/loader/loader.conf',
    '/efi/loader/loader.conf',
    '/boot/efi/loader/loader.conf',
  ]) {
    const config = await readGuestText(guest, path, warnings);
    if (config === undefined) continue;
    const pattern = loaderConfDefault(config.text);
    const matches =
      pattern === undefined ? undefined : bls.find(({ id = '' }) => globMatches(pattern, `${id}.conf`));
    const better = bls.find(({ kernel }) => kernel !== undefined && means(verdict.best)(kernel));
    if (!isUseless(menus, matches ?? bls[0]) || better?.id === undefined) continue;
    const change = planText(config, setLoaderConfDefault(config.text, `${better.id}.conf`), what);
    if (change !== undefined) return [change];
  }
  return [];
}

/** Entries by the Boot Loader Specification, the newest first, as loaders list them. */
async function blsEntries({ guest, warnings }: Menus): Promise<MenuItem[]> {
  const pattern = '/{boot,boot/efi,efi}/loader/entries/*.conf';
  const items: MenuItem[] = [];
  for (const path of (await guest.glob(pattern)).slice(0, maxEntries)) {
    const file = await readGuestText(guest, path, warnings);
    const name = path.slice(path.lastIndexOf('/') + 1, -'.conf'.length);
    if (file !== undefined) items.push(parseBlsEntry(file.text, name));
  }
  return items.sort((a, b) => (b.id ?? '').localeCompare(a.id ?? '', 'en', { numeric: true }));
}

/** fnmatch(3) of the patterns that people write; one full of stars would take for ever. */
function globMatches(pattern: string, name: string): boolean {
  if (pattern.split('*').length > maxStars) return false;
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 'i').test(name);
}
