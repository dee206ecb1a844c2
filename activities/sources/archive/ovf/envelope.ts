import { z } from 'zod';
import { LonghaulError } from '../../../../contracts/errors.ts';
import { parseXml } from './xml.ts';

/**
 * An OVF envelope as its schema has it (DMTF DSP8023, for 1.x and 2.0), as far as a migration asks for it.
 * Names are the schema's own; what is not listed is left out.
 */

/** An element's text, which is all that is wanted of it. */
const text = z.object({ '#text': z.string().default('') }).transform((element) => element['#text'].trim());
const first = <T extends z.ZodType>(element: T) =>
  z
    .array(element)
    .optional()
    .transform((elements) => elements?.[0]);
const all = <T extends z.ZodType>(element: T) => z.array(element).default([]);

/** `vmw:Config` and `vmw:ExtraConfig`. */
const config = z.object({ '@vmw:key': z.string().default(''), '@vmw:value': z.string().default('') });

/** `Item` of 1.x, `StorageItem` and `EthernetPortItem` of 2.0: settings of one virtual device. */
const item = z.object({
  '@configuration': z.string().optional(),
  '@bound': z.string().optional(),
  InstanceID: first(text),
  /** How oVirt spells it. */
  InstanceId: first(text),
  ResourceType: first(text),
  ResourceSubType: first(text),
  ElementName: first(text),
  VirtualQuantity: first(text),
  AllocationUnits: first(text),
  Parent: first(text),
  Address: first(text),
  AddressOnParent: first(text),
  HostResource: all(text),
  Connection: all(text),
  /** oVirt's. */
  MACAddress: first(text),
});

/** Of `vbox:Machine`: VirtualBox's own settings. */
const vboxMachine = z.object({
  '@OSType': z.string().optional(),
  Hardware: first(
    z.object({
      Firmware: first(z.object({ '@type': z.string().optional() })),
      Network: first(
        z.object({
          Adapter: all(
            z.object({
              '@slot': z.string().default(''),
              '@enabled': z.string().optional(),
              '@MACAddress': z.string().optional(),
            }),
          ),
        }),
      ),
    }),
  ),
});

const virtualSystem = z.object({
  '@id': z.string().default(''),
  Name: first(text),
  AnnotationSection: first(z.object({ Annotation: first(text) })),
  OperatingSystemSection: first(
    z.object({
      '@id': z.string().optional(),
      '@vmw:osType': z.string().optional(),
      Description: first(text),
    }),
  ),
  VirtualHardwareSection: first(
    z.object({
      Item: all(item),
      StorageItem: all(item),
      EthernetPortItem: all(item),
      Config: all(config),
      ExtraConfig: all(config),
    }),
  ),
  /** VMware's: what the VM starts from, by the instance of its item. */
  BootOrderSection: all(z.object({ '@vmw:instanceId': z.string().default('') })),
  Machine: first(vboxMachine),
  /** oVirt's kind of firmware. */
  BiosType: first(text),
});

interface Collection {
  VirtualSystem: VirtualSystem[];
  VirtualSystemCollection: Collection[];
}

const collection: z.ZodType<Collection> = z.lazy(() =>
  z.object({ VirtualSystem: all(virtualSystem), VirtualSystemCollection: all(collection) }),
);

const envelope = z.object({
  References: first(
    z.object({
      File: all(
        z.object({
          '@id': z.string(),
          '@href': z.string(),
          '@size': z.string().optional(),
          '@compression': z.string().default(''),
          '@chunkSize': z.string().optional(),
        }),
      ),
    }),
  ),
  DiskSection: first(
    z.object({
      Disk: all(
        z.object({
          '@diskId': z.string(),
          '@fileRef': z.string().default(''),
          '@parentRef': z.string().default(''),
          '@capacity': z.string().default(''),
          '@capacityAllocationUnits': z.string().default('byte'),
          /** oVirt's. */
          '@boot': z.string().optional(),
        }),
      ),
    }),
  ),
  DeploymentOptionSection: first(
    z.object({ Configuration: all(z.object({ '@id': z.string(), '@default': z.string().optional() })) }),
  ),
  VirtualSystem: all(virtualSystem),
  VirtualSystemCollection: all(collection),
});

const document = z.object({ Envelope: z.tuple([envelope]) });

export type Envelope = z.output<typeof envelope>;
export type VirtualSystem = z.output<typeof virtualSystem>;
export type HardwareItem = z.output<typeof item>;

/** @param file its name, for errors. @throws LonghaulError OVF_INVALID */
export function parseEnvelope(bytes: Buffer, file: string): Envelope {
  const parsed = document.safeParse(parseXml(bytes, file));
  if (parsed.success) return parsed.data.Envelope[0];
  const [issue] = parsed.error.issues;
  throw new LonghaulError('OVF_INVALID', {
    found: `${file} is not an OVF descriptor: ${issue?.path.join('/') ?? ''}: ${issue?.message ?? 'unknown'}`,
    remedy: 'Export the VM again as OVF or OVA.',
  });
}

/** The systems of an envelope, those in collections too. */
export function systemsOf({ VirtualSystem, VirtualSystemCollection }: Collection): VirtualSystem[] {
  return [...VirtualSystem, ...VirtualSystemCollection.flatMap(systemsOf)];
}
