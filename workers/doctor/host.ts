import { access, constants } from 'node:fs/promises';
import { probeAcceleration } from '../../activities/host/acceleration.ts';
import { describeBytes, freeSpace } from '../../activities/host/space.ts';
import type { Log } from '../../activities/host/step-io.ts';
import type { WorkerOptions } from '../options.ts';
import { type Examination, failed, ok, warning } from './check.ts';

/** Who we are: libvirt's system instance takes root and the members of its group. */
export const userExamination: Examination = {
  name: 'permissions',
  examine() {
    const uid = process.getuid?.() ?? -1;
    if (uid === 0) return Promise.resolve(ok('root'));
    return Promise.resolve(
      warning(
        `user id ${uid}, not root: target directories and libvirt must be open to it`,
        'Run as root, or add the user to the groups libvirt and kvm: adduser USER libvirt; adduser USER kvm',
      ),
    );
  },
};

const quiet: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/**
 * Whether KVM runs a stock kernel here, found out by running one: that /dev/kvm opens proves little. The answer
 * is remembered in the state directory, as a worker's is.
 */
export function accelerationExamination(
  options: Pick<WorkerOptions, 'acceleration' | 'stateDir'>,
  kvmDevice = '/dev/kvm',
): Examination {
  return {
    name: 'acceleration',
    async examine() {
      if (options.acceleration !== 'auto') return ok(`${options.acceleration}, as configured`);
      const { accelerator, reason } = await probeAcceleration({
        stateDir: options.stateDir,
        signal: new AbortController().signal,
        log: quiet,
        kvmDevice,
      });
      if (accelerator === 'kvm') return ok(`KVM: ${reason}`);
      return warning(
        `emulation only, many times slower: ${reason}`,
        'Switch on virtualisation in the firmware (or nesting in the hypervisor), load kvm_intel or kvm_amd, and add the user to the group kvm.',
      );
    },
  };
}

/** OVMF of Debian's package ovmf, which UEFI guests boot with. */
export function firmwareExamination(directory = '/usr/share/OVMF'): Examination {
  return {
    name: 'UEFI firmware',
    async examine() {
      for (const name of ['OVMF_CODE_4M.fd', 'OVMF_CODE.fd']) {
        const path = `${directory}/${name}`;
        if (
          await access(path, constants.R_OK).then(
            () => true,
            () => false,
          )
        )
          return ok(path);
      }
      return failed(`no OVMF_CODE*.fd in ${directory}`, 'Install it: apt-get install ovmf');
    },
  };
}

/** Warns below `wantedBytes`; a migration itself is measured by preflight. */
export function spaceExamination(name: string, path: string, wantedBytes: number): Examination {
  return {
    name,
    async examine() {
      const { freeBytes, totalBytes } = await freeSpace(path);
      const found = `${describeBytes(freeBytes)} free of ${describeBytes(totalBytes)} at ${path}`;
      return freeBytes >= wantedBytes
        ? ok(found)
        : warning(found, `Make room: at least ${describeBytes(wantedBytes)} are wanted here.`);
    },
  };
}
