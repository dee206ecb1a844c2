import { LonghaulError } from '../../../../contracts/errors.ts';
import { didYouMean } from '../../../../contracts/nearest.ts';
import type { Firmware } from '../../../../contracts/values.ts';
import { bootFirst, firmwareOf, osTypeOf, wantsSecureBoot, withVboxMacs } from './dialects.ts';
import {
  type HardwareItem,
  type Envelope,
  parseEnvelope,
  systemsOf,
  type VirtualSystem,
} from './envelope.ts';
import {
  cpusOf,
  type DiskReference,
  disksOf,
  itemsOf,
  macOf,
  memoryMiBOf,
  nicsOf,
  resourcesOf,
} from './hardware.ts';
import { bytesPerUnit, quantityInBytes } from './units.ts';

/** A VM as a descriptor (Open Virtualization Format, DMTF DSP0243 1.x and 2.0) has it. */
export interface OvfVm {
  name: string;
  cpus?: number;
  memoryMiB?: number;
  firmware?: Firmware;
  secureBoot: boolean;
  osType?: string;
  annotation?: string;
  /** In the order a guest sees them. */
  disks: OvfDisk[];
  nics: { mac?: string; network: string }[];
  /** Which of several deployment options it is, the descriptor's default. */
  option?: string;
  /** For people: disks of the descriptor that no VM in it has. */
  unusedDisks: string[];
}

export interface OvfDisk {
  id: string;
  capacity?: Capacity;
  /** Absent: it is empty. */
  file?: OvfFile;
}

/** A size in whole units, so that it may be rounded to one; DSP0243, 9.1. */
export interface Capacity {
  bytes: number;
  unitBytes: number;
}

/** A file of the package that the descriptor refers to. */
export interface OvfFile {
  /** Relative to the descriptor. */
  href: string;
  sizeBytes?: number;
  gzip: boolean;
  /** It lies in pieces of this size, `href.000000000` and so on. */
  chunkBytes?: number;
}

/**
 * Reads a descriptor.
 *
 * @param file its name, for errors
 * @param wanted name or id of the system that is meant, where there are several
 * @throws LonghaulError OVF_INVALID, OVF_UNSUPPORTED; ARCHIVE_AMBIGUOUS, with the names of the systems
 */
export function readDescriptor(bytes: Buffer, file: string, wanted?: string): OvfVm {
  const envelope = parseEnvelope(bytes, file);
  const systems = systemsOf(envelope);
  const system = chosen(systems, file, wanted);
  const option = optionOf(envelope);
  const items = itemsOf(system, option);
  const facts = {
    cpus: cpusOf(items),
    memoryMiB: memoryMiBOf(items),
    firmware: firmwareOf(system),
    osType: osTypeOf(system),
    annotation: system.AnnotationSection?.Annotation || undefined,
    option,
  };
  return {
    name: nameOf(system),
    ...definedOf(facts),
    secureBoot: wantsSecureBoot(system),
    disks: vmDisks(envelope, bootFirst(disksOf(items), system), file),
    nics: vmNics(items, system, file),
    unusedDisks: unusedDisks(envelope, systems),
  };
}

const nameOf = (system: VirtualSystem): string => system.Name || system['@id'] || 'vm';

function chosen(systems: readonly VirtualSystem[], file: string, wanted: string | undefined): VirtualSystem {
  const [first, second] = systems;
  if (first === undefined)
    throw new LonghaulError('OVF_INVALID', {
      found: `${file} describes no virtual system`,
      remedy: 'Export the VM again as OVF or OVA.',
    });
  if (wanted === undefined && second === undefined) return first;
  const meant = systems.filter((system) => [system['@id'], nameOf(system)].includes(wanted ?? ''));
  const [only] = meant;
  if (only !== undefined && meant.length === 1) return only;
  const names = systems.map((system) => (meant.length > 1 ? system['@id'] : nameOf(system)));
  throw new LonghaulError('ARCHIVE_AMBIGUOUS', {
    found:
      wanted === undefined
        ? `${file} describes ${systems.length} VMs: ${names.join(', ')}`
        : `${file} describes ${meant.length === 0 ? 'no VM' : `${meant.length} VMs`} called ${wanted}${didYouMean(wanted, names)}; there are ${names.join(', ')}`,
    remedy: 'Name the one that is meant in source.system; each is a migration of its own.',
    details: { systems: names },
  });
}

/** The default among the deployment options is the one that says so, else the first; DSP0243, 9.8. */
function optionOf({ DeploymentOptionSection }: Envelope): string | undefined {
  const options = DeploymentOptionSection?.Configuration ?? [];
  const stated = options.find((option) => ['true', '1'].includes(option['@default'] ?? ''));
  return (stated ?? options[0])?.['@id'];
}

/** As many as a spec may name. */
const [maxDisks, maxNics] = [64, 16];

function vmNics(items: readonly HardwareItem[], system: VirtualSystem, file: string): OvfVm['nics'] {
  const nics = nicsOf(items);
  if (nics.length > maxNics)
    throw new LonghaulError('OVF_UNSUPPORTED', {
      found: `${file} gives the VM ${nics.length} network cards, and no more than ${maxNics} are migrated`,
      remedy: 'Name those that the VM is to have in source.nics.',
      details: { nics: nics.length, allowed: maxNics },
    });
  return withVboxMacs(nics, system).map(({ mac, network }) => ({
    ...definedOf({ mac: mac === undefined ? undefined : macOf(mac) }),
    network: network ?? 'default',
  }));
}

