import { describe, expect, it } from 'vitest';
import { cloneXml, type CloneShape } from '../../../../activities/domain/boot-check/clone.ts';
import { domainXml } from '../../../../activities/domain/domain-xml.ts';
import { ownerOf } from '../../../../activities/domain/identity.ts';
import { childOf, listOf, parseDomain, textOf } from '../../../../activities/domain/xml.ts';
import { plainShape } from '../shapes.ts';

const shape: CloneShape = {
  name: 'longhaul-boot-11111111-x',
  uuid: '99999999-2222-4333-8444-555555555555',
  overlays: [{ diskPath: plainShape.disks[0]?.path ?? '', diskFormat: 'qcow2', overlayPath: '/d/.overlay' }],
  nvramPath: '/d/.nvram',
  wires: [{ ourPort: 4001, guestPort: 4002 }],
  consolePort: 4000,
  maxCpus: 2,
  maxMemoryMiB: 1024,
};
const defined = domainXml(plainShape);
const devicesOf = (xml: string) => childOf(parseDomain(xml), 'devices');

describe('the clone of a boot check', () => {
  it('writes to overlays only, the format of the disk below stated', () => {
    const [disk = {}, ...more] = listOf(devicesOf(cloneXml(defined, shape)), 'disk');
    expect(more).toEqual([]);
    expect(textOf(childOf(disk, 'source'), '@file')).toBe('/d/.overlay');
    const below = childOf(disk, 'backingStore');
    expect(textOf(childOf(below, 'source'), '@file')).toBe(plainShape.disks[0]?.path);
    expect(textOf(childOf(below, 'format'), '@type')).toBe('qcow2');
    expect(textOf(childOf(disk, 'target'), '@dev')).toBe('vda');
  });

  it('has no way out: its NIC is a wire to us, its screen nobody can open', () => {
    const devices = devicesOf(cloneXml(defined, shape));
    expect(listOf(devices, 'interface').map((nic) => nic['@type'])).toEqual(['udp']);
    expect(textOf(childOf(childOf(devices, 'interface'), 'mac'), '@address')).toBe('52:54:00:12:34:56');
    expect(listOf(devices, 'graphics')).toEqual([]);
  });

  it('takes along nothing that an operator attached since', () => {
    const edited = defined.replace(
      '<memballoon',
      `<disk type='file' device='cdrom'><source file='/iso'/><target dev='sda'/></disk>
       <hostdev mode='subsystem' type='usb'><source/></hostdev><filesystem type='mount'><source dir='/'/></filesystem>
       <memballoon`,
    );
    const clone = cloneXml(edited, shape);
    expect(clone).not.toMatch(/iso|hostdev|filesystem/);
  });

  it('is another domain, smaller, but of the same run', () => {
    const clone = cloneXml(defined, shape);
    const domain = parseDomain(clone);
    expect([domain['name'], domain['uuid'], domain['vcpu']]).toEqual([shape.name, shape.uuid, '2']);
    expect(childOf(domain, 'memory')).toEqual({ '@unit': 'KiB', '#text': String(1024 * 1024) });
    expect(ownerOf(clone)).toEqual(plainShape.owner);
  });

  it('keeps a small VM as small as it is, in whatever unit libvirt tells it', () => {
    const told = defined.replace('<memory unit="MiB">4096<', '<memory unit="KiB">262144<');
    expect(childOf(parseDomain(cloneXml(told, shape)), 'memory')['#text']).toBe('262144');
  });

  it('never opens the NVRAM of the domain itself', () => {
    const uefi = domainXml({ ...plainShape, firmware: 'uefi' }).replace(
      '</os>',
      "<loader type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader><nvram template='/t'>/var/web01_VARS.fd</nvram></os>",
    );
    const clone = cloneXml(uefi, shape);
    expect(clone).not.toContain('web01_VARS');
    expect(textOf(childOf(parseDomain(clone), 'os'), 'nvram')).toBe('/d/.nvram');
  });

  it('is refused when the definition lost a disk', () => {
    expect(() => cloneXml(defined.replace('web01.qcow2', 'other.qcow2'), shape)).toThrow(
      /no longer has the disk/,
    );
  });
});
