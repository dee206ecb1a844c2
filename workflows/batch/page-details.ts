import type { PageInput, PageView, VmOutcome } from '../../contracts/batch.ts';
import { code, text } from '../../contracts/markdown.ts';
import { detailsTable } from '../details-table.ts';

/** The Markdown that the Temporal UI shows as the current details of a page of a batch: its VMs, and their workflows. */
export function pageDetails({ batch }: Pick<PageInput, 'batch'>, { wave, vms }: PageView): string {
  return [
    `Some VMs of the batch **${text(batch)}**, in its wave **${text(wave)}**`,
    detailsTable(['VM', 'State', 'Workflow'], vms.map(row)),
    `All of the batch: ${code(`longhaul batch status ${batch}`)}`,
  ].join('\n\n');
}

const row = ({ vm, status, code: why, migrationId, startedAt }: VmOutcome): string[] => [
  text(vm),
  why === undefined ? status : `${status}: ${text(why)}`,
  startedAt === undefined ? '' : text(migrationId),
];
