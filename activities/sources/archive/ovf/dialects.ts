import type { Firmware } from '../../../../contracts/values.ts';
import type { VirtualSystem } from './envelope.ts';
import type { DiskReference, OvfNic } from './hardware.ts';

/** What VMware, VirtualBox and oVirt say in ways of their own. */

const vboxFirmware: Readonly<Record<string, Firmware>> = {
  BIOS: 'bios',
  EFI: 'uefi',
  EFI32: 'uefi',
  EFI64: 'uefi',
  EFIDUAL: 'uefi',
};

/** Numbers of oVirt's BiosType: I440FX, Q35 with SeaBIOS, Q35 with OVMF, the same with Secure Boot. */
const ovirtFirmware: Readonly<Record<string, Firmware>> = { 0: 'bios', 1: 'bios', 2: 'uefi', 3: 'uefi' };

/** Undefined where the descriptor does not say. */
export function firmwareOf(system: VirtualSystem): Firmware | undefined {
  const vmware = configOf(system, 'firmware')?.toLowerCase();
  if (vmware === 'efi') return 'uefi';
  if (vmware === 'bios') return 'bios';
  const vbox = system.Machine?.Hardware?.Firmware?.['@type'];
  return vboxFirmware[vbox?.toUpperCase() ?? ''] ?? ovirtFirmware[system.BiosType ?? ''];
}

export function wantsSecureBoot(system: VirtualSystem): boolean {
  const keys = ['bootOptions.efiSecureBootEnabled', 'uefi.secureBoot.enabled'];
  const vmware = keys.some((key) => configOf(system, key)?.toLowerCase() === 'true');
  return vmware || system.BiosType === '3';
}

function configOf(system: VirtualSystem, key: string): string | undefined {
  const { Config = [], ExtraConfig = [] } = system.VirtualHardwareSection ?? {};
  return [...Config, ...ExtraConfig].find((config) => config['@vmw:key'] === key)?.['@vmw:value'];
}

/** The operating system as the exporting program calls it, else by its number in the CIM schema. */
export function osTypeOf(system: VirtualSystem): string | undefined {
  const section = system.OperatingSystemSection;
  const cim = section?.['@id'];
  const names = [section?.['@vmw:osType'], system.Machine?.['@OSType'], section?.Description];
  return names.find((name) => name) ?? (cim === undefined ? undefined : `CIM ${cim}`);
}

/** VMware names what the VM starts from, where that is not the first disk. */
export function bootFirst(disks: readonly DiskReference[], system: VirtualSystem): DiskReference[] {
  const order = system.BootOrderSection.map((section) => section['@vmw:instanceId']);
  const boots = order.map((id) => disks.find(({ item }) => item === id)).find((disk) => disk !== undefined);
  return boots === undefined ? [...disks] : [boots, ...disks.filter((disk) => disk !== boots)];
}

/** VirtualBox keeps the MAC addresses in its own settings, card by card. */
export function withVboxMacs(nics: readonly OvfNic[], system: VirtualSystem): OvfNic[] {
  const adapters = (system.Machine?.Hardware?.Network?.Adapter ?? [])
    .filter((adapter) => adapter['@enabled'] === 'true')
    .toSorted((a, b) => Number(a['@slot']) - Number(b['@slot']));
  return nics.map((nic, index) => {
    const mac = nic.mac ?? adapters[index]?.['@MACAddress'];
    return mac ? { ...nic, mac } : nic;
  });
}
