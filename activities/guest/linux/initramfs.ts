import { LonghaulError } from '../../../contracts/errors.ts';
import type { Kernel } from '../../../contracts/values.ts';
import { isGuestfsFailure } from '../guest-errors.ts';
import type { Guestfs } from '../session/guestfs.ts';
import { readDeviceMap } from './device-map.ts';
import type { Fix, FixContext, PlannedChange } from './fix.ts';
import { editInitramfs, requireBuilt } from './initramfs-edit.ts';
import { outdatesInitramfs, stableTexts, type TextEditor } from './initramfs-texts.ts';
import { findBuilder, type InitramfsBuilder } from './initramfs-tools.ts';
import { driversNowhere, findsRoot, isPlainVersion, moduleTable } from './kernel-drivers.ts';

/** Under emulation a large initramfs takes ten minutes, and hosts are shared. */
const buildTimeoutMs = 60 * 60_000;
const unpackedFiles = 2000;
const progressMs = 5_000;

/** In the order in which they are asked for; virtio_scsi is for those who change the bus later. */
const drivers = [
  { module: 'virtio_pci', has: (kernel: Kernel) => kernel.virtio.pci },
  { module: 'virtio_blk', has: (kernel: Kernel) => kernel.virtio.blk },
  { module: 'virtio_scsi', has: (kernel: Kernel) => kernel.virtio.scsi },
];

/** Virtio in the initramfs of every kernel that can be booted; those that have it are not touched. */
export const initramfsFix: Fix = {
  id: 'initramfs',
  title: 'Virtio drivers in the initramfs',
  critical: true,
  applies: (facts) => facts.os === 'linux',
  async plan(context) {
    const { guest, facts } = context;
    const warnings: string[] = [];
    const stale = context.earlier.filter(outdatesInitramfs).map(({ path }) => path);
    const kernels = facts.kernels.filter(
      (kernel) =>
        kernel.bootable &&
        (!findsRoot(kernel, context.diskBus) || (stale.length > 0 && kernel.initramfs !== undefined)),
    );
    if (kernels.length === 0) return { changes: [], warnings };

    const builder = await findBuilder(guest, facts.initramfsTool);
    const renewals: PlannedChange[] = [];
    const wanted = new Set<string>();
    for (const kernel of kernels) {
      const outlook = await judge(context, kernel, builder, stale);
      if (outlook.kind === 'hopeless') {
        warnings.push(`Kernel ${show(kernel.version)} would not find its root disk: ${outlook.reason}.`);
        continue;
      }
      outlook.modules.forEach((module) => wanted.add(module));
      renewals.push(planRenewal(context, outlook));
    }
    const prepared =
      wanted.size > 0 && builder !== undefined ? await builder.prepare(guest, [...wanted], warnings) : [];
    return { changes: [...prepared, ...renewals], warnings };
  },
};

interface Renewal {
  kind: 'renewal';
  kernel: Kernel;
  initramfs: string;
  /** Modules it lacks; empty when only its copies of files are old. */
  modules: string[];
  /** Files whose copies in it are old. */
  stale: string[];
  builder: InitramfsBuilder | undefined;
}

/** Whether this kernel can get a better initramfs, and with which modules. */
async function judge(
  { guest, diskBus }: FixContext,
  kernel: Kernel,
  builder: InitramfsBuilder | undefined,
  stale: string[],
): Promise<Renewal | { kind: 'hopeless'; reason: string }> {
  const hopeless = (reason: string) => ({ kind: 'hopeless' as const, reason });
  if (!isPlainVersion(kernel.version)) return hopeless('its version is no version');
  if (kernel.initramfs === undefined) return hopeless('it has no initramfs and no virtio drivers built in');
  const renewal = { kind: 'renewal' as const, kernel, initramfs: kernel.initramfs, stale, builder };
  if (findsRoot(kernel, diskBus)) return { ...renewal, modules: [] };
  const nowhere = await driversNowhere(guest, kernel, diskBus);
  if (nowhere.length > 0) return hopeless(`its modules ${nowhere.join(', ')} are not installed`);
  if (builder === undefined) return hopeless('the guest has no program to make an initramfs with');
  const table = await moduleTable(guest, kernel.version);
  const modules = drivers.filter(({ module, has }) => !has(kernel) && table.has(module));
  return { ...renewal, modules: modules.map(({ module }) => module) };
}

function planRenewal(context: FixContext, renewal: Renewal): PlannedChange {
  const { initramfs, modules, stale } = renewal;
  const gets = modules.length > 0 ? `It gets ${modules.join(', ')} and what they need.` : '';
  const copies = stale.length > 0 ? `Its copies of ${stale.join(', ')} are renewed, where it has any.` : '';
  return {
    path: initramfs,
    what: [gets, copies].filter((part) => part !== '').join(' '),
    apply: (guest) => renew(context, guest, renewal),
  };
}

