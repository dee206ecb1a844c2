import { access, constants } from 'node:fs/promises';
import { describeBytes, freeSpace } from '../../activities/host/space.ts';
import { messageOf } from '../../contracts/errors.ts';
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

export const kvmDeviceExamination: Examination = {
  name: '/dev/kvm',
  async examine() {
    try {
      await access('/dev/kvm', constants.R_OK | constants.W_OK);
      return ok('can be opened');
    } catch (error) {
      return warning(
        `cannot be used, so guests are emulated and many times slower: ${messageOf(error)}`,
        'Switch on virtualisation in the firmware (or nesting in the hypervisor), load kvm_intel or kvm_amd, and add the user to the group kvm.',
      );
    }
  },
};

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
