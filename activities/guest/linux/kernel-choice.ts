import { LonghaulError } from '../../../contracts/errors.ts';
import type { DiskBus } from '../../../contracts/spec.ts';
import type { GuestFacts, Kernel } from '../../../contracts/values.ts';
import type { Guestfs } from '../session/guestfs.ts';
import { planDefaultKernel } from './default-kernel.ts';
import type { Fix } from './fix.ts';
import { findBuilder } from './initramfs-tools.ts';
import { driversNowhere, findsRoot, isPlainVersion } from './kernel-drivers.ts';

/** A kernel that is slow on purpose: `kernel-debug`, `-dbg`. */
const debugVersion = /[.+-](debug|dbg)\b/i;
const xenVersion = /xen/i;

/**
 * The kernel that starts by default is one that finds its disk on virtio; or the migration ends here, before
 * anything is changed. What already starts such a kernel is not touched.
 */
export const kernelChoiceFix: Fix = {
  id: 'kernel-choice',
  title: 'Start a kernel that has virtio drivers',
  critical: true,
  applies: (facts) => facts.os === 'linux',
  async plan({ guest, facts, diskBus }) {
    const bootable = facts.kernels.filter((kernel) => kernel.bootable);
    if (bootable.length === 0) {
      const found = facts.kernels.map(({ version }) => version).join(', ');
      const what = found === '' ? 'No kernel was found' : `The kernels ${found} have no modules`;
      return {
        changes: [],
        warnings: [`${what}, so it was not seen whether the guest can drive virtio disks.`],
      };
    }
    if (bootable.every((kernel) => findsRoot(kernel, diskBus))) return { changes: [], warnings: [] };
    const { usable, useless } = await sortKernels(guest, facts, bootable, diskBus);
    if (useless.length === 0) return { changes: [], warnings: [] };
    const best = usable.findLast(({ version }) => !debugVersion.test(version)) ?? usable.at(-1);
    if (best === undefined) throw noKernel(useless);
    return planDefaultKernel(guest, { best, useless });
  },
};

type UselessKernel = Kernel & { lacks: 'drivers' | 'tool' };

/** Which of the kernels can drive virtio, as they are or with another initramfs. */
async function sortKernels(
  guest: Guestfs,
  facts: GuestFacts,
  bootable: readonly Kernel[],
  diskBus: DiskBus | undefined,
): Promise<{ usable: Kernel[]; useless: UselessKernel[] }> {
  const usable: Kernel[] = [];
  const useless: UselessKernel[] = [];
  let hasTool: boolean | undefined;
  for (const kernel of bootable) {
    if (findsRoot(kernel, diskBus)) {
      usable.push(kernel);
    } else if (kernel.initramfs === undefined || !isPlainVersion(kernel.version)) {
      useless.push({ ...kernel, lacks: 'drivers' });
    } else if ((await driversNowhere(guest, kernel, diskBus)).length > 0) {
      useless.push({ ...kernel, lacks: 'drivers' });
    } else if ((hasTool ??= (await findBuilder(guest, facts.initramfsTool)) !== undefined)) {
      usable.push(kernel);
    } else {
      useless.push({ ...kernel, lacks: 'tool' });
    }
  }
  return { usable, useless };
}

function noKernel(useless: readonly UselessKernel[]): LonghaulError {
  const versions = [...new Set(useless.map(({ version }) => version.slice(0, 80)))];
  const details = { kernels: versions };
  if (useless.some(({ lacks }) => lacks === 'tool')) {
    return new LonghaulError('GUEST_INITRAMFS_TOOL_MISSING', {
      found: `the initramfs of ${versions.join(', ')} lacks virtio drivers, and the guest has neither initramfs-tools nor dracut nor mkinitcpio`,
      remedy:
        'Install the initramfs tool of the distribution in the source VM, or rebuild the initramfs with virtio_pci and virtio_blk there; then migrate again.',
      details,
    });
  }
  const kind = versions.every((version) => xenVersion.test(version))
    ? 'made for Xen alone'
    : 'without virtio drivers';
  // Photon OS has a kernel for VMware alone beside the one for all hardware.
  const remedy = versions.some((version) => /ph\d+-esx$/.test(version))
    ? 'In the source VM run tdnf install linux, which brings the kernel for all hardware beside that for VMware, and migrate again: the new one is started by default then.'
    : "Install the distribution's usual kernel in the source VM and migrate again; or set target.diskBus to sata if a kernel can drive that.";
  return new LonghaulError('GUEST_KERNEL_UNSUPPORTED', {
    found: `all kernels of the guest are ${kind}: ${versions.join(', ')}`,
    remedy,
    details,
  });
}
