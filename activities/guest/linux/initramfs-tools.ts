import type { GuestFacts, Kernel } from '../../../contracts/values.ts';
import type { Guestfs } from '../session/guestfs.ts';
import type { PlannedChange } from './fix.ts';
import { planOwnFile, planText, readGuestText } from './guest-text.ts';
import { addInitramfsModules, addMkinitcpioModules } from './initramfs-tools-text.ts';

/** How a guest's own program makes an initramfs. */
export interface InitramfsBuilder {
  /** The program as the guest has it installed. */
  program: string;
  /** Lasting changes of the guest's configuration that the build needs. */
  prepare(guest: Guestfs, modules: readonly string[], warnings: string[]): Promise<PlannedChange[]>;
  /** Builds into `output`, a path that does not exist yet, with the modules in it. */
  build(guest: Guestfs, job: BuildJob): Promise<void>;
  /** What a person types in the running source VM for the same. */
  byHand(kernel: Kernel, modules: readonly string[]): string;
}

export interface BuildJob {
  kernel: Kernel;
  output: string;
  modules: readonly string[];
  /** Wall-clock limit. */
  timeoutMs: number;
}

/** The builder of the guest's tool; undefined when it has none or its program is missing. */
export async function findBuilder(
  guest: Guestfs,
  tool: GuestFacts['initramfsTool'],
): Promise<InitramfsBuilder | undefined> {
  const program = async (name: string) => {
    for (const dir of ['/usr/sbin', '/usr/bin', '/sbin', '/bin']) {
      if (await guest.isFile(`${dir}/${name}`)) return `${dir}/${name}`;
    }
    return undefined;
  };
  const candidates = {
    'initramfs-tools': ['mkinitramfs', initramfsTools],
    dracut: ['dracut', dracut],
    mkinitcpio: ['mkinitcpio', mkinitcpio],
  } as const;
  if (tool === undefined || tool === 'none') return undefined;
  const [name, make] = candidates[tool];
  const path = await program(name);
  return path === undefined ? undefined : make(path);
}

/**
 * mkinitramfs(8) is called below update-initramfs(8), which would write over the initramfs in use. Modules in
 * /etc/initramfs-tools/modules go in whatever MODULES= says; MODULES=dep looks at the machine it runs on,
 * which is the appliance, and so finds the root file system's driver but not the new disk's.
 */
function initramfsTools(program: string): InitramfsBuilder {
  const modulesFile = '/etc/initramfs-tools/modules';
  return {
    program,
    async prepare(guest, modules, warnings) {
      const file = await readGuestText(guest, modulesFile, warnings);
      if (file === undefined) return [];
      const what = `${modules.join(', ')} are part of every initramfs.`;
      const change = planText(file, addInitramfsModules(file.text, modules), what);
      return change === undefined ? [] : [change];
    },
    async build(guest, { kernel, output, timeoutMs }) {
      await guest.command([program, '-o', output, kernel.version], timeoutMs);
    },
    byHand: ({ version }, modules) =>
      `add ${modules.join(', ')} to ${modulesFile} and run update-initramfs -u -k ${version}`,
  };
}

/**
 * dracut(8). A host-only image is made for the root file system as the appliance mounted it, and later ones
 * for the machine they are made on; a file of ours keeps the drivers in whichever.
 */
function dracut(program: string): InitramfsBuilder {
  const config = '/etc/dracut.conf.d/longhaul-virtio.conf';
  return {
    program,
    async prepare(guest, modules) {
      const text = `# Written by Longhaul: drivers the root disk needs on KVM.\nadd_drivers+=" ${modules.join(' ')} "\n`;
      const change = await planOwnFile(
        guest,
        config,
        text,
        `${modules.join(', ')} are part of every initramfs.`,
      );
      return change === undefined ? [] : [change];
    },
    async build(guest, { kernel, output, modules, timeoutMs }) {
      const drivers = modules.length > 0 ? ['--add-drivers', modules.join(' ')] : [];
      await guest.command([program, '--force', ...drivers, output, kernel.version], timeoutMs);
    },
    byHand: ({ version, initramfs = '' }, modules) =>
      `run dracut --force --add-drivers "${modules.join(' ')}" ${initramfs} ${version}`,
  };
}

/** mkinitcpio(8), without the hook that looks at the appliance. */
function mkinitcpio(program: string): InitramfsBuilder {
  const config = '/etc/mkinitcpio.conf';
  return {
    program,
    async prepare(guest, modules, warnings) {
      const file = await readGuestText(guest, config, warnings);
      if (file === undefined) return [];
      const change = planText(
        file,
        addMkinitcpioModules(file.text, modules),
        `${modules.join(', ')} are part of every initramfs.`,
      );
      return change === undefined ? [] : [change];
    },
    async build(guest, { kernel, output, timeoutMs }) {
      await guest.command([program, '-k', kernel.version, '-S', 'autodetect', '-g', output], timeoutMs);
    },
    byHand: (_kernel, modules) => `add ${modules.join(', ')} to MODULES in ${config} and run mkinitcpio -P`,
  };
}
