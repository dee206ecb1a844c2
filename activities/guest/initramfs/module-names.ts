import { imageParts, readImage } from './archives.ts';
import { MalformedArchive } from '../../host/byte-reader.ts';
import { cpioEntries } from './cpio.ts';

const maxModules = 50_000;
const moduleFile = /(?:^|\/)lib\/modules\/([^/]+)\/(?:.*\/)?([^/]{1,128})\.ko(?:\.(?:gz|xz|zst|lz4|bz2))?$/;

export interface InitramfsModules {
  /** Names as in modprobe(8), with underscores, of the modules for the asked kernel. */
  modules: Set<string>;
  /** Why reading stopped before the end; what was found until then is kept. */
  problem?: string;
}

/**
 * Lists the kernel modules in an initramfs: any sequence of cpio archives, plain (microcode, Ubuntu's
 * modules) or compressed. The file is hostile: memory, output and time are bounded, and damage is a
 * `problem`, not an error.
 */
export async function readInitramfsModules(
  path: string,
  kernelVersion: string,
  signal: AbortSignal,
): Promise<InitramfsModules> {
  const modules = new Set<string>();
  const onName = (name: string) => {
    const [, version, module] = moduleFile.exec(name) ?? [];
    if (module === undefined || version !== kernelVersion || modules.size >= maxModules) return;
    modules.add(moduleName(module));
  };
  try {
    await readImage(path, signal, async (reader, limited) => {
      for await (const part of imageParts(reader, limited, true)) {
        if (part.kind !== 'archive') continue;
        for await (const { name } of cpioEntries(part.reader)) onName(name);
      }
    });
    return { modules };
  } catch (error) {
    if (error instanceof MalformedArchive) return { modules, problem: error.message };
    throw error;
  }
}

/** Modules are files with dashes or underscores; the kernel knows them with underscores. */
export function moduleName(fileName: string): string {
  return fileName.replaceAll('-', '_');
}
