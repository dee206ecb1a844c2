import { standingOf, type HostBook } from '../../contracts/hosts.ts';
import { code, text, time } from '../../contracts/markdown.ts';
import { searchAttributes } from '../../contracts/search-attributes.ts';
import { formatBytes } from '../../contracts/units.ts';
import { detailsTable } from '../details-table.ts';

/** The Markdown that the Temporal UI shows as the current details of a host. */
export function hostDetails(hostId: string, book: HostBook): string {
  const { drained, gone } = book;
  const onIt = `${searchAttributes.host.name} = "${hostId}" AND WorkflowType = "migrateVm" AND ExecutionStatus = "Running"`;
  return [
    `**${text(hostId)}**: ${standingOf(book)}${gone === undefined ? '' : ` since ${time(gone)}`}`,
    ...(drained ? [`It takes no more VMs until ${code(`longhaul host undrain ${hostId}`)}`] : []),
    ...(gone === undefined
      ? []
      : [
          `Nobody has heard of its worker since then. Migrations on it wait until it is back; ${code('longhaul reassign VM')} begins one again on another host.`,
        ]),
    ...factsTable(book),
    `Its migrations, in the list of workflows: ${code(onIt)}`,
  ].join('\n\n');
}

function factsTable({ facts, here }: HostBook): string[] {
  if (facts === undefined) return [];
  const { slots, labels, memoryBytes, targetDirectory, libvirtUri, version } = facts;
  const rows = [
    ['Steps at once', String(slots)],
    ['Labels', text(labels.join(', ') || 'none')],
    ['Memory', formatBytes(memoryBytes)],
    ['Disks go to', code(targetDirectory)],
    ['libvirt', code(libvirtUri)],
    ['Longhaul', text(version)],
    ...(here === undefined ? [] : [['Here since', time(here)]]),
  ];
  return [detailsTable(['', ''], rows)];
}
