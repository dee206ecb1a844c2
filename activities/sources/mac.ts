import { createHash } from 'node:crypto';

/**
 * A MAC address in QEMU's range 52:54:00, the same each time for one NIC of one VM, so that a repeated
 * migration gives the same machine.
 *
 * @param index Of the NIC, from 0.
 */
export function generatedMac(vmName: string, index: number): string {
  const digest = createHash('sha256').update(`${vmName}\0${index}`).digest();
  const tail = [...digest.subarray(0, 3)].map((byte) => byte.toString(16).padStart(2, '0'));
  return ['52', '54', '00', ...tail].join(':');
}
