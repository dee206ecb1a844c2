import type { Client } from '@temporalio/client';
import type { StepIo } from '../../activities/host/step-io.ts';
import { type FoundVm, selectVms } from '../../activities/sources/select.ts';
import type { SourceDeps } from '../../activities/sources/source.ts';
import type { BatchEntry, Selected } from '../../contracts/batch-select.ts';
import { inOrder, overridden, placedVm, type PlacedVm, problemsText } from '../../contracts/batch-vms.ts';
import { type BatchView, pageIdOf, pagesUpTo, type PageView } from '../../contracts/batch.ts';
import type { FillRequest } from '../../contracts/steps.ts';
import { orNothing } from '../or-nothing.ts';
import { addPages, pagesAtOnce, registerPage } from './fill-batch.ts';
import { Ledger } from './ledger.ts';

/** VMs that are handed over at a time: their pages are messages to one run of the batch, which bears 2,000. */
const maxHandedOver = 20_000;
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
  atMost = maxHandedOver,
): Promise<Selected> {
  const { batchId, selector, order } = request;
  io.report('looks for VMs');
  const { vms: found, gaps } = selector
    ? await selectVms(selector, deps, io)
    : { vms: listedIn(request), gaps: [] };
  const view = await client.workflow.getHandle(batchId).query<BatchView>('batch');
  const known = await handedOver(client, view);
  const { running, completed } = await migrations(client);
  const ledger = await Ledger.read(client);
  await ledger.remember(completed);
  const isTaken = (id: string) => known.ids.has(id) || running.has(id) || ledger.has(id);
  const names = new Set(known.names);
  // What the batch has beyond the places before came from this one, by an attempt that was cut off.
  const own = Math.max(0, known.ids.size - (view.selected?.vms ?? 0));
  let taken = 0;
  const selected = { refused: [] as string[], refusedCount: 0, gaps: gaps.slice(0, maxTold) };
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
    else if (isTaken(result.vm.migrationId)) taken += 1;
    else if (names.has(result.vm.spec.name))
      refuse(`${vm.name}: another VM of the batch is called ${result.vm.spec.name}`);
    else {
      names.add(result.vm.spec.name);
      placed.push(result.vm);
    }
  }
  let after = known.lastPage;
  let handed = 0;
  for (const wave of view.waves.keys()) {
    const vms = inOrder(placed, wave, order).slice(0, atMost - handed);
    handed += vms.length;
    io.report(`hands over ${vms.length} VMs`);
    after = await addPages(client, view, { wave, after, vms, signal: io.signal });
  }
  const more = placed.length > handed ? { more: true as const } : {};
  return { ...selected, vms: own + handed, leftOut: Math.max(0, taken - own), ...more };
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
  if (since !== undefined) {
    const described = await orNothing(handle.describe());
    if (described?.status.name !== 'RUNNING' || described.startTime < new Date(since)) return undefined;
  }
  return orNothing(handle.query<PageView>('page'));
}

/** Ids of the migrations that run, and of those that were completed, as long as the server knows of them. */
async function migrations(client: Client): Promise<{ running: Set<string>; completed: Set<string> }> {
  const [running, completed] = [new Set<string>(), new Set<string>()];
  const query = "WorkflowType = 'migrateVm' AND ExecutionStatus IN ('Completed', 'Running')";
  for await (const { workflowId, status } of client.workflow.list({ query, pageSize: 1000 }))
    (status.name === 'COMPLETED' ? completed : running).add(workflowId);
  return { running, completed };
}
