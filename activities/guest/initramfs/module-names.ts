import { createReadStream } from 'node:fs';
import { ByteReader, MalformedArchive } from './byte-reader.ts';
import { isCpio, readCpioNames } from './cpio.ts';
import { compressionOf, decompress, magicBytes } from './decompress.ts';

/** A real initramfs with firmware for everything unpacks to some 300 MiB. */
const maxUnpackedBytes = 2 * 1024 * 1024 * 1024;
const wallMs = 180_000;
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
  const limited = AbortSignal.any([signal, AbortSignal.timeout(wallMs)]);
  const file = createReadStream(path, { highWaterMark: 256 * 1024 });
  try {
    await readArchives(new ByteReader(file, maxUnpackedBytes), onName, limited, true);
    return { modules };
  } catch (error) {
    signal.throwIfAborted();
    if (limited.aborted) return { modules, problem: `it took more than ${wallMs / 1000} s to read` };
    if (error instanceof MalformedArchive) return { modules, problem: error.message };
    throw error;
  } finally {
    file.destroy();
  }
}

/** Modules are files with dashes or underscores; the kernel knows them with underscores. */
export function moduleName(fileName: string): string {
  return fileName.replaceAll('-', '_');
}

/** @param mayExpand false inside a compressed part: the kernel does not look for a second layer either. */
async function readArchives(
  reader: ByteReader,
  onName: (name: string) => void,
  signal: AbortSignal,
  mayExpand: boolean,
): Promise<void> {
  let archives = 0;
  while (await reader.skipZeros()) {
    signal.throwIfAborted();
    const magic = await reader.peek(magicBytes);
    const compression = mayExpand ? compressionOf(magic) : undefined;
    if (isCpio(magic)) {
      await readCpioNames(reader, onName);
    } else if (compression !== undefined) {
      const unpacked = new ByteReader(decompress(compression, reader.rest(), signal), maxUnpackedBytes);
      try {
        await readArchives(unpacked, onName, signal, false);
      } finally {
        await unpacked.close();
      }
      return;
    } else if (archives === 0) {
      throw new MalformedArchive('it is neither a cpio archive nor compressed in a known way');
    } else {
      // The kernel ignores what follows the last archive.
      return;
    }
    archives++;
  }
  if (archives === 0) throw new MalformedArchive('it holds nothing');
}
