import fc from 'fast-check';

/** What a line nobody can understand begins with. No format of a guest has a key, keyword or device like it. */
const mark = 'zq~';

/** A line of printable characters that means nothing in any file, and stays as it is. */
const nonsense = fc
  .string({ unit: fc.constantFrom(...Array.from(' abzXY019_-.,:;%@+|?~^é\t')), maxLength: 30 })
  .map((tail) => `${mark}${tail}`);

/**
 * Texts of lines that a format knows, broken off anywhere, with nonsense between them and all kinds of line
 * ends.
 *
 * @param known lines of the format, good ones and such that a person gets wrong
 */
export function hostileText(known: readonly string[]): fc.Arbitrary<string> {
  const line = fc.constantFrom(...known);
  const broken = fc
    .tuple(line, fc.nat({ max: 200 }))
    .map(([text, length]) => text.slice(0, length % (text.length + 1)));
  const lines = fc.array(fc.oneof({ arbitrary: line, weight: 3 }, broken, nonsense), { maxLength: 14 });
  return fc
    .tuple(lines, fc.constantFrom('\n', '\r\n'), fc.constantFrom('', '\n', '\n\n'))
    .map(([all, separator, end]) => all.join(separator) + end);
}

/** The lines that mean nothing, with their line ends, in their order. */
export function nonsenseIn(text: string): string[] {
  return text.split('\n').filter((line) => line.startsWith(mark));
}

