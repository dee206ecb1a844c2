import { isGuestfsFailure } from '../guest-errors.ts';
import type { Guestfs } from '../session/guestfs.ts';
import { mentionsMovingDevice } from './device-names.ts';

const pattern = '/{efi,boot/efi,boot}/EFI/Linux/*.[Ee][Ff][Ii]';
const maxImages = 16;
const headBytes = 4096;
const maxCommandLineBytes = 4096;
const maxSections = 64;

/**
 * Unified kernel images carry their command line and initramfs inside, often signed: what is wrong in there
 * only the guest can mend. Says so for those whose command line names a device that moves.
 */
export async function reportUnifiedKernels(guest: Guestfs): Promise<string[]> {
  const warnings: string[] = [];
  for (const path of (await guest.glob(pattern)).slice(0, maxImages)) {
    try {
      const section = findSection(await guest.readPart(path, headBytes, 0), '.cmdline');
      if (section === undefined) continue;
      const bytes = Math.min(section.sizeBytes, maxCommandLineBytes);
      const text = (await guest.readPart(path, bytes, section.offset))
        .toString('latin1')
        .replace(/\0[^]*$/, '');
      const devices = text.split(/\s+/).filter((word) => mentionsMovingDevice(word));
      if (devices.length === 0) continue;
      warnings.push(
        `${path} has ${devices.join(' ').slice(0, 200)} built into it, which cannot be changed from outside and may name nothing on the new hypervisor.`,
      );
    } catch (error) {
      if (!isGuestfsFailure(error) && !(error instanceof RangeError)) throw error;
      warnings.push(`${path} could not be read.`);
    }
  }
  return warnings;
}

/** Where a section of a PE image lies in the file; PE format specification, "Section Table". */
export function findSection(head: Buffer, name: string): { offset: number; sizeBytes: number } | undefined {
  if (head.toString('latin1', 0, 2) !== 'MZ') return undefined;
  const header = head.readUInt32LE(0x3c);
  if (head.toString('latin1', header, header + 4) !== 'PE\0\0') return undefined;
  const count = Math.min(head.readUInt16LE(header + 6), maxSections);
  const table = header + 24 + head.readUInt16LE(header + 20);
  for (let at = table; at < table + count * 40; at += 40) {
    if (head.toString('latin1', at, at + 8).replace(/\0+$/, '') !== name) continue;
    return { offset: head.readUInt32LE(at + 20), sizeBytes: head.readUInt32LE(at + 8) };
  }
  return undefined;
}