/** The old initramfs stays in place until the new one is whole and was seen to hold the drivers. */
async function renew(context: FixContext, guest: Guestfs, renewal: Renewal): Promise<void> {
  const { kernel, initramfs, modules, stale } = renewal;
  const output = `${initramfs}.longhaul`;
  const old = await guest.stat(initramfs);
  await requireSpace(guest, initramfs, old.sizeBytes);
  await guest.rmF(output);
  const editText: TextEditor =
    stale.length > 0
      ? stableTexts(await readDeviceMap(guest, context.facts), context.diskBus)
      : (_name, text) => text;
  const stop = sayProgress(context, `renewing the initramfs of ${kernel.version}`);
  try {
    const job = { kernel, initramfs, output, modules, editText };
    const edited = await editInitramfs(context, guest, job);
    if (edited.kind === 'same') return;
    if (edited.kind === 'unable') {
      context.log.info({ initramfs, reason: edited.reason }, "an initramfs is left to the guest's own tool");
      if (!(await build(context, guest, { ...renewal, output, whyNotEdited: edited.reason }))) return;
    }
    await guest.chmod(old.mode & 0o7777, output);
    await guest.chown(old.uid, old.gid, output);
    await guest.mv(output, initramfs);
  } catch (error) {
    await guest.rmF(output).catch(() => undefined);
    throw error;
  } finally {
    stop();
  }
}

/** False when there is nothing to build with, and nothing that would keep the guest from booting. */
async function build(
  context: FixContext,
  guest: Guestfs,
  renewal: Renewal & { output: string; whyNotEdited: string },
): Promise<boolean> {
  const { builder, kernel, modules, stale, output, whyNotEdited } = renewal;
  if (builder === undefined) {
    if (modules.length === 0) return false;
    throw new LonghaulError('GUEST_INITRAMFS_TOOL_MISSING', {
      found: `${renewal.initramfs} lacks ${modules.join(', ')} and the guest has no program to make it anew`,
      remedy: 'Rebuild the initramfs with virtio drivers in the source VM and retry.',
    });
  }
  // A swap to resume from that is not found delays the boot; building under emulation takes many minutes.
  if (modules.length === 0 && stale.every((path) => path.endsWith('/resume'))) return false;
  await requireRoomToUnpack(guest, renewal.initramfs);
  try {
    await builder.build(guest, { kernel, output, modules, timeoutMs: buildTimeoutMs });
  } catch (error) {
    if (!isGuestfsFailure(error)) throw error;
    const lacks =
      modules.length > 0 ? `lacks ${modules.join(', ')}` : `has old copies of ${stale.join(', ')}`;
    const hand = builder.byHand(kernel, modules.length > 0 ? modules : ['virtio_pci', 'virtio_blk']);
    throw new LonghaulError(
      'GUEST_FIX_FAILED',
      {
        found: `${renewal.initramfs} ${lacks}; it could not be edited (${whyNotEdited}), and making it anew failed: ${error.found}`,
        remedy: `In the running source VM ${hand}; then retry with fresh copies of its disks.`,
      },
      error,
    );
  }
  await requireBuilt(context, guest, renewal, builder.program);
  return true;
}

function sayProgress(context: FixContext, doing: string): () => void {
  const started = performance.now();
  const say = () => context.report(`${doing} (${Math.round((performance.now() - started) / 1000)} s)`);
  say();
  const heartbeat = setInterval(say, progressMs);
  return () => clearInterval(heartbeat);
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

/** The guest's own programs put an image together from its unpacked contents. */
async function requireRoomToUnpack(guest: Guestfs, initramfs: string): Promise<void> {
  const directory = '/var/tmp';
  if (!(await guest.isDir(directory))) return;
  const { blockSize, blocksFree, files, filesFree } = await guest.statvfs(directory);
  const neededBytes = (await guest.stat(initramfs)).sizeBytes * 4;
  const freeBytes = blockSize * blocksFree;
  // File systems that make inodes as they go count none.
  const fewInodes = files > 0 && filesFree < unpackedFiles;
  if (freeBytes >= neededBytes && !fewInodes) return;
  throw new LonghaulError('GUEST_NO_SPACE', {
    found: `${directory} has ${freeBytes} bytes and ${filesFree} inodes free; to make an initramfs with the guest's own program may take ${neededBytes} bytes and ${unpackedFiles} inodes`,
    remedy: 'Make room there in the source VM, and retry.',
    details: { directory, freeBytes, neededBytes, freeInodes: filesFree, neededInodes: unpackedFiles },
  });
}

function show(version: string): string {
  return JSON.stringify(version.slice(0, 80)).slice(1, -1);
}
