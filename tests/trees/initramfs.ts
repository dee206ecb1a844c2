import { execFileSync } from 'node:child_process';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { cpioArchive } from '../support/cpio-archive.ts';
import type { TreeKernel } from './tree.ts';

/** The kernel takes xz with CRC32 only, and lz4 in its legacy frame: Documentation/staging/xz.rst, lib/decompress_unlz4.c. */
const compressors = {
  none: (archive: Buffer) => archive,
  gzip: (archive: Buffer) => gzipSync(archive),
  zstd: (archive: Buffer) => zstdCompressSync(archive),
  xz: (archive: Buffer) => execFileSync('xz', ['--check=crc32', '-c'], { input: archive }),
  lz4: (archive: Buffer) =>
    execFileSync('lz4', ['-l', '-c'], { input: archive, stdio: ['pipe', 'pipe', 'ignore'] }),
};

/** An initramfs as the distribution's tool packs it: microcode in front, modules at their paths. */
export function initramfsOf(kernel: TreeKernel): Buffer {
  const modules = `${kernel.lib ?? 'usr/lib'}/modules/${kernel.version}/kernel`;
  const files = Object.fromEntries(kernel.modules.map((path) => [`${modules}/${path}`, 'ELF']));
  const main = compressors[kernel.compression](cpioArchive({ init: '#!/bin/sh\n', ...files }));
  if (kernel.microcode !== true) return main;
  const early = cpioArchive({ early_cpio: '1\n', 'kernel/x86/microcode/GenuineIntel.bin': 'microcode' });
  // cpio(1) fills its last block of 512 bytes up with zeros.
  return Buffer.concat([early, Buffer.alloc((512 - (early.length % 512)) % 512), main]);
}
