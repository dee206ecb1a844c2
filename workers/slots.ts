import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../contracts/errors.ts';

const gibibyte = 1024 ** 3;
/** What one migration may need at its peak: an appliance, or a boot check, with its qemu. */
const slotBytes = 2 * gibibyte;

/** Memory of the host in bytes; `cgroupBytes` is absent without a limit. */
export interface HostMemory {
  availableBytes: number;
  cgroupBytes?: number;
}

/** Migrations a host works on at once: min(configured, available RAM / 2 GiB, cgroup limit / 2 GiB), at least 1. */
export function slotsFor(configured: number, memory: HostMemory): number {
  const bounds = [memory.availableBytes, memory.cgroupBytes ?? Infinity].map((bytes) =>
    Math.floor(bytes / slotBytes),
  );
  return Math.max(1, Math.min(configured, ...bounds));
}

/**
 * Reads MemAvailable of /proc/meminfo (proc(5)) and the tightest memory.max on this process's way up the
 * cgroup v2 tree (cgroups(7)).
 */
export function readHostMemory(procDir = '/proc', cgroupRoot = '/sys/fs/cgroup'): HostMemory {
  const meminfo = readFileSync(join(procDir, 'meminfo'), 'utf8');
  const available = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo)?.[1];
  if (available === undefined) throw new TypeError('/proc/meminfo has no MemAvailable');
  return { availableBytes: Number(available) * 1024, cgroupBytes: cgroupLimit(procDir, cgroupRoot) };
}

function cgroupLimit(procDir: string, cgroupRoot: string): number | undefined {
  const own = /^0::(\/.*)$/m.exec(readOptional(join(procDir, 'self', 'cgroup')) ?? '')?.[1];
  if (own === undefined) return undefined;
  const limits: number[] = [];
  const parts = own.split('/').filter(Boolean);
  for (let depth = parts.length; depth >= 0; depth--) {
    const text = readOptional(join(cgroupRoot, ...parts.slice(0, depth), 'memory.max'))?.trim();
    if (text !== undefined && text !== 'max') limits.push(Number(text));
  }
  return limits.length === 0 ? undefined : Math.min(...limits);
}

function readOptional(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT') || hasErrno(error, 'EACCES')) return undefined;
    throw error;
  }
}
