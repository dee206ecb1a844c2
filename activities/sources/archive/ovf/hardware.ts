import { LonghaulError } from '../../../../contracts/errors.ts';
import { macAddress } from '../../../../contracts/spec-atoms.ts';
import type { HardwareItem, VirtualSystem } from './envelope.ts';
import { quantityInBytes } from './units.ts';

/** CIM_ResourceAllocationSettingData.ResourceType, DSP1041 and the CIM schema. */
const resource = {
  cpu: '3',
  memory: '4',
  ide: '5',
  scsi: '6',
  ethernet: '10',
  /** Hard disks; VirtualBox wrote `logicalDisk` once. */
  disk: '17',
  /** SATA and NVMe, by their subtype. */
  otherStorage: '20',
  logicalDisk: '31',
} as const;

/** A network card as the descriptor has it. */
export interface OvfNic {
  /** As written: with colons, dashes, or neither. */
  mac?: string;
  network?: string;
}

/**
 * The items that count: those of the deployment option, in place of those that every option has, and no bounds of
 * what may be chosen (DSP0243, 8.3 and 9.8).
 */
export function itemsOf(system: VirtualSystem, option: string | undefined): HardwareItem[] {
  const meant = allItems(system).filter(
    (item) =>
      (item['@bound'] ?? 'normal') === 'normal' &&
      (item['@configuration'] === undefined || item['@configuration'].split(/\s+/).includes(option ?? '')),
  );
  const special = new Set(meant.flatMap((item) => (item['@configuration'] === undefined ? [] : idOf(item))));
  return meant.filter((item) => item['@configuration'] !== undefined || !special.has(idOf(item)));
}

function allItems({ VirtualHardwareSection }: VirtualSystem): HardwareItem[] {
  const { Item = [], StorageItem = [], EthernetPortItem = [] } = VirtualHardwareSection ?? {};
  return [...Item, ...StorageItem, ...EthernetPortItem];
}

/** `disk/ID` and `file/ID` of whatever any item of a system is made from, all deployment options together. */
export function resourcesOf(system: VirtualSystem): string[] {
  return allItems(system)
    .flatMap((item) => item.HostResource)
    .map((place) => resourceAt(place).join('/'));
}

/** `ovf:/disk/ID`, `ovf:disk/ID`, `/disk/ID`: all are in use. */
function resourceAt(place: string): string[] {
  return /^(?:ovf:)?\/{0,2}(disk|file)\/(.+)$/.exec(place)?.slice(1) ?? [];
}

const idOf = (item: HardwareItem): string => item.InstanceID ?? item.InstanceId ?? '';

export function cpusOf(items: readonly HardwareItem[]): number | undefined {
  const counts = items.filter(isOf('cpu')).map((item) => Number(item.VirtualQuantity));
  const cpus = counts.reduce((sum, count) => sum + count, 0);
  return Number.isSafeInteger(cpus) && cpus > 0 ? cpus : undefined;
}

/** In MiB, the last begun one counted whole. */
export function memoryMiBOf(items: readonly HardwareItem[]): number | undefined {
  const bytes = items
    .filter(isOf('memory'))
    .map(({ VirtualQuantity, AllocationUnits }) =>
      quantityInBytes(VirtualQuantity ?? '', AllocationUnits ?? 'MegaBytes'),
    );
  const sum = bytes.reduce<number>((total, size) => total + (size ?? Number.NaN), 0);
  return sum > 0 ? Math.ceil(sum / 2 ** 20) : undefined;
}

/** Cards in the order of their slots, else of the text. */
export function nicsOf(items: readonly HardwareItem[]): OvfNic[] {
  return sorted(items.filter(isOf('ethernet')), (item) => [addressOf(item.AddressOnParent)]).map((item) => {
    // oVirt gives the place on the PCI bus as `Address`.
    const mac = [item.Address, item.MACAddress].find((text) => macOf(text ?? '') !== undefined);
    const [network = ''] = item.Connection;
    return { ...(mac ? { mac } : {}), ...(network === '' ? {} : { network }) };
  });
}

/** With colons, or undefined for what is no address of one card. */
export function macOf(text: string): string | undefined {
  const digits = text.trim().replaceAll(/[:-]/g, '');
  const parsed = macAddress.safeParse(digits.match(/.{1,2}/g)?.join(':') ?? '');
  const isOneCards = parsed.success && Number.parseInt(digits.slice(0, 2), 16) % 2 === 0;
  return isOneCards && !/^0+$/.test(digits) ? parsed.data : undefined;
}

/** What a disk of a system is made from: a disk of the disk section, or a file. */
export interface DiskReference {
  /** Of its item. */
  item: string;
  kind: 'disk' | 'file';
  id: string;
}

/**
 * What the hard disks are made from, in the order a guest sees them: by the bus of their controllers (IDE, SCSI,
 * SATA, NVMe, as firmware looks for them), the controller's address, and the place on it.
 */
export function disksOf(items: readonly HardwareItem[]): DiskReference[] {
  const controllers = new Map(
    items.filter((item) => busRank(item) !== undefined).map((item) => [idOf(item), item]),
  );
  const order = (item: HardwareItem) => {
    const controller = controllers.get(item.Parent ?? '');
    return [
      (controller && busRank(controller)) ?? buses,
      addressOf(controller?.Address),
      addressOf(controller && idOf(controller)),
      addressOf(item.AddressOnParent),
    ];
  };
  const disks = items.filter((item) => isOf('disk')(item) || isOf('logicalDisk')(item));
  return sorted(disks, order).flatMap((item) => {
    const [place = ''] = item.HostResource;
    const [kind, id = ''] = resourceAt(place);
    return kind === 'disk' || kind === 'file' ? { item: idOf(item), kind, id } : elsewhere(place);
  });
}

/** An item that names nothing has no disk in it. */
function elsewhere(place: string): [] {
  if (place === '') return [];
  throw new LonghaulError('OVF_UNSUPPORTED', {
    found: `the descriptor has a hard disk at ${JSON.stringify(place.slice(0, 200))}, which is no disk or file of its package`,
    remedy: 'Export the VM again with that disk, or take its item out of the descriptor.',
    details: { place },
  });
}

const buses = 4;

function busRank(item: HardwareItem): number | undefined {
  if (isOf('ide')(item)) return 0;
  if (isOf('scsi')(item)) return 1;
  if (!isOf('otherStorage')(item)) return undefined;
  return /nvme/i.test(item.ResourceSubType ?? '') ? 3 : 2;
}

const isOf = (kind: keyof typeof resource) => (item: HardwareItem) => item.ResourceType === resource[kind];

/** What has no address comes last. */
const addressOf = (text: string | undefined): number =>
  text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : Number.MAX_SAFE_INTEGER;

/** By several numbers, the first that differs decides; what is the same stays in the order of the text. */
function sorted(items: readonly HardwareItem[], keysOf: (item: HardwareItem) => number[]): HardwareItem[] {
  return items
    .map((item) => ({ item, keys: keysOf(item) }))
    .sort((a, b) => a.keys.map((key, index) => key - (b.keys[index] ?? 0)).find((by) => by !== 0) ?? 0)
    .map(({ item }) => item);
}
