import { open, readFile } from 'node:fs/promises';
import { run } from './run.ts';

const sectorBytes = 512;
/** boot.S: where the boot sector skips a check that only floppies need; grub-install puts two NOPs there. */
const driveCheckOffset = 0x66;
const partitionTableOffset = 440;

/**
 * Makes a disk with an MBR boot with GRUB under BIOS: boot.img in the first sector, the core image in the gap
 * after it, where boot.img and grub-mkimage expect it unless told otherwise.
 *
 * @param modulesDir GRUB's i386-pc modules: the host's, or those in the guest
 * @param prefix where grub.cfg lies, for example `(,msdos1)/boot/grub`
 * @param gapBytes where the first partition starts
 */
export async function installBiosGrub(
  disk: string,
  modulesDir: string,
  prefix: string,
  modules: readonly string[],
  gapBytes: number,
): Promise<void> {
  const coreFile = `${disk}.core`;
  await run('grub-mkimage', ['-O', 'i386-pc', '-d', modulesDir, '-p', prefix, '-o', coreFile, ...modules]);
  const core = await readFile(coreFile);
  await run('rm', [coreFile]);
  await writeBiosGrub(disk, await readFile(`${modulesDir}/boot.img`), core, gapBytes);
}

/** Writes GRUB's boot.img and a core image made for it in front of the first partition. */
export async function writeBiosGrub(
  disk: string,
  bootImage: Buffer,
  core: Buffer,
  gapBytes: number,
): Promise<void> {
  if (sectorBytes + core.length > gapBytes) {
    throw new Error(`GRUB's core image has ${core.length} bytes, the gap after the MBR ${gapBytes}`);
  }
  const boot = Buffer.from(bootImage.subarray(0, partitionTableOffset));
  boot.fill(0x90, driveCheckOffset, driveCheckOffset + 2);
  const file = await open(disk, 'r+');
  await file.write(boot, 0, boot.length, 0);
  await file.write(core, 0, core.length, sectorBytes);
  await file.close();
}
