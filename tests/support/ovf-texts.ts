/**
 * Descriptors as exporting programs write them, made after the public schemas (DSP8023, CIM) and the vendors'
 * namespaces, each of a VM `web01` with 2 CPUs, 2 GiB and whatever is asked for.
 */

export interface OvfText {
  files: { id: string; href: string; more?: string }[];
  /** `file` empty: a blank disk. */
  disks: { id: string; file: string; capacity: number; units?: string; more?: string }[];
  /** Items of the hardware section besides CPUs and memory. */
  items?: string;
  name?: string;
  /** Inside the hardware section, behind the items. */
  hardware?: string;
  /** Inside the virtual system, behind the hardware section. */
  system?: string;
  /** Inside the envelope, before the virtual system. */
  envelope?: string;
}

const rasd = (fields: Record<string, string | number>, attributes = '') =>
  `      <Item${attributes}>\n${Object.entries(fields)
    .map(([name, value]) => `        <rasd:${name}>${value}</rasd:${name}>\n`)
    .join('')}      </Item>`;

/** One `Item` of OVF 1.x. */
export const item = rasd;

export const scsiController = (id: number, address = 0) =>
  rasd({
    Address: address,
    ElementName: `SCSI Controller ${address}`,
    InstanceID: id,
    ResourceSubType: 'lsilogic',
    ResourceType: 6,
  });

export const diskItem = (id: number, disk: string, parent: number, place: number) =>
  rasd({
    AddressOnParent: place,
    ElementName: `Hard Disk ${id}`,
    HostResource: `ovf:/disk/${disk}`,
    InstanceID: id,
    Parent: parent,
    ResourceType: 17,
  });

export const nicItem = (id: number, network: string, mac?: string) =>
  rasd({
    ...(mac === undefined ? {} : { Address: mac }),
    AddressOnParent: id,
    AutomaticAllocation: 'true',
    Connection: network,
    ElementName: `Ethernet ${id}`,
    InstanceID: id,
    ResourceSubType: 'VmxNet3',
    ResourceType: 10,
  });

export function systemText(text: Pick<OvfText, 'name' | 'items' | 'hardware' | 'system'>): string {
  const { name = 'web01', items = '', hardware = '', system = '' } = text;
  return `  <VirtualSystem ovf:id="${name}">
    <Info>A virtual machine</Info>
    <Name>${name}</Name>
    <OperatingSystemSection ovf:id="96" vmw:osType="debian11_64Guest">
      <Info>The kind of installed guest operating system</Info>
      <Description>Debian GNU/Linux 11 (64-bit)</Description>
    </OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>Virtual hardware requirements</Info>
${rasd({ AllocationUnits: 'hertz * 10^6', ElementName: '2 virtual CPU(s)', InstanceID: 1, ResourceType: 3, VirtualQuantity: 2 })}
${rasd({ AllocationUnits: 'byte * 2^20', ElementName: '2048MB of memory', InstanceID: 2, ResourceType: 4, VirtualQuantity: 2048 })}
${items}
${hardware}
    </VirtualHardwareSection>
${system}
  </VirtualSystem>`;
}

/** OVF 1.x as VMware's programs write it. `vms` in place of the one VM that the other fields describe. */
export function ovfText(text: OvfText, vms: string = systemText(text)): string {
  const files = text.files
    .map(({ id, href, more = '' }) => `    <File ovf:href="${href}" ovf:id="${id}" ${more}/>`)
    .join('\n');
  const disks = text.disks
    .map(
      ({ id, file, capacity, units = 'byte', more = '' }) =>
        `    <Disk ovf:capacity="${capacity}" ovf:capacityAllocationUnits="${units}" ovf:diskId="${id}"${file === '' ? '' : ` ovf:fileRef="${file}"`} ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized" ${more}/>`,
    )
    .join('\n');
  return `<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
  xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
  xmlns:vmw="http://www.vmware.com/schema/ovf"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <References>
${files}
  </References>
  <DiskSection>
    <Info>Virtual disk information</Info>
${disks}
  </DiskSection>
  <NetworkSection>
    <Info>The list of logical networks</Info>
    <Network ovf:name="VM Network"/>
  </NetworkSection>
${text.envelope ?? ''}
${vms}
</Envelope>
`;
}

/** A VM of one disk on a SCSI controller and one network card. */
export const oneDiskOvf = (href: string, capacity: number, more: Partial<OvfText> = {}): string =>
  ovfText({
    files: [{ id: 'file1', href }],
    disks: [{ id: 'vmdisk1', file: 'file1', capacity }],
    items: [
      scsiController(3),
      diskItem(7, 'vmdisk1', 3, 0),
      nicItem(8, 'VM Network', '00:50:56:aa:bb:cc'),
    ].join('\n'),
    ...more,
  });
