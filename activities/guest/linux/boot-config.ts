import { planBootEdit } from './boot-files.ts';
import { readDeviceMap } from './device-map.ts';
import { mentionsMovingDevice } from './device-names.ts';
import type { Fix } from './fix.ts';
import { stableDevices } from './kernel-arguments.ts';
import { reportUnifiedKernels } from './unified-kernels.ts';

/** root= and resume= of the kernel command lines, where they name a device that moves. */
export const bootConfigFix: Fix = {
  id: 'boot-config',
  title: 'Name the root device by UUID for the kernel',
  critical: true,
  applies: (facts) => facts.os === 'linux',
  async plan({ guest, facts }) {
    // UUID= is understood by an initramfs; a kernel that starts without one knows PARTUUID= only.
    const bare = facts.kernels.some((kernel) => kernel.bootable && kernel.initramfs === undefined);
    const plan = await planBootEdit(guest, {
      what: 'The kernel finds its root and resume devices by UUID.',
      variables: /^(GRUB_CMDLINE_(LINUX|XEN)\w*|\w+_APPEND)$/,
      editorFor: async ({ path, text, warnings }) =>
        mentionsMovingDevice(text)
          ? stableDevices(await readDeviceMap(guest, facts), bare ? 'partuuid' : 'uuid', path, warnings)
          : (args) => args,
    });
    if (facts.firmware === 'uefi') plan.warnings.push(...(await reportUnifiedKernels(guest)));
    return plan;
  },
};
