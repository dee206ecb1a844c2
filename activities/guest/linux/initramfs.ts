import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LonghaulError } from '../../../contracts/errors.ts';
import type { GuestFacts, Kernel } from '../../../contracts/values.ts';
import { readInitramfsModules } from '../initramfs/module-names.ts';
import type { Guestfs } from '../session/guestfs.ts';
import type { Fix, FixContext, PlannedChange } from './fix.ts';
import { findBuilder, type InitramfsBuilder } from './initramfs-tools.ts';

/** Under emulation a large initramfs takes ten minutes, and hosts are shared. */
const buildTimeoutMs = 60 * 60_000;
const progressMs = 5_000;

/** The drivers a root disk on virtio needs, and where the kernel keeps them. */
const drivers = [
  { module: 'virtio_pci', dir: 'drivers/virtio', has: (kernel: Kernel) => kernel.virtio.pci, needed: true },
  { module: 'virtio_blk', dir: 'drivers/block', has: (kernel: Kernel) => kernel.virtio.blk, needed: true },
  { module: 'virtio_scsi', dir: 'drivers/scsi', has: (kernel: Kernel) => kernel.virtio.scsi, needed: false },
];

/** An initramfs opens the root file system's container by its own copy of this file. */
const copiedFile = '/etc/crypttab';

/** Virtio in the initramfs of every kernel that can be booted; those that have it are not touched. */
export const initramfsFix: Fix = {
  id: 'initramfs',
  title: 'Virtio drivers in the initramfs',
  critical: true,
  applies: (facts) => facts.os === 'linux',
  async plan(context) {
    const { guest, facts } = context;
    const warnings: string[] = [];
    const bootable = facts.kernels.filter((kernel) => kernel.bootable);
    const stale = rootIsMapped(facts) && context.earlier.some(({ path }) => path === copiedFile);
    const lacking = bootable.filter((kernel) => stale || !kernel.virtio.pci || !kernel.virtio.blk);
    if (lacking.length === 0) return { changes: [], warnings };

    const builder = await findBuilder(guest, facts.initramfsTool);
    const rebuilds: PlannedChange[] = [];
    const wanted = new Set<string>();
    for (const kernel of lacking) {
      const outlook = await judge(guest, kernel, builder);
      if (outlook.kind === 'hopeless') {
        warnings.push(`Kernel ${show(kernel.version)} would not find its root disk: ${outlook.reason}.`);
        continue;
      }
      outlook.modules.forEach((module) => wanted.add(module));
      rebuilds.push(planRebuild(context, outlook));
    }
    if (rebuilds.length === 0 && lacking.length === bootable.length) throw noKernel(lacking, warnings);
    if (rebuilds.length === 0 || builder === undefined) return { changes: [], warnings };
    const prepared = await builder.prepare(guest, [...wanted], warnings);
    return { changes: [...prepared, ...rebuilds], warnings };
  },
};

function rootIsMapped({ root }: GuestFacts): boolean {
  return root !== undefined && !/^\/dev\/[sv]d[a-z]+\d*$/.test(root.device);
}

interface Rebuild {
  kind: 'rebuild';
  kernel: Kernel;
  initramfs: string;
  modules: string[];
  builder: InitramfsBuilder;
}

/** Whether the guest can make a better initramfs for this kernel, and with which modules. */
async function judge(
  guest: Guestfs,
  kernel: Kernel,
  builder: InitramfsBuilder | undefined,
): Promise<Rebuild | { kind: 'hopeless'; reason: string }> {
  const hopeless = (reason: string) => ({ kind: 'hopeless' as const, reason });
  // The version becomes an argument and part of a pattern.
  if (!/^[A-Za-z0-9][A-Za-z0-9._+~-]{0,127}$/.test(kernel.version))
    return hopeless('its version is no version');
  if (kernel.initramfs === undefined) return hopeless('it has no initramfs and no virtio drivers built in');
  if (builder === undefined) return hopeless('the guest has no program to make an initramfs with');
  const modules: string[] = [];
  for (const { module, dir, has, needed } of drivers) {
    if (has(kernel)) continue;
    const found = await guest.glob(`/lib/modules/${kernel.version}/kernel/${dir}/${module}.ko*`);
    if (found.length > 0) modules.push(module);
    else if (needed) return hopeless(`its module ${module} is not installed`);
  }
  return { kind: 'rebuild', kernel, initramfs: kernel.initramfs, modules, builder };
}

