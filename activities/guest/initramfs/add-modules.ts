import { MalformedArchive } from '../../host/byte-reader.ts';
import type { ImageSurvey } from './image.ts';
import { MalformedIndex, readModuleIndex, writeModuleIndex, type IndexEntry } from './module-index.ts';
import { moduleName } from './module-names.ts';
import { nameOfPath } from './module-table.ts';

/** A module to put into an initramfs. */
export interface AddedModule {
  name: string;
  /** Below /lib/modules/VERSION. */
  path: string;
  /** Paths of the modules it needs, in the order of modules.dep. */
  dependencies: readonly string[];
  /** Device names the kernel asks for it by, for example `virtio:d00000002v*`. */
  aliases: readonly string[];
  content: Buffer;
}

/** Indexes without which modprobe finds nothing, with their texts where an initramfs keeps those. */
const indexFiles = ['modules.dep.bin', 'modules.alias.bin', 'modules.dep', 'modules.alias'];
const udev = /(^|\/)(systemd-udevd|udevd|udevadm)$/;

/** Whether `addModules` needs to know the content of a file of the image. */
export function isModuleIndex(name: string, version: string): boolean {
  return indexFiles.some((file) => name.endsWith(`lib/modules/${version}/${file}`));
}

/** The name, in the image, of the folder of the kernel's modules; undefined when it has no indexes there. */
function moduleFolder(survey: ImageSurvey, version: string): string | undefined {
  const folders = ['', './', '/'].flatMap((start) => [`${start}usr/lib/modules/`, `${start}lib/modules/`]);
  return folders
    .map((folder) => `${folder}${version}`)
    .find((folder) => survey.files.has(`${folder}/modules.dep.bin`));
}

/**
 * The files an initramfs gets so that its udev loads the modules when the devices appear, as the guest's own
 * tool would have put them there: the modules, and its indexes with them entered.
 *
 * @throws MalformedArchive when the image has no indexes, or no udev that would use them
 */
export function addModules(
  survey: ImageSurvey,
  version: string,
  modules: readonly AddedModule[],
): { files: Map<string, Buffer>; beside: string } {
  const folder = moduleFolder(survey, version);
  const index = (file: string) => survey.files.get(`${folder ?? ''}/${file}`);
  const [dep, alias] = [index('modules.dep.bin'), index('modules.alias.bin')];
  if (folder === undefined || dep === undefined || alias === undefined)
    throw new MalformedArchive(`it has no module indexes for ${version}`);
  if (![...survey.names].some((name) => udev.test(name))) throw new MalformedArchive('it has no udev');

  const [dependencies, aliases] = [read(dep), read(alias)];
  const paths = new Map(dependencies.map(({ key, value }) => [key, value.split(':')[0] ?? '']));
  const missing = modules.filter(({ name }) => !paths.has(name));
  missing.forEach(({ name, path }) => paths.set(name, path));
  const inImage = (path: string) => paths.get(nameOfPath(path) ?? '') ?? path;
  const depLines = missing.map(
    (module) => [module.name, [`${module.path}:`, ...module.dependencies.map(inImage)].join(' ')] as const,
  );
  const aliasLines = missing.flatMap((module) => module.aliases.map((text) => [text, module.name] as const));

  const files = new Map(missing.map(({ path, content }) => [`${folder}/${path}`, content]));
  const put = (file: string, content: Buffer) => files.set(`${folder}/${file}`, content);
  put(
    'modules.dep.bin',
    writeModuleIndex([...dependencies, ...depLines.map(([key, value]) => entry(key, value))]),
  );
  put(
    'modules.alias.bin',
    writeModuleIndex([...aliases, ...aliasLines.map(([text, name]) => entry(aliasKey(text), name))]),
  );
  const texts = {
    'modules.dep': depLines.map(([, line]) => line),
    'modules.alias': aliasLines.map(([text, name]) => `alias ${text} ${name}`),
  };
  for (const [file, lines] of Object.entries(texts)) {
    const text = index(file);
    if (text !== undefined)
      put(file, Buffer.concat([text, Buffer.from(lines.map((line) => `${line}\n`).join(''), 'latin1')]));
  }
  return { files, beside: `${folder}/modules.dep.bin` };
}

function entry(key: string, value: string): IndexEntry {
  return { key, value, priority: 0 };
}

function read(index: Buffer): IndexEntry[] {
  try {
    return readModuleIndex(index);
  } catch (error) {
    if (error instanceof MalformedIndex)
      throw new MalformedArchive(`a module index is damaged: ${error.message}`);
    throw error;
  }
}

/** Keys have underscores for dashes, save within brackets: underscores() of kmod. */
function aliasKey(alias: string): string {
  return alias.replace(/\[[^\]]*\]|[^[]+/g, (part) => (part.startsWith('[') ? part : moduleName(part)));
}