function vmDisks(envelope: Envelope, references: readonly DiskReference[], file: string): OvfDisk[] {
  if (references.length > maxDisks)
    throw new LonghaulError('OVF_UNSUPPORTED', {
      found: `${file} gives the VM ${references.length} disks, and no more than ${maxDisks} are migrated`,
      remedy: 'Export the VM with fewer disks, and attach the others afterwards.',
      details: { disks: references.length, allowed: maxDisks },
    });
  const known = envelope.DiskSection?.Disk ?? [];
  const disks = references.map(({ kind, id }): FoundDisk => {
    if (kind === 'file') return { id, boots: false, file: fileOf(envelope, id, file) };
    const disk = known.find((one) => one['@diskId'] === id);
    if (disk === undefined) throw dangling(file, `a disk ${id}`);
    return diskOf(envelope, disk, file);
  });
  const twice = disks.find(({ id }, index) => disks.findIndex((other) => other.id === id) !== index);
  if (twice !== undefined)
    throw new LonghaulError('OVF_INVALID', {
      found: `${file} gives the VM the disk ${twice.id} twice`,
      remedy: 'Export the VM again.',
    });
  // oVirt marks the disk that the VM boots from.
  const ordered = disks.toSorted((a, b) => Number(b.boots) - Number(a.boots));
  return ordered.map(({ id, capacity, file: of }) => ({ id, ...definedOf({ capacity, file: of }) }));
}

/** Disks that no item names, of whichever system and deployment option, with their files. */
function unusedDisks(envelope: Envelope, systems: readonly VirtualSystem[]): string[] {
  const named = new Set(systems.flatMap(resourcesOf));
  const files = new Map(envelope.References?.File.map((file) => [file['@id'], file['@href']]));
  return (envelope.DiskSection?.Disk ?? []).flatMap((disk) => {
    const [id, file] = [disk['@diskId'], disk['@fileRef']];
    if (named.has(`disk/${id}`) || named.has(`file/${file}`)) return [];
    const href = files.get(file);
    return [href === undefined ? id : `${id} (${href})`];
  });
}

type DiskElement = NonNullable<Envelope['DiskSection']>['Disk'][number];

interface FoundDisk {
  id: string;
  boots: boolean;
  capacity?: Capacity | undefined;
  file?: OvfFile | undefined;
}

function diskOf(envelope: Envelope, disk: DiskElement, file: string): FoundDisk {
  const id = disk['@diskId'];
  if (disk['@parentRef'] !== '')
    throw new LonghaulError('OVF_UNSUPPORTED', {
      found: `the disk ${id} in ${file} holds only what became different from its parent ${disk['@parentRef']}`,
      remedy: 'Consolidate the snapshots on the source and export the VM again.',
    });
  return {
    id,
    boots: disk['@boot'] === 'true',
    capacity: capacityOf(disk),
    file: disk['@fileRef'] === '' ? undefined : fileOf(envelope, disk['@fileRef'], file),
  };
}

function capacityOf(disk: DiskElement): Capacity | undefined {
  const unit = disk['@capacityAllocationUnits'];
  const [bytes, unitBytes] = [quantityInBytes(disk['@capacity'], unit), bytesPerUnit(unit)];
  return bytes === undefined || unitBytes === undefined ? undefined : { bytes, unitBytes };
}

function fileOf(envelope: Envelope, id: string, descriptor: string): OvfFile {
  const file = envelope.References?.File.find((one) => one['@id'] === id);
  if (file === undefined) throw dangling(descriptor, `a file ${id}`);
  const href = file['@href'];
  if (!isInside(href))
    throw new LonghaulError('OVF_UNSUPPORTED', {
      found: `${descriptor} refers to ${JSON.stringify(href.slice(0, 200))}, which is not a file of its package`,
      remedy:
        'Download that file, put it beside the descriptor, and correct its href; nothing is fetched by such a name.',
      details: { href },
    });
  const compression = file['@compression'].toLowerCase();
  if (!['', 'identity', 'gzip'].includes(compression))
    throw new LonghaulError('OVF_UNSUPPORTED', {
      found: `${href} in ${descriptor} is compressed by ${JSON.stringify(compression)}`,
      remedy: 'Unpack that file, and take the attribute compression out of the descriptor.',
    });
  return {
    href,
    gzip: compression === 'gzip',
    ...definedOf({ sizeBytes: wholeNumber(file['@size']), chunkBytes: wholeNumber(file['@chunkSize']) }),
  };
}

/** A plain relative name: no address, nothing absolute, nothing upwards. */
function isInside(href: string): boolean {
  return (
    href !== '' &&
    !/^[a-z][a-z0-9+.-]*:/i.test(href) &&
    !/^[/\\]|[\0\\]/.test(href) &&
    !href.split('/').includes('..')
  );
}

function dangling(file: string, what: string): LonghaulError {
  return new LonghaulError('OVF_INVALID', {
    found: `${file} speaks of ${what} that it does not describe`,
    remedy: 'Export the VM again.',
  });
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^[1-9]\d{0,15}$/.test(text) ? Number(text) : undefined;
}

/** Without the keys that have no value. */
function definedOf<T extends object>(facts: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
