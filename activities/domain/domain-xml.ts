import { parseNetworkTarget } from '../../contracts/network-map.ts';
import type { DiskBus } from '../../contracts/spec.ts';
import type { Accelerator, DomainNic, Firmware, RunRef } from '../../contracts/values.ts';
import { ownershipMark } from './identity.ts';
import { buildDomain, type XmlElement } from './xml.ts';

export interface DomainDisk {
  path: string;
  format: 'qcow2' | 'raw';
  /** The file system takes O_DIRECT: the host's page cache is left out. */
  directIo: boolean;
}

/** Everything the definition depends on. */
export interface DomainShape {
  name: string;
  uuid: string;
  owner: RunRef;
  accelerator: Accelerator;
  firmware: Firmware;
  cpus: number;
  memoryMiB: number;
  /** In guest order; the firmware tries them in this order. */
  disks: readonly DomainDisk[];
  diskBus: DiskBus;
  nics: readonly DomainNic[];
  os: 'linux' | 'windows' | 'none';
}

/**
 * The libvirt definition of a migrated VM, https://libvirt.org/formatdomain.html. Pure: the same shape gives
 * the same text.
 *
 * @throws LonghaulError DOMAIN_XML_INVALID when a name or path holds a control character.
 */
export function domainXml(shape: DomainShape): string {
  return buildDomain({
    '@type': shape.accelerator === 'kvm' ? 'kvm' : 'qemu',
    name: shape.name,
    uuid: shape.uuid,
    metadata: ownershipMark(shape.owner),
    memory: { '@unit': 'MiB', '#text': String(shape.memoryMiB) },
    vcpu: String(shape.cpus),
    os: osElement(shape.firmware),
    features: { acpi: {}, apic: {}, ...(shape.os === 'windows' ? hyperV : {}) },
    cpu: shape.accelerator === 'kvm' ? { '@mode': 'host-model' } : emulatedCpu,
    clock: clockElement(shape.os),
    on_poweroff: 'destroy',
    on_reboot: 'restart',
    on_crash: 'restart',
    devices: {
      disk: shape.disks.map((disk, index) => diskElement(disk, index, shape.diskBus)),
      // libvirt's own choice would be a card of the last century. The other buses' controllers it adds itself.
      ...(shape.diskBus === 'scsi' ? { controller: [{ '@type': 'scsi', '@model': 'virtio-scsi' }] } : {}),
      interface: shape.nics.map(nicElement),
      serial: [{ '@type': 'pty', target: { '@type': 'isa-serial', '@port': '0' } }],
      channel: [{ '@type': 'unix', target: { '@type': 'virtio', '@name': 'org.qemu.guest_agent.0' } }],
      input: [{ '@type': 'tablet', '@bus': 'usb' }],
      graphics: [
        {
          '@type': 'vnc',
          '@port': '-1',
          '@autoport': 'yes',
          listen: { '@type': 'address', '@address': '127.0.0.1' },
        },
      ],
      // virtio's card is VGA-compatible too, so that boot loaders and old kernels show on it.
      video: [{ model: { '@type': shape.os === 'linux' ? 'virtio' : 'vga' } }],
      rng: [{ '@model': 'virtio', backend: { '@model': 'random', '#text': '/dev/urandom' } }],
      memballoon: { '@model': 'virtio' },
    },
  });
}

function osElement(firmware: Firmware): XmlElement {
  const type = { '@arch': 'x86_64', '@machine': 'q35', '#text': 'hvm' };
  if (firmware === 'bios') return { type };
  // libvirt picks the firmware and makes an NVRAM of the domain's own. Guests come from machines whose keys
  // we do not have, so secure boot would lock them out.
  const feature = { '@enabled': 'no', '@name': 'secure-boot' };
  return {
    '@firmware': 'efi',
    type,
    firmware: { feature },
  };
}

/**
 * Emulation has nothing to pass through: all that TCG can do, and guests need no less. But for page tables of
 * five levels, which QEMU 7 offers and does not do right: a new kernel takes them and hangs; libguestfs does
 * the same for its appliance.
 */
const emulatedCpu = { '@mode': 'maximum', feature: { '@policy': 'disable', '@name': 'la57' } } as const;

const hyperV: XmlElement = {
  hyperv: {
    '@mode': 'custom',
    relaxed: { '@state': 'on' },
    vapic: { '@state': 'on' },
    spinlocks: { '@state': 'on', '@retries': '8191' },
  },
};

function clockElement(os: DomainShape['os']): XmlElement {
  const timers: XmlElement[] = [
    { '@name': 'rtc', '@tickpolicy': 'catchup' },
    { '@name': 'pit', '@tickpolicy': 'delay' },
    { '@name': 'hpet', '@present': 'no' },
  ];
  if (os === 'windows') timers.push({ '@name': 'hypervclock', '@present': 'yes' });
  return { '@offset': os === 'windows' ? 'localtime' : 'utc', timer: timers };
}

function diskElement(disk: DomainDisk, index: number, bus: DiskBus): XmlElement {
  const io = disk.directIo ? { '@cache': 'none', '@io': 'native' } : {};
  return {
    '@type': 'file',
    '@device': 'disk',
    driver: { '@name': 'qemu', '@type': disk.format, ...io, '@discard': 'unmap' },
    source: { '@file': disk.path },
    target: { '@dev': diskName(index, bus), '@bus': bus },
    // All on one controller, whose targets are many; libvirt would fill one after the other with seven.
    ...(bus === 'scsi'
      ? { address: { '@type': 'drive', '@controller': '0', '@target': String(index) } }
      : {}),
    boot: { '@order': String(index + 1) },
  };
}

/** Linux's names of disks: vda ... vdz, vdaa ... on virtio, sda ... on the other buses. */
export function diskName(index: number, bus: DiskBus): string {
  let letters = '';
  for (let rest = index; rest >= 0; rest = Math.floor(rest / 26) - 1) {
    letters = String.fromCharCode(97 + (rest % 26)) + letters;
  }
  return `${bus === 'virtio' ? 'vd' : 'sd'}${letters}`;
}

function nicElement(nic: DomainNic): XmlElement {
  const common = { mac: { '@address': nic.mac }, model: { '@type': nic.model } };
  const { kind, name } = parseNetworkTarget(nic.target);
  return { '@type': kind, source: { [`@${kind}`]: name }, ...common };
}
