import type { AzureMachine } from '../../contracts/azure-inventory.ts';
import { formatBytes } from '../../contracts/units.ts';
import { type CsvColumn, csvText } from './csv.ts';
import type { Paint } from '../options.ts';
import { alignColumns, cutColumns, safeLine } from './text.ts';

/** A VM as the inventory prints it. */
export type InventoryRow = AzureMachine & { subscription: string };

/**
 * VMs as a table.
 *
 * @param columns cells are cut so that lines fit; undefined leaves them whole
 */
export function inventoryText(
  rows: readonly InventoryRow[],
  { paint, columns }: { paint: Paint; columns: number | undefined },
): string {
  if (rows.length === 0) return 'No VM fits.';
  const heads = ['NAME', 'GROUP', 'STATE', 'OS', 'SIZE', 'DISKS', 'ZONE', 'ADDRESSES'];
  const cells = [heads, ...rows.map(cellsOf)];
  const [head = [], ...body] = columns === undefined ? cells : cutColumns(cells, columns);
  return alignColumns([head.map((text) => paint.dim(text)), ...body]);
}

function cellsOf({
  name,
  resourceGroup,
  state,
  os,
  size,
  cpus,
  memoryMiB,
  disks,
  zones,
  nics,
}: InventoryRow) {
  const machine = [
    ...(cpus === undefined ? [] : [cpus]),
    ...(memoryMiB === undefined ? [] : [formatMiB(memoryMiB)]),
  ];
  const addresses = nics.flatMap((nic) => (nic.addresses.length > 0 ? nic.addresses : (nic.mac ?? [])));
  return [
    safeLine(name),
    safeLine(resourceGroup),
    state,
    os,
    safeLine(machine.length === 0 ? size : `${size} (${machine.join(', ')})`),
    `${disks.length}, ${formatBytes(sum(disks))}`,
    safeLine(zones.join(' ')) || '-',
    safeLine(addresses.join(' ')) || '-',
  ];
}

const formatMiB = (mebibytes: number) => formatBytes(mebibytes * 2 ** 20);

function sum(disks: AzureMachine['disks']): number {
  return disks.reduce((total, { sizeBytes = 0 }) => total + sizeBytes, 0);
}

const csvColumns: readonly CsvColumn<InventoryRow>[] = [
  ['subscription', (row) => row.subscription],
  ['resourceGroup', (row) => row.resourceGroup],
  ['name', (row) => row.name],
  ['state', (row) => row.state],
  ['os', (row) => row.os],
  ['size', (row) => row.size],
  ['cpus', (row) => row.cpus],
  ['memoryMiB', (row) => row.memoryMiB],
  ['firmware', (row) => row.firmware],
  ['location', (row) => row.location],
  ['zones', (row) => row.zones.join(' ')],
  ['disks', (row) => row.disks.length],
  ['diskBytes', (row) => sum(row.disks)],
  ['networks', (row) => row.nics.flatMap(({ network }) => network ?? []).join(' ')],
  ['macs', (row) => row.nics.flatMap(({ mac }) => mac ?? []).join(' ')],
  ['addresses', (row) => row.nics.flatMap(({ addresses }) => addresses).join(' ')],
  ['tags', (row) => tagsText(row.tags)],
];

const tagsText = (tags: InventoryRow['tags']) =>
  Object.entries(tags)
    .map(([name, value]) => `${name}=${value}`)
    .join('; ');

/** VMs as CSV. */
export const inventoryCsv = (rows: readonly InventoryRow[]): string => csvText(csvColumns, rows);
