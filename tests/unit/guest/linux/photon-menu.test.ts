import { describe, expect, it } from 'vitest';
import { planPhoton } from '../../../../activities/guest/linux/photon-menu.ts';
import type { Guestfs } from '../../../../activities/guest/session/guestfs.ts';
import type { Kernel } from '../../../../contracts/values.ts';

const kernel = (version: string): Kernel => ({
  version,
  path: `/boot/vmlinuz-${version}`,
  bootable: true,
  virtio: { blk: false, scsi: false, net: false, pci: false },
});
const [esx, generic] = [kernel('6.1.83-2.ph5-esx'), kernel('6.1.83-2.ph5')];

/** Photon's /boot as far as it is looked at. */
function photon(files: Record<string, string>, linked: string) {
  let target = linked;
  const at = (path: string) => files[path === '/boot/photon.cfg' ? `/boot/${target}` : path] ?? '';
  const guest = {
    isSymlink: (path: string) => Promise.resolve(path === '/boot/photon.cfg'),
    readlink: () => Promise.resolve(target),
    glob: () => Promise.resolve(Object.keys(files)),
    isFile: () => Promise.resolve(true),
    stat: (path: string) => Promise.resolve({ sizeBytes: at(path).length }),
    readFile: (path: string) => Promise.resolve(Buffer.from(at(path))),
    rmF: () => Promise.resolve(),
    symlink: (to: string) => Promise.resolve(void (target = to)),
  };
  return { guest: guest as unknown as Guestfs, leadsTo: () => target };
}

const settings = {
  '/boot/linux-6.1.83-2.ph5.cfg': '# GRUB Environment Block\nphoton_linux=vmlinuz-6.1.83-2.ph5\n',
  '/boot/linux-esx-6.1.83-2.ph5-esx.cfg': 'photon_linux=vmlinuz-6.1.83-2.ph5-esx\n',
};

describe('what Photon OS starts', () => {
  it('is the kernel for all hardware where it was that for VMware, and stays so', async () => {
    const { guest, leadsTo } = photon(settings, 'linux-esx-6.1.83-2.ph5-esx.cfg');
    const verdict = { best: generic, useless: [esx] };
    const [change, ...more] = await planPhoton(guest, verdict, 'why', []);
    expect(more).toEqual([]);
    expect(change).toMatchObject({ path: '/boot/photon.cfg', after: '-> linux-6.1.83-2.ph5.cfg' });
    await change?.apply(guest);
    expect(leadsTo()).toBe('linux-6.1.83-2.ph5.cfg');
    expect(await planPhoton(guest, verdict, 'why', [])).toEqual([]);
  });

  it('is said when there is nothing to lead to', async () => {
    const name = 'linux-esx-6.1.83-2.ph5-esx.cfg';
    const { guest } = photon({ [`/boot/${name}`]: settings[`/boot/${name}`] }, name);
    const warnings: string[] = [];
    expect(await planPhoton(guest, { best: generic, useless: [esx] }, 'why', warnings)).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining('has no settings beside it')]);
  });
});
