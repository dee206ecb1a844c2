import { describe, expect, it } from 'vitest';
import type { FixContext } from '../../../../activities/guest/linux/fix.ts';
import { staticAddressesFix } from '../../../../activities/guest/linux/static-addresses.ts';
import type { Guestfs } from '../../../../activities/guest/session/guestfs.ts';

const mac = '52:54:00:00:00:0a';

/** What is planned for the only card, on a guest of files alone. */
async function planOn(files: Record<string, string>) {
  const guest = {
    // Whoever asks picks what he knows.
    glob: () => Promise.resolve(Object.keys(files)),
    exists: (path: string) => Promise.resolve(path in files),
    isFile: (path: string) => Promise.resolve(path in files),
    isDir: () => Promise.resolve(true),
    isSymlink: () => Promise.resolve(false),
    realpath: (path: string) => Promise.resolve(path),
    stat: (path: string) =>
      Promise.resolve({
        sizeBytes: files[path]?.length ?? 0,
        mode: 0o100600,
        uid: 0,
        gid: 0,
        mtimeSeconds: 0,
      }),
    readFile: (path: string) => Promise.resolve(Buffer.from(files[path] ?? '')),
  } as unknown as Guestfs;
  const { changes, warnings } = await staticAddressesFix.plan({
    guest,
    vm: { name: 'vm', nics: [{ mac, network: 'default' }] },
    options: { addresses: [{ mac, address: '192.0.2.5/24', gateway: '192.0.2.1', dns: [] }] },
    earlier: [],
  } as unknown as FixContext);
  const after = Object.fromEntries(changes.map(({ path, after: text = '' }) => [path, text]));
  return { after, warnings };
}

const systemd = { '/usr/lib/systemd/systemd': '', '/usr/sbin/NetworkManager': '' };
const wanted = (name: string) => `/etc/systemd/system/multi-user.target.wants/${name}.service`;
const profiles = '/etc/NetworkManager/system-connections';
const uuid = '11111111-2222-3333-4444-555555555555';

describe('setting the addresses that the spec asks for', () => {
  it("leaves NetworkManager's VLAN on the card alone, and tells what stands on the old profile", async () => {
    const files = {
      ...systemd,
      [wanted('NetworkManager')]: '',
      [`${profiles}/ens192.nmconnection`]: `[connection]\nid=ens192\nuuid=${uuid}\ntype=ethernet\ninterface-name=ens192\n[ipv4]\nmethod=auto\n`,
      [`${profiles}/vlan100.nmconnection`]:
        '[connection]\nid=vlan100\ntype=vlan\ninterface-name=vlan100\n[vlan]\nid=100\nparent=ens192\n[ipv4]\nmethod=auto\n',
      [`${profiles}/vlan200.nmconnection`]: `[connection]\nid=vlan200\ntype=vlan\ninterface-name=vlan200\n[vlan]\nid=200\nparent=${uuid}\n`,
    };
    const { after, warnings } = await planOn(files);
    expect(after[`${profiles}/ens192.nmconnection`]).toContain('autoconnect=false');
    expect(Object.keys(after).filter((path) => path.includes('vlan'))).toEqual([]);
    expect(warnings).toEqual([
      `${profiles}/vlan200.nmconnection stands on ${profiles}/ens192.nmconnection by its UUID, which is switched off: name the card there.`,
    ]);
  });

  it("leaves the scripts' VLAN on, and tells of a port's master", async () => {
    const scripts = '/etc/sysconfig/network-scripts';
    const files = {
      ...systemd,
      [wanted('network')]: '',
      [`${scripts}/ifcfg-ens192`]: 'DEVICE=ens192\nONBOOT=yes\nBOOTPROTO=none\nBRIDGE=br0\n',
      [`${scripts}/ifcfg-vl100`]: 'DEVICE=vl100\nVLAN=yes\nVLAN_ID=100\nPHYSDEV=ens192\nONBOOT=yes\n',
    };
    const { after, warnings } = await planOn(files);
    expect(after[`${scripts}/ifcfg-ens192`]).toContain('IPADDR=192.0.2.5');
    expect(after).not.toHaveProperty([`${scripts}/ifcfg-vl100`]);
    expect(warnings.join()).toContain(`makes the card ${mac} a part of br0`);
  });

  it('keeps the VLANs that networkd makes on the card', async () => {
    const files = {
      ...systemd,
      [wanted('systemd-networkd')]: '',
      '/etc/systemd/network/20-lan.network': '[Match]\nName=ens192\n[Network]\nDHCP=yes\nVLAN=vlan100\n',
    };
    const { after } = await planOn(files);
    const path = `/etc/systemd/network/00-longhaul-${mac.replaceAll(':', '')}.network`;
    expect(after[path]).toContain('VLAN=vlan100');
    expect(after[path]).toContain('Address=192.0.2.5/24');
  });
});
