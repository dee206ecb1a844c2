import { LonghaulError } from '../../../contracts/errors.ts';
import { buildDomain, childOf, listOf, parseDomain, textOf, type XmlElement } from '../xml.ts';
import type { WirePorts } from './wires.ts';

export interface CloneOverlay {
  /** The finished disk, as the definition names it. */
  diskPath: string;
  diskFormat: 'qcow2' | 'raw';
  /** The qcow2 overlay the clone writes to. */
  overlayPath: string;
}

export interface CloneShape {
  name: string;
  uuid: string;
  overlays: readonly CloneOverlay[];
  /** A file that does not exist yet; libvirt fills it from the firmware's template. */
  nvramPath: string;
  /** One for each NIC, in their order. */
  wires: readonly WirePorts[];
  /** Port on 127.0.0.1 where the serial console is listened to. */
  consolePort: number;
  maxCpus: number;
  maxMemoryMiB: number;
}

/** Devices a clone keeps as they are: none of them leads out of the machine or to a file of somebody's. */
const keptDevices = ['emulator', 'controller', 'channel', 'input', 'video', 'rng', 'memballoon', 'panic'];
const loopback = '127.0.0.1';

/**
 * The definition of a throwaway clone that boots what a domain would boot: the same machine, firmware, disks
 * and NICs at the same places, but overlays instead of disks, an NVRAM of its own, wires to us instead of
 * networks, and no display anybody could open.
 *
 * @param definedXml `virsh dumpxml --inactive` of the domain
 * @throws LonghaulError DOMAIN_XML_INVALID when the definition no longer has one of the disks.
 */
export function cloneXml(definedXml: string, shape: CloneShape): string {
  const domain = parseDomain(definedXml);
  const devices = childOf(domain, 'devices');
  const kept = Object.fromEntries(keptDevices.map((name) => [name, devices[name]]));
  return buildDomain({
    ...domain,
    name: shape.name,
    uuid: shape.uuid,
    ...smaller(domain, shape),
    os: ownNvram(childOf(domain, 'os'), shape.nvramPath),
    on_poweroff: 'destroy',
    on_reboot: 'restart',
    on_crash: 'destroy',
    devices: {
      ...kept,
      disk: overlayDisks(listOf(devices, 'disk'), shape.overlays),
      interface: listOf(devices, 'interface').map((nic, index) => wiredNic(nic, shape.wires[index])),
      serial: [consoleDevice(listOf(devices, 'serial')[0], shape.consolePort)],
    },
  });
}

/** A clone fits into one slot of the host, and emulation gains nothing from more CPUs than the host has. */
function smaller(domain: XmlElement, { maxCpus, maxMemoryMiB }: CloneShape): XmlElement {
  const memory = childOf(domain, 'memory');
  const definedKiB = Number(textOf(memory, '#text')) / (textOf(memory, '@unit') === 'MiB' ? 1 / 1024 : 1);
  const kiB = String(Math.min(definedKiB, maxMemoryMiB * 1024));
  const vcpu = textOf(domain, 'vcpu') ?? textOf(childOf(domain, 'vcpu'), '#text') ?? '1';
  return {
    memory: { '@unit': 'KiB', '#text': kiB },
    currentMemory: { '@unit': 'KiB', '#text': kiB },
    vcpu: String(Math.min(Number(vcpu), maxCpus)),
  };
}

function ownNvram(os: XmlElement, nvramPath: string): XmlElement {
  if (os['@firmware'] !== 'efi') return os;
  // The loader that libvirt chose goes too: it chooses again, and brings the template that fits.
  return { ...os, loader: undefined, nvram: nvramPath };
}

function overlayDisks(disks: readonly XmlElement[], overlays: readonly CloneOverlay[]): XmlElement[] {
  const byPath = new Map(overlays.map((overlay) => [overlay.diskPath, overlay]));
  const cloned: XmlElement[] = [];
  for (const disk of disks) {
    const overlay = byPath.get(textOf(childOf(disk, 'source'), '@file') ?? '');
    // Whatever an operator attached since is not ours to open.
    if (overlay === undefined) continue;
    byPath.delete(overlay.diskPath);
    cloned.push(overlayDisk(disk, overlay));
  }
  const [missing] = byPath.keys();
  if (missing === undefined) return cloned;
  throw new LonghaulError('DOMAIN_XML_INVALID', {
    found: `The domain's definition no longer has the disk ${missing}`,
    remedy: 'Put the disk back (virsh edit), or skip the boot check.',
  });
}

function overlayDisk(disk: XmlElement, overlay: CloneOverlay): XmlElement {
  const { target, address, boot } = disk;
  return {
    '@type': 'file',
    '@device': 'disk',
    driver: { '@name': 'qemu', '@type': 'qcow2', '@cache': 'unsafe', '@discard': 'unmap' },
    source: { '@file': overlay.overlayPath },
    // Said here, so that nothing is read out of the disk's own header.
    backingStore: {
      '@type': 'file',
      format: { '@type': overlay.diskFormat },
      source: { '@file': overlay.diskPath },
      backingStore: {},
    },
    target,
    boot,
    address,
  };
}

function wiredNic(nic: XmlElement, wire: WirePorts | undefined): XmlElement {
  if (wire === undefined) throw new RangeError('fewer wires than NICs');
  const { mac, model, address } = nic;
  return {
    '@type': 'udp',
    mac,
    source: {
      '@address': loopback,
      '@port': String(wire.ourPort),
      local: { '@address': loopback, '@port': String(wire.guestPort) },
    },
    model,
    address,
  };
}

function consoleDevice(serial: XmlElement | undefined, port: number): XmlElement {
  return {
    '@type': 'tcp',
    source: { '@mode': 'connect', '@host': loopback, '@service': String(port) },
    protocol: { '@type': 'raw' },
    target: serial?.['target'] ?? { '@type': 'isa-serial', '@port': '0' },
  };
}