/** Good and bad lines of the files that fixes edit, by path in the guest. */
export const hostileFiles: Readonly<Record<string, readonly string[]>> = {
  '/etc/fstab': [
    '/dev/sda1 / ext4 defaults 0 1',
    '/dev/xvda1\t/\text4\tnoatime\t0\t1',
    '/dev/sda2 none swap sw 0 0',
    '/dev/disk/by-path/pci-0000:00:10.0-scsi-0:0:0:0-part2 swap swap defaults 0 0',
    '/dev/nvme0n1p1 /srv/with\\040space xfs nofail 0 2',
    '/dev/sdc1 /gone ext4 nofail 0 2',
    'UUID=7ed10001-5f2c-4a7e-9a01-000000000001 / ext4 defaults 0 1',
    '/dev/sda1',
    '# /dev/sda1 was here',
    'tmpfs /tmp tmpfs size=50% 0 0',
    '/dev/sda999999 / ext4 defaults 0 1',
  ],
  '/etc/crypttab': [
    'root_crypt /dev/sda2 none luks,discard',
    'swap_crypt /dev/sda2 /dev/urandom swap,cipher=aes-xts-plain64',
    'data UUID=0 /root/key:with:colons luks',
    'lonely',
    '# comment /dev/sda1',
  ],
  '/etc/default/grub': [
    'GRUB_CMDLINE_LINUX="root=/dev/sda1 quiet"',
    "GRUB_CMDLINE_LINUX_DEFAULT='resume=/dev/sda2 console=hvc0'",
    'GRUB_CMDLINE_LINUX="unclosed root=/dev/sda1',
    'GRUB_CMDLINE_LINUX="$OLD root=/dev/sda1 \\"x\\""',
    'GRUB_CMDLINE_LINUX=',
    'export GRUB_CMDLINE_LINUX=bare',
    'GRUB_DISTRIBUTOR=`lsb_release -i -s 2> /dev/null || echo Debian`',
  ],
  '/boot/grub/grub.cfg': [
    "menuentry 'X' --class gnu-linux {",
    "\tset root='hd0,msdos1'",
    '\tlinux\t/boot/vmlinuz-5.10.0-28-amd64 root=/dev/sda1 ro quiet resume=/dev/sda2',
    '\tlinux16 /vmlinuz root=/dev/xvda1 console=hvc0',
    '  linux /boot/$photon_linux root=$rootpartition $photon_cmdline',
    '\tlinux',
    '\tlinux /memtest86+.bin root=/dev/sda1',
    'set kernelopts="root=/dev/sda1 ro $x"',
    '}',
  ],
  '/boot/loader/entries/hostile.conf': [
    'title Broken',
    'linux /vmlinuz-5.10.0-28-amd64',
    'options root=/dev/sda1 ro',
    'options $kernelopts $tuned_params',
    'options',
    'initrd /initrd.img $tuned_initrd',
  ],
  '/boot/extlinux/extlinux.conf': ['LABEL l', '  APPEND root=/dev/sda1 ro', 'append', '  KERNEL /vmlinuz'],
  '/boot/grub/menu.lst': [
    '# kopt=root=/dev/hda1 ro',
    'kernel /boot/vmlinuz-2.6 root=/dev/sda1 ro console=xvc0',
    'kernel (hd0,0)/xen.gz',
    'module /vmlinuz root=/dev/sda1',
    'root (hd0,0)',
  ],
  '/etc/kernel/cmdline': ['root=/dev/sda1 ro quiet', 'console=hvc0'],
  '/etc/initramfs-tools/conf.d/resume': ['RESUME=/dev/sda2', 'RESUME="/dev/xvda2"', 'RESUME=none', 'RESUME='],
  '/etc/network/interfaces': [
    'auto lo eth0',
    'iface eth0 inet static',
    '\taddress 10.0.0.5/24',
    '\tgateway 10.0.0.1',
    'allow-hotplug ens192 \\',
    'iface',
    'iface ens192 inet dhcp',
    'source /etc/network/interfaces.d/*',
    'iface br0 inet manual',
    '\tbridge_ports eth0 eth1',
  ],
  '/etc/netplan/60-hostile.yaml': [
    'network:',
    '  version: 2',
    '  ethernets:',
    '    eth0:',
    '      match: {macaddress: "00:16:3e:0b:11:99", driver: hv_netvsc}',
    '      set-name: eth0',
    '      dhcp4: true',
    '    ens192: [unclosed',
    '    &a eth1: *a',
    '\ttabs: are no yaml',
  ],
  '/etc/sysconfig/network-scripts/ifcfg-hostile': [
    'DEVICE=eth0',
    'HWADDR=00:16:3E:0B:11:99',
    "BOOTPROTO='none'",
    'IPADDR="10.0.0.7"',
    'IPADDR=10.0.0.999',
    'PREFIX=24',
    'ONBOOT=yes',
    'DEVICE="unclosed',
    'TYPE=Bond',
  ],
  '/etc/NetworkManager/system-connections/hostile.nmconnection': [
    '[connection]',
    'type=ethernet',
    'interface-name=ens192',
    '[ethernet]',
    'mac-address=00:16:3E:0B:11:99',
    '[ipv4]',
    'address1=10.0.0.8/24,10.0.0.1',
    'address1=nonsense/99',
    'method=manual',
    '[unclosed',
    '=value',
  ],
  '/etc/systemd/network/60-hostile.network': [
    '[Match]',
    'Name=ens192 eth*',
    'MACAddress=00:16:3e:0b:11:99',
    'Driver=ena ixgbevf vif',
    '[Network]',
    'Address=10.0.0.9/24',
    'DHCP=yes',
    '[Link]',
    'MACAddress=not-a-mac',
  ],
  '/etc/udev/rules.d/70-persistent-net.rules': [
    '# PCI device 0x15ad:0x07b0 (vmxnet3)',
    'SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{address}=="00:16:3e:0b:11:99", KERNEL=="eth*", NAME="eth0"',
    'SUBSYSTEM=="net", ATTR{address}=="00:16:3e:0b:11:01", NAME="eth1"',
    'SUBSYSTEM=="net", NAME="%k"',
  ],
  '/etc/inittab': [
    'id:2:initdefault:',
    'co:2345:respawn:/sbin/agetty hvc0 9600 vt100',
    '1:2345:respawn:/sbin/getty tty1',
  ],
  '/etc/modprobe.d/hostile.conf': [
    'alias eth0 vmxnet3',
    'alias scsi_hostadapter vmw_pvscsi',
    'blacklist virtio_blk',
    'install virtio_net /bin/true',
    'alias',
  ],
  '/etc/selinux/config': [
    'SELINUX=enforcing',
    'SELINUX=',
    'SELINUXTYPE=targeted',
    'SELINUX=disabled # SELINUX=enforcing',
  ],
};
