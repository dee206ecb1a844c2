import { readFileSync } from 'node:fs';

/** Resident memory of this process, in bytes. */
export const residentBytes = (): number => statusBytes('VmRSS');

/** The most that it ever had. */
export const peakResidentBytes = (): number => statusBytes('VmHWM');

/** proc(5), `/proc/self/status`, which is in units of 1024 bytes. */
function statusBytes(key: string): number {
  const status = readFileSync('/proc/self/status', 'utf8');
  return Number(new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024;
}
