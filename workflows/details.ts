import { code, prose, text, time } from '../contracts/markdown.ts';
import type { DiskProgress, MigrationView, StepName, StepState } from '../contracts/steps.ts';
import { formatBytes, formatDuration, secondsBetween } from '../contracts/units.ts';
import { detailsTable } from './details-table.ts';

/** What a step is there for, for those who see a migration for the first time. */
const purposes: Record<StepName, string> = {
  placement: 'find a KVM host for it',
  preflight: 'look for what could stop it later',
  acquire: 'get at the disks of the source',
  inspect: 'look into the guest',
  fix: 'make the guest fit for KVM',
  convert: 'write the new disks',
  define: 'make the libvirt domain',
  'verify-boot': 'boot a throwaway copy',
  report: 'keep the report, clean up',
};

/** The Markdown that the Temporal UI shows as a migration's current details: how it is, what to do, its steps. */
export function currentDetails(view: MigrationView): string {
  return [headline(view), ...trouble(view), ...next(view), stepTable(view), ...diskTable(view.disks)].join(
    '\n\n',
  );
}

function headline(view: MigrationView): string {
  const vm = `**${text(view.vm)}**`;
  const host = view.hostId === undefined ? '' : ` on ${text(view.hostId)}`;
  const at = view.steps.find(({ state: { status } }) => status === 'running' || status === 'failed')?.name;
  if (view.hostGone !== undefined)
    return `${vm} waits for ${text(view.hostId ?? 'its host')}, gone since ${time(view.hostGone)}`;
  if (view.status === 'parked') return `${vm} waits for a decision: step **${at ?? ''}** failed${host}`;
  if (view.pausing) return `${vm}: pausing after the running step${host}`;
  const doing = view.doing === undefined ? '' : `, ${text(view.doing)}`;
  return `${vm}: ${view.status}${host}${at === undefined ? '' : `, step **${at}**`}${doing}`;
}

function trouble({ failure, status }: MigrationView): string[] {
  if (failure === undefined || status === 'running' || status === 'completed') return [];
  return [`**${failure.code}**: ${prose(failure.found)}`, `What to do: ${prose(failure.remedy)}`];
}

/** What can be done about it in a terminal. */
function next({ status, hostGone, migrationId: id }: MigrationView): string[] {
  if (hostGone !== undefined)
    return [
      `It goes on when the host is back. To begin it again elsewhere: ${code(`longhaul reassign ${id}`)}`,
    ];
  switch (status) {
    case 'parked':
      return [
        'Then one of:',
        [
          `- ${code(`longhaul retry ${id}`)} runs the step again; ${code('--set KEY=VALUE')} amends the spec first`,
          `- ${code(`longhaul skip ${id}`)} goes on without the step, where that is possible`,
          `- ${code(`longhaul abort ${id}`)} ends the migration and undoes what it did`,
        ].join('\n'),
      ];
    case 'paused':
      return [`Go on with ${code(`longhaul resume ${id}`)}`];
    case 'completed':
      return [`What was changed and proved, and how to start the VM: ${code(`longhaul report ${id}`)}`];
    case 'running':
    case 'failed':
    case 'cancelled':
    case 'aborted':
      return [];
  }
}

function stepTable({ steps }: MigrationView): string {
  return detailsTable(
    ['Step', 'State', 'What', 'Took'],
    steps.map(({ name, state }) => [name, signs[state.status], whatOf(name, state), took(state)]),
  );
}

const signs: Record<StepState['status'], string> = {
  pending: 'to come',
  running: '▶ running',
  done: '✓ done',
  skipped: '– skipped',
  failed: '✗ **failed**',
};

function whatOf(name: StepName, state: StepState): string {
  switch (state.status) {
    case 'pending':
    case 'running':
      return purposes[name];
    case 'done':
      return text(state.note ?? purposes[name]);
    case 'skipped':
      return text(state.reason);
    case 'failed':
      return text(state.failure.code);
  }
}

function took(state: StepState): string {
  if (state.status !== 'done' && state.status !== 'failed') return '';
  return formatDuration(secondsBetween(state.startedAt, state.endedAt));
}

function diskTable(disks: readonly DiskProgress[]): string[] {
  if (disks.length === 0) return [];
  const rows = disks.map(({ index, doneBytes, totalBytes, rateBytesPerSecond, etaSeconds }) => [
    String(index + 1),
    `${totalBytes > 0 ? Math.floor((doneBytes / totalBytes) * 100) : 100} %`,
    `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`,
    `${formatBytes(rateBytesPerSecond)}/s`,
    etaSeconds === undefined ? '' : formatDuration(etaSeconds),
  ]);
  return [detailsTable(['Disk', 'Done', 'Data', 'Rate', 'Time left'], rows)];
}
