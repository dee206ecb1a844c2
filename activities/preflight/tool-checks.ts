import { access, constants } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { delimiter, join } from 'node:path';
import { LonghaulError } from '../../contracts/errors.ts';
import { baseEnv } from '../host/tool.ts';
import { WorkDir } from '../host/work-dir.ts';
import { blocker, warning } from '../../contracts/findings.ts';
import type { Check } from './check.ts';
import { hostTools } from './tools.ts';

/** What was placed here goes on, and so does what has begun: its preflight may be made again. */
export const checkDrained: Check = async ({ run, spec, deps }) => {
  const { hostId, stateDir } = deps.host;
  if (!deps.isDrained() || spec.target.host === 'any') return [];
  if (await isInPlace(new WorkDir(stateDir, run).root)) return [];
  return [
    blocker(
      'HOST_DRAINED',
      `the spec names ${hostId}, which is drained`,
      `Name another host (longhaul reassign), or let it take VMs again (longhaul host undrain ${hostId}) and retry.`,
    ),
  ];
};

const isInPlace = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

export const checkTools: Check = async () => {
  const needed = hostTools.filter(({ always }) => always);
  const present = await Promise.all(needed.map(({ program }) => isInstalled(program)));
  const missing = needed.filter((_, index) => !present[index]);
  if (missing.length === 0) return [];
  const packages = [...new Set(missing.map((tool) => tool.package))].join(' ');
  return [
    blocker(
      'TOOL_MISSING',
      `${missing.map(({ program }) => program).join(', ')}: not installed on this host`,
      `Run: apt-get install ${packages}. "longhaul doctor" tells more.`,
    ),
  ];
};

async function isInstalled(program: string): Promise<boolean> {
  for (const directory of baseEnv.PATH.split(delimiter)) {
    try {
      await access(join(directory, program), constants.X_OK);
      return true;
    } catch {
      // not in this one
    }
  }
  return false;
}

export const checkAccelerator: Check = async ({ spec, accelerator, deps }) => {
  const wanted = spec.target.accelerator;
  if (wanted === 'kvm' && (await deps.host.accelerator()) !== 'kvm') {
    return [
      blocker(
        'ACCELERATION_UNAVAILABLE',
        'the spec asks for kvm, and no kernel boots under KVM on this host',
        'Set target.accelerator to auto or tcg, or choose another host; "longhaul doctor" says what is wrong with KVM here.',
      ),
    ];
  }
  if (wanted === 'auto' && accelerator === 'tcg') {
    return [
      warning(
        'emulation',
        'KVM cannot be used on this host: the guest will be emulated and many times slower',
        'Choose a host with KVM, or set target.accelerator to tcg if this is meant.',
      ),
    ];
  }
  return [];
};

export const checkCapacity: Check = ({ spec, vm }) => {
  const hostCpus = availableParallelism();
  const hostMiB = Math.floor(totalmem() / 2 ** 20);
  const cpus = spec.target.cpus ?? vm.cpus ?? 0;
  const memoryMiB = spec.target.memoryMiB ?? vm.memoryMiB ?? 0;
  const findings = [];
  if (cpus > hostCpus) {
    findings.push(
      warning(
        'cpus-exceed-host',
        `the VM has ${cpus} CPUs, this host ${hostCpus}`,
        'Set target.cpus, or choose a larger host.',
      ),
    );
  }
  if (memoryMiB > hostMiB) {
    findings.push(
      warning(
        'memory-exceeds-host',
        `the VM has ${memoryMiB} MiB of memory, this host ${hostMiB} MiB`,
        'Set target.memoryMiB, or choose a larger host: the VM would not start here.',
      ),
    );
  }
  return findings;
};

export const checkSecrets: Check = async ({ spec, deps }) => {
  const findings = [];
  for (const { device, key, keyFile } of spec.guest.luksKeys) {
    const reference = key ?? keyFile;
    // Clevis keys are nowhere on this host.
    if (reference === undefined) continue;
    try {
      (await deps.resolveSecret(reference, keyFile === undefined ? 'line' : 'bytes')).fill(0);
    } catch (error) {
      const reason = error instanceof LonghaulError ? error.found : 'it cannot be resolved';
      findings.push(
        blocker(
          'SECRET_UNRESOLVED',
          `the LUKS key of ${device}, ${reason}`,
          'Make it available to the worker on this host, or correct guest.luksKeys: a file the worker may read, a variable of its service, or a systemd credential.',
        ),
      );
    }
  }
  return findings;
};