function planRebuild(context: FixContext, rebuild: Rebuild): PlannedChange {
  return {
    path: rebuild.initramfs,
    what: `Rebuilt by ${rebuild.builder.program} with ${rebuild.modules.join(', ') || `the new ${copiedFile}`}.`,
    apply: (guest) => replaceInitramfs(context, guest, rebuild),
  };
}

/** The old initramfs stays in place until the new one is whole and was seen to hold the drivers. */
async function replaceInitramfs(context: FixContext, guest: Guestfs, rebuild: Rebuild): Promise<void> {
  const { kernel, initramfs, modules, builder } = rebuild;
  const output = `${initramfs}.longhaul`;
  const old = await guest.stat(initramfs);
  await requireSpace(guest, initramfs, old.sizeBytes);
  await guest.rmF(output);
  const started = performance.now();
  const say = () =>
    context.report(
      `rebuilding the initramfs of ${kernel.version} (${Math.round((performance.now() - started) / 1000)} s)`,
    );
  say();
  const heartbeat = setInterval(say, progressMs);
  try {
    await builder.build(guest, { kernel, output, modules, timeoutMs: buildTimeoutMs });
    await requireDrivers(context, guest, output, rebuild);
    await guest.chmod(old.mode & 0o7777, output);
    await guest.chown(old.uid, old.gid, output);
    await guest.mv(output, initramfs);
  } catch (error) {
    await guest.rmF(output).catch(() => undefined);
    throw error;
  } finally {
    clearInterval(heartbeat);
  }
}

/** Reads the new image as the inspector reads any: by its contents, not by the builder's word. */
async function requireDrivers(
  context: FixContext,
  guest: Guestfs,
  output: string,
  rebuild: Rebuild,
): Promise<void> {
  const { kernel, modules, builder } = rebuild;
  const dir = await mkdtemp(join(context.scratchDir, 'initramfs-'));
  try {
    await guest.download(output, join(dir, 'image'));
    const read = await readInitramfsModules(join(dir, 'image'), kernel.version, context.signal);
    const missing = modules.filter((module) => !read.modules.has(module));
    if (missing.length === 0) return;
    throw new LonghaulError('GUEST_FIX_FAILED', {
      found: `the initramfs that ${builder.program} made for ${kernel.version} lacks ${missing.join(', ')}${read.problem === undefined ? '' : ` (${read.problem})`}`,
      remedy: 'Rebuild the initramfs with virtio drivers in the source VM and retry; the old one was kept.',
    });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** The new image lies beside the old one for a moment, and may be larger: other compression, more drivers. */
async function requireSpace(guest: Guestfs, initramfs: string, oldBytes: number): Promise<void> {
  const directory = initramfs.slice(0, initramfs.lastIndexOf('/')) || '/';
  const { blockSize, blocksFree } = await guest.statvfs(directory);
  const neededBytes = Math.ceil(oldBytes * 1.5) + 8 * 1024 * 1024;
  const freeBytes = blockSize * blocksFree;
  if (freeBytes >= neededBytes) return;
  throw new LonghaulError('GUEST_NO_SPACE', {
    found: `${directory} has ${freeBytes} bytes free; a new initramfs beside the old one may need ${neededBytes}`,
    remedy: 'Remove an old kernel in the source VM, or make room there, and retry.',
    details: { directory, freeBytes, neededBytes },
  });
}

function noKernel(lacking: readonly Kernel[], reasons: readonly string[]): LonghaulError {
  return new LonghaulError('GUEST_FIX_FAILED', {
    found: `none of ${lacking.length} bootable kernels would find the root disk. ${reasons.join(' ')}`,
    remedy:
      'Install a kernel with virtio drivers, or the initramfs tool of the distribution, in the source VM.',
    details: { kernels: lacking.map((kernel) => kernel.version) },
  });
}

function show(version: string): string {
  return JSON.stringify(version.slice(0, 80)).slice(1, -1);
}
