import { formatBytes } from '../../contracts/units.ts';
import type { HostView } from '../hosts.ts';
import type { Paint } from '../options.ts';
import { alignColumns, safeLine } from './text.ts';

/** Hosts as a table. */
export function hostsText(hosts: readonly HostView[], paint: Paint): string {
  if (hosts.length === 0) return 'No worker ever came: start one with `longhaul worker` on a KVM host.';
  return alignColumns([
    ['HOST', 'STATE', 'STEPS', 'VMS', 'FREE', 'LABELS', 'VERSION'].map((head) => paint.dim(head)),
    ...hosts.map((host) => [
      safeLine(host.hostId),
      stateText(host, paint),
      stepsText(host),
      String(host.underWay),
      freeText(host.pulse?.targetFreeBytes),
      safeLine(host.facts?.labels.join(' ') || '-'),
      safeLine(host.facts?.version ?? '-'),
    ]),
  ]);
}

/** One host with all that is known of it. */
export function hostText(host: HostView, paint: Paint): string {
  const { facts, pulse } = host;
  const rows: [string, string | undefined][] = [
    ['steps', `${stepsText(host)}${beginText(pulse?.placed ?? 0)}`],
    ['migrations', `${host.underWay} under way${leftoversText(host)}`],
    ['labels', facts?.labels.join(' ') || 'none'],
    [
      'disks',
      facts && `${facts.targetDirectory}, ${freeText(pulse?.targetFreeBytes)} free${promisedText(host)}`,
    ],
    ['state', facts && `${facts.stateDirectory}, ${freeText(pulse?.stateFreeBytes)} free`],
    ['libvirt', facts?.libvirtUri],
    ['Longhaul', facts?.version],
    ['here since', host.state === 'gone' ? undefined : host.here && minute(host.here)],
  ];
  const known = rows.flatMap(([name, text]) =>
    text === undefined ? [] : [[paint.dim(name), safeLine(text)]],
  );
  return [
    `${paint.bold(safeLine(host.hostId))}  ${stateText(host, paint)}`,
    alignColumns(known, '  '),
    ...adviceOn(host).map((line) => `\n${line}`),
  ].join('\n');
}

function stateText({ state, drained, gone }: HostView, paint: Paint): string {
  switch (state) {
    case 'ready':
      return paint.green('ready');
    case 'drained':
      return paint.yellow('drained');
    case 'gone':
      return paint.red(
        `gone${gone === undefined ? '' : ` since ${minute(gone)}`}${drained ? ', drained' : ''}`,
      );
  }
}

/** VMs that were placed here a moment ago. */
const beginText = (count: number) =>
  count === 0 ? '' : count === 1 ? ', one VM begins' : `, ${count} VMs begin`;

const stepsText = ({ facts, pulse }: HostView) => `${pulse?.busy ?? '-'} of ${facts?.slots ?? '-'}`;

const freeText = (bytes: number | undefined) => (bytes === undefined ? '-' : formatBytes(bytes));

const promisedText = ({ pulse }: HostView) =>
  pulse && pulse.promisedBytes > 0
    ? `, ${formatBytes(pulse.promisedBytes)} of it for VMs that were placed`
    : '';

const leftoversText = ({ leftovers, state }: HostView) =>
  leftovers === 0
    ? ''
    : `; ${leftovers} left it${state === 'gone' ? ' and are cleaned up when it is back' : ''}`;

function adviceOn({ hostId, state, drained, underWay }: HostView): string[] {
  if (state === 'gone')
    return underWay === 0
      ? []
      : ['Its migrations go on when it is back; `longhaul reassign` begins one again elsewhere.'];
  if (!drained) return [];
  return underWay === 0
    ? [`Nothing is under way on it. \`longhaul host undrain ${safeLine(hostId)}\` lets it take VMs again.`]
    : ['It takes no more VMs; what is under way ends there.'];
}

/** `2026-11-28 10:02Z` */
const minute = (at: string) => `${at.slice(0, 10)} ${at.slice(11, 16)}Z`;
