import type { MigrationView, StepState } from '../contracts/steps.ts';

/** The Markdown that the Temporal UI shows as a workflow's current details. */
export function currentDetails(view: MigrationView): string {
  const lines = [
    `**${view.vm}**: ${statusLine(view)}`,
    '',
    '| step | state | took |',
    '|---|---|---|',
    ...view.steps.map(({ name, state }) => `| ${name} | ${stateText(state)} | ${duration(state)} |`),
  ];
  if (view.disks.length > 0) {
    lines.push('', '| disk | done | of | rate |', '|---|---|---|---|');
    for (const disk of view.disks) {
      lines.push(
        `| ${disk.index + 1} | ${mebibytes(disk.doneBytes)} | ${mebibytes(disk.totalBytes)} | ${mebibytes(disk.rateBytesPerSecond)}/s |`,
      );
    }
  }
  if (view.status === 'parked' && view.failure) {
    lines.push(
      '',
      `**${view.failure.code}**: ${view.failure.found}`,
      '',
      `What to do: ${view.failure.remedy}`,
    );
    lines.push('', `Then \`longhaul retry ${view.migrationId}\`, or \`skip\` or \`abort\` in its place.`);
  }
  if (view.hostGone !== undefined)
    lines.push(
      '',
      `It goes on when the host is back. To begin it again elsewhere: \`longhaul reassign ${view.migrationId}\`.`,
    );
  return lines.join('\n');
}

function statusLine(view: MigrationView): string {
  const where = view.hostId === undefined ? '' : ` on ${view.hostId}`;
  if (view.hostGone !== undefined) return `waits for ${view.hostId ?? ''}, gone since ${view.hostGone}`;
  if (view.pausing) return `pausing after the running step${where}`;
  return `${view.status}${where}${view.doing === undefined ? '' : `, ${view.doing}`}`;
}

function stateText(state: StepState): string {
  switch (state.status) {
    case 'pending':
    case 'running':
      return state.status;
    case 'done':
      return state.note === undefined ? 'done' : `done: ${state.note}`;
    case 'skipped':
      return `skipped: ${state.reason}`;
    case 'failed':
      return `failed: ${state.failure.code}`;
  }
}

function duration(state: StepState): string {
  if (state.status !== 'done' && state.status !== 'failed') return '';
  return `${((Date.parse(state.endedAt) - Date.parse(state.startedAt)) / 1000).toFixed(1)} s`;
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(0)} MiB`;
}
