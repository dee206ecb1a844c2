/** A cpio archive in newc format with the given files, as an initramfs has it. */
export function cpioArchive(files: Readonly<Record<string, string | Buffer>>): Buffer {
  const entries = Object.entries(files).map(([name, content]) => entry(name, Buffer.from(content)));
  return Buffer.concat([...entries, entry('TRAILER!!!', Buffer.alloc(0))]);
}

/** An archive with one empty file for each module, at its usual place. */
export function moduleArchive(version: string, modules: readonly string[]): Buffer {
  const files = modules.map((name) => [`usr/lib/modules/${version}/kernel/drivers/${name}.ko`, 'ELF']);
  return cpioArchive(Object.fromEntries([['init', '#!/bin/sh\n'], ...files]) as Record<string, string>);
}

function entry(name: string, content: Buffer): Buffer {
  const hex = (value: number) => value.toString(16).padStart(8, '0');
  const fields = [1, 0o100644, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0];
  const head = Buffer.from(`070701${fields.map(hex).join('')}${name}\0`);
  return Buffer.concat([padded(head), padded(content)]);
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}
