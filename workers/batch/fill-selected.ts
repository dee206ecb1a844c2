import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { StepIo } from '../../activities/host/step-io.ts';
import { type FoundVm, selectVms } from '../../activities/sources/select.ts';
import type { SourceDeps } from '../../activities/sources/source.ts';
import type { BatchEntry, Selected } from '../../contracts/batch-select.ts';
import { inOrder, overridden, placedVm, type PlacedVm, problemsText } from '../../contracts/batch-vms.ts';
import { type BatchView, pageIdOf, pagesUpTo, type PageView } from '../../contracts/batch.ts';
import type { FillRequest } from '../../contracts/steps.ts';
import { addPages, pagesAtOnce, registerPage } from './fill-batch.ts';

/** Sentences of a kind that are kept. */
const maxTold = 20;

type Deps = Pick<SourceDeps, 'resolveSecret' | 'azure'>;

/**
 * Looks up the VMs of a batch and hands those over that were not migrated and are not under way. Called again after it was
 * cut off it leaves out what the batch has got already.
 */
export async function fillSelected(
  client: Client,
  request: FillRequest,
  deps: Deps,
  io: StepIo,
): Promise<Selected> {
  const { batchId, selector, order } = request;
  io.report('looks for VMs');
  const { vms: found, gaps } = selector
    ? await selectVms(selector, deps, io)
    : { vms: listedIn(request), gaps: [] };
  const view = await client.workflow.getHandle(batchId).query<BatchView>('batch');
  const known = await handedOver(client, view);
  const before = await underWayOrDone(client);
  const names = new Set(known.names);
  const selected: Selected = {
    vms: 0,
    leftOut: 0,
    refused: [],
    refusedCount: 0,
    gaps: gaps.slice(0, maxTold),
  };
  const refuse = (text: string) => {
    selected.refusedCount += 1;
    if (selected.refused.length < maxTold) selected.refused.push(text.slice(0, 300));
  };
  const placed: PlacedVm[] = [];
  for (const vm of found) {
    const result = placedVm(entryOf(vm, request), {
      waves: view.waves,
      defaults: request.defaults ?? {},
      baseDir: '/',
    });
    if ('problems' in result) refuse(`${vm.name}: ${problemsText(result.problems)}`);
    else if (known.ids.has(result.vm.migrationId)) selected.vms += 1;
    else if (before.has(result.vm.migrationId)) selected.leftOut += 1;
    else if (names.has(result.vm.spec.name))
      refuse(`${vm.name}: another VM of the batch is called ${result.vm.spec.name}`);
    else {
      names.add(result.vm.spec.name);
      placed.push(result.vm);
    }
  }
  let after = known.lastPage;
  for (const wave of view.waves.keys()) {
    const vms = inOrder(placed, wave, order);
    io.report(`hands over ${vms.length} VMs`);
    after = await addPages(client, view, { wave, after, vms, signal: io.signal });
  }
  return { ...selected, vms: selected.vms + placed.length };
}

const listedIn = ({ listed = [] }: FillRequest): FoundVm[] =>
  listed.map((entry) => ({ name: typeof entry.name === 'string' ? entry.name : '', entry, sizeGiB: 0 }));

function entryOf({ name, entry, sizeGiB }: FoundVm, { selector, overrides = [] }: FillRequest): BatchEntry {
  if (selector === undefined) return entry;
  const { wave, priority } = selector;
  return overridden({ ...entry, wave, priority, sizeGiB }, name, overrides);
}

/**
 * What the batch has got from an attempt before, page by page. Pages that were made and did not come to be registered are
 * registered: their VMs stand in them.
 */
async function handedOver(client: Client, { batchId, lastPage, waves, startedAt }: BatchView) {
  const [ids, names] = [new Set<string>(), new Set<string>()];
  let last = lastPage;
  for (const page of pagesUpTo(lastPage + pagesAtOnce)) {
    const view = await pageView(client, pageIdOf(batchId, page), page <= lastPage ? undefined : startedAt);
    if (view === undefined) continue;
    for (const { migrationId, vm } of view.vms) {
      ids.add(migrationId);
      names.add(vm);
    }
    if (page <= lastPage) continue;
    const wave = waves.findIndex(({ name }) => name === view.wave);
    await registerPage(client, batchId, { page, wave, vms: view.vms.length });
    last = page;
  }
  return { ids, names, lastPage: last };
}

/** @param since of a page that is not registered: one that is older, or has ended, is of a batch before */
async function pageView(client: Client, pageId: string, since?: string): Promise<PageView | undefined> {
  const handle = client.workflow.getHandle(pageId);
  try {
    if (since !== undefined) {
      const { status, startTime } = await handle.describe();
      if (status.name !== 'RUNNING' || startTime < new Date(since)) return undefined;
    }
    return await handle.query<PageView>('page');
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** Ids of the migrations that were completed, as long as the server remembers them, and of those that run. */
async function underWayOrDone(client: Client): Promise<Set<string>> {
  const ids = new Set<string>();
  const query = "WorkflowType = 'migrateVm' AND ExecutionStatus IN ('Completed', 'Running')";
  for await (const { workflowId } of client.workflow.list({ query, pageSize: 1000 })) ids.add(workflowId);
  return ids;
}
