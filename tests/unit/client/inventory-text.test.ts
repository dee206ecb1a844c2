import picocolors from 'picocolors';
import { describe, expect, it } from 'vitest';
import { inventoryCsv, inventoryText, type InventoryRow } from '../../../client/output/inventory-text.ts';

const disk = {
  name: 'web01_OsDisk',
  sizeBytes: 30 * 2 ** 30,
  ephemeral: false,
  guestEncrypted: false,
  sectorBytes: 512,
  maxShares: 1,
  sharedWith: [],
  exportFrom: 'anywhere' as const,
};
const row: InventoryRow = {
  subscription: '01234567-89ab-cdef-0123-456789abcdef',
  id: '/subscriptions/01234567-89ab-cdef-0123-456789abcdef/resourceGroups/prod/providers/Microsoft.Compute/virtualMachines/web01',
  name: 'web01',
  resourceGroup: 'prod',
  location: 'westeurope',
  zones: ['1'],
  tags: { env: 'prod' },
  state: 'running',
  os: 'linux',
  firmware: 'uefi',
  size: 'Standard_D4s_v5',
  cpus: 4,
  memoryMiB: 16_384,
  secureBoot: false,
  vtpm: false,
  disks: [disk, { ...disk, name: 'data', lun: 0 }],
  nics: [
    { name: 'nic0', mac: '00:0d:3a:00:00:01', network: 'vnet/default', addresses: ['10.0.0.4', '10.0.0.5'] },
    { name: 'nic1', mac: '00:0d:3a:00:00:02', addresses: [] },
  ],
};
const table = (rows: readonly InventoryRow[], columns?: number) =>
  inventoryText(rows, { paint: picocolors.createColors(false), columns });

describe('the table of an inventory', () => {
  it('shows what decides about a migration', () => {
    expect(table([row])).toBe(
      [
        'NAME   GROUP  STATE    OS     SIZE                         DISKS      ZONE  ADDRESSES',
        'web01  prod   running  linux  Standard_D4s_v5 (4, 16 GiB)  2, 60 GiB  1     10.0.0.4 10.0.0.5 00:0d:3a:00:00:02',
      ].join('\n'),
    );
  });

  it('fits the terminal: the widest columns give way', () => {
    const long = {
      ...row,
      name: 'a-name-of-a-virtual-machine-that-goes-on-and-on',
      resourceGroup: 'production-westeurope',
    };
    const lines = table([row, long], 100).split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(lines[2]).toMatch(/^a-name-of-a-v\S*… {2}production-w\S* +running {2}linux/);
  });

  it('lets nothing move the cursor', () => {
    expect(table([{ ...row, resourceGroup: 'prod\u001b[2J' }])).toContain('prod?[2J');
  });

  it('says when nothing fits', () => {
    expect(table([])).toBe('No VM fits.');
  });
});

describe('an inventory as CSV', () => {
  const lines = (rows: readonly InventoryRow[]) => `${inventoryCsv(rows)}\n`.split('\r\n');

  it('has a line of heads and a line for each VM, ended as RFC 4180 wants it', () => {
    expect(lines([row])).toEqual([
      'subscription,resourceGroup,name,state,os,size,cpus,memoryMiB,firmware,location,zones,disks,diskBytes,networks,macs,addresses,tags',
      '01234567-89ab-cdef-0123-456789abcdef,prod,web01,running,linux,Standard_D4s_v5,4,16384,uefi,westeurope,1,2,64424509440,vnet/default,00:0d:3a:00:00:01 00:0d:3a:00:00:02,10.0.0.4 10.0.0.5,env=prod',
      '',
    ]);
  });

  it('quotes commas, quotes and line ends', () => {
    const [, line] = lines([{ ...row, tags: { note: 'a, "b"\nc' } }]);
    expect(line).toContain(',"note=a, ""b""\nc"');
  });

  it.each(['=HYPERLINK("http://x")', '+1', '-1+1', '@SUM(A1)', '\t=1'])(
    'keeps a spreadsheet from running %s',
    (name) => {
      const [, line] = lines([{ ...row, name }]);
      expect(line).toContain(`,"'${name.replaceAll('"', '""')}",`);
    },
  );

  it('leaves what is not known empty', () => {
    const { cpus, memoryMiB, firmware, ...unknown } = row;
    expect([cpus, memoryMiB, firmware]).toBeDefined();
    expect(lines([unknown])[1]).toContain(',Standard_D4s_v5,,,,westeurope,');
  });
});
