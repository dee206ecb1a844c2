import { standingOf, type HostBook } from '../../contracts/hosts.ts';

/** The Markdown that the Temporal UI shows as the current details of a host. */
export function hostDetails(hostId: string, book: HostBook): string {
  const { facts, drained, here, gone } = book;
  return [
    `**${hostId}**: ${standingOf(book)}${gone === undefined ? '' : ` since ${gone}`}`,
    ...(drained ? ['', `It takes no more VMs until \`longhaul host undrain ${hostId}\`.`] : []),
    ...(gone === undefined
      ? []
      : [
          '',
          'Migrations on it wait until it is back. `longhaul reassign` begins one again on another host.',
        ]),
    ...(facts === undefined
      ? []
      : [
          '',
          '| | |',
          '|---|---|',
          `| steps at once | ${facts.slots} |`,
          `| labels | ${facts.labels.join(', ') || 'none'} |`,
          `| disks go to | ${facts.targetDirectory} |`,
          `| libvirt | ${facts.libvirtUri} |`,
          `| Longhaul | ${facts.version} |`,
          ...(here === undefined ? [] : [`| here since | ${here} |`]),
        ]),
  ].join('\n');
}
