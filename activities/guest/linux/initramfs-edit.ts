import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LonghaulError } from '../../../contracts/errors.ts';
import type { Kernel } from '../../../contracts/values.ts';
import { isGuestfsFailure } from '../guest-errors.ts';
import { addModules, isModuleIndex, type AddedModule } from '../initramfs/add-modules.ts';
import { MalformedArchive } from '../../host/byte-reader.ts';
import { rewriteImage, surveyImage, type ImageSurvey } from '../initramfs/image.ts';
import { readInitramfsModules } from '../initramfs/module-names.ts';
import { aliasesOf, withDependencies } from '../initramfs/module-table.ts';
import type { Guestfs } from '../session/guestfs.ts';
import type { FixContext } from './fix.ts';
import { isInitramfsText, type TextEditor } from './initramfs-texts.ts';
import { moduleTable } from './kernel-drivers.ts';

/** Network drivers of other hypervisors: an initramfs that has one wants its network before the root disk. */
const otherCards = [
  'vmxnet3',
  'e1000',
  'e1000e',
  'hv_netvsc',
  'xen_netfront',
  'ena',
  'ixgbevf',
  'gve',
  'pcnet32',
];
const maxImageBytes = 512 * 1024 * 1024;
const maxModuleBytes = 4 * 1024 * 1024;
const maxAliasBytes = 8 * 1024 * 1024;

export interface ImageJob {
  kernel: Kernel;
  /** Path of the image in the guest. */
  initramfs: string;
  /** Where the new one is written in the guest; nothing is there yet. */
  output: string;
  /** Modules that must be in it. */
  modules: readonly string[];
  /** Edits the image's copies of configuration files. */
  editText: TextEditor;
}

export type EditResult =
  | { kind: 'written' }
  /** The image needs nothing of this. */
  | { kind: 'same' }
  /** It cannot be done in this way; the guest's own tool may be able to. */
  | { kind: 'unable'; reason: string };

/**
 * Puts modules into a copy of an initramfs, on the host, where it takes seconds. The image stays what the
 * guest's tool made of it, to which come the modules, what they depend on and their entries in the indexes
 * that modprobe reads: the same as if the tool had been told of them.
 */
export async function editInitramfs(context: FixContext, guest: Guestfs, job: ImageJob): Promise<EditResult> {
  const dir = await mkdtemp(join(context.scratchDir, 'initramfs-'));
  const [old, fresh] = [join(dir, 'old'), join(dir, 'new')];
  const { version } = job.kernel;
  try {
    await guest.download(job.initramfs, old, maxImageBytes);
    const keep = (name: string) => isModuleIndex(name, version) || isInitramfsText(name);
    const survey = await surveyImage(old, keep, context.signal);
    const edit = await planEdit(guest, job, survey);
    if (edit.files.size === 0) return { kind: 'same' };
    await rewriteImage(old, fresh, { ...edit, survey }, context.signal);
    await requireModules(fresh, job, context.signal);
    await guest.upload(fresh, job.output);
    return { kind: 'written' };
  } catch (error) {
    if (error instanceof MalformedArchive) return { kind: 'unable', reason: error.message };
    throw error;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function planEdit(
  guest: Guestfs,
  { kernel, modules, editText }: ImageJob,
  survey: ImageSurvey,
): Promise<{ files: Map<string, Buffer>; beside: string }> {
  const { files, beside } =
    modules.length === 0
      ? { files: new Map<string, Buffer>(), beside: '' }
      : addModules(survey, kernel.version, await readModules(guest, kernel.version, wanted(modules, survey)));
  for (const [name, content] of survey.files) {
    if (!isInitramfsText(name)) continue;
    const edited = Buffer.from(editText(name, content.toString('latin1')), 'latin1');
    if (!edited.equals(content)) files.set(name, edited);
  }
  return { files, beside };
}

function wanted(modules: readonly string[], survey: ImageSurvey): string[] {
  const cards = otherCards.map((card) => new RegExp(`/${card.replaceAll('_', '[_-]')}\\.ko(\\.\\w+)?$`));
  const early = [...survey.names].some((name) => cards.some((card) => card.test(name)));
  return early ? [...modules, 'virtio_net'] : [...modules];
}

/** The modules and what they depend on, from the guest's disk. */
async function readModules(guest: Guestfs, version: string, names: string[]): Promise<AddedModule[]> {
  const folder = `/lib/modules/${version}`;
  const all = withDependencies(names, await moduleTable(guest, version));
  try {
    const text = await guest.readFile(`${folder}/modules.alias`, maxAliasBytes);
    const aliases = Map.groupBy(aliasesOf(text.toString('latin1'), new Set(all.keys())), ([, name]) => name);
    const found: AddedModule[] = [];
    for (const [name, { path, dependencies }] of all) {
      const content = await guest.readFile(`${folder}/${path}`, maxModuleBytes);
      found.push({
        name,
        path,
        dependencies,
        aliases: (aliases.get(name) ?? []).map(([alias]) => alias),
        content,
      });
    }
    return found;
  } catch (error) {
    if (!isGuestfsFailure(error)) throw error;
    throw new MalformedArchive(error.found);
  }
}

/** Reads the new image as the inspector reads any: by its contents, not by what was meant. */
async function requireModules(image: string, job: ImageJob, signal: AbortSignal): Promise<void> {
  const read = await readInitramfsModules(image, job.kernel.version, signal);
  const missing = job.modules.filter((module) => !read.modules.has(module));
  if (read.problem !== undefined) throw new MalformedArchive(read.problem);
  if (missing.length > 0) throw new MalformedArchive(`${missing.join(', ')} did not get into it`);
}

/** The same for an image that the guest's tool made. */
export async function requireBuilt(
  context: FixContext,
  guest: Guestfs,
  job: Omit<ImageJob, 'editText'>,
  program: string,
): Promise<void> {
  const dir = await mkdtemp(join(context.scratchDir, 'initramfs-'));
  const { kernel, output, modules } = job;
  try {
    await guest.download(output, join(dir, 'image'), maxImageBytes);
    const read = await readInitramfsModules(join(dir, 'image'), kernel.version, context.signal);
    const missing = modules.filter((module) => !read.modules.has(module));
    if (missing.length === 0) return;
    throw new LonghaulError('GUEST_FIX_FAILED', {
      found: `the initramfs that ${program} made for ${kernel.version} lacks ${missing.join(', ')}${read.problem === undefined ? '' : ` (${read.problem})`}`,
      remedy: 'Rebuild the initramfs with virtio drivers in the source VM and retry; the old one was kept.',
    });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
