import {
  type Client,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import type { BatchContent } from '../../contracts/batch-file.ts';
import {
  batchIdOf,
  batchNameOf,
  type BatchInput,
  type BatchView,
  type BatchVm,
  pageIdOf,
  pagesUpTo,
  type VmOutcome,
  type VmStatus,
} from '../../contracts/batch.ts';
import { LonghaulError } from '../../contracts/errors.ts';
import type { ServerCall } from '../connect.ts';
import { rowFacts } from '../progress.ts';
import {
  adoptUpdate,
  approveUpdate,
  batchQuery,
  dropUpdate,
  pageQuery,
  pauseBatchSignal,
  resumeBatchSignal,
  vmsQuery,
} from '../../workflows/batch/messages.ts';
import { batchError } from '../../workers/batch/batch-error.ts';
import { addPages, fillBatch, startBatch } from '../../workers/batch/fill-batch.ts';
import { orNothing } from '../../workers/or-nothing.ts';

/** Pages that are asked at once. */
const askedAtOnce = 8;
const failed: readonly VmStatus[] = ['failed', 'aborted', 'cancelled'];
/** How a VM can have fared that is begun once more. */
const unlucky: readonly VmStatus[] = [...failed, 'not begun'];
/** The only wave of a run that begins some of a batch once more. */
const retryWave = 'retry';

export interface BatchRow {
  name: string;
  status: string;
  startedAt: string;
  endedAt?: string;
}

/** Batches by name. Every method throws LonghaulError only: BATCH_NOT_FOUND, and the codes named at each. */
export class Batches {
  readonly #client: Client;
  readonly #call: ServerCall;

  constructor(client: Client, call: ServerCall) {
    this.#client = client;
    this.#call = call;
  }

  /**
   * Starts a batch and hands its VMs over; one that was cut off while it did so is handed the rest.
   *
   * @throws LonghaulError BATCH_EXISTS
   */
  async start(plan: BatchContent): Promise<void> {
    const { name } = plan.input;
    await this.#of(name, async () => {
      try {
        await startBatch(this.#client, plan.input);
      } catch (error) {
        if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
        const { status } = await this.#handle(name).query(batchQuery);
        if (status !== 'filling') throw exists(name, error);
      }
    });
    await this.#of(name, () => fillBatch(this.#client, plan), 'unlimited');
  }

  /** The name that is meant: of a schedule it is that of the newest batch which the schedule has begun. */
  async find(name: string): Promise<string> {
    return this.#call(async () => {
      try {
        await this.#handle(name).describe();
        return name;
      } catch (error) {
        if (!(error instanceof WorkflowNotFoundError)) throw error;
        const rows = await this.#rows(`WorkflowId STARTS_WITH '${batchIdOf(quoted(name))}-2'`);
        return rows.find((row) => begunBySchedule.test(row.name.slice(name.length)))?.name ?? name;
      }
    });
  }

  async view(name: string): Promise<BatchView> {
    return this.#of(name, () => this.#handle(name).query(batchQuery));
  }

  /**
   * How its VMs fared, those that were begun once more with their last try.
   *
   * @param wanted pages, see `pagesUpTo`; one may have a number that nobody has used: two who edited at once skipped it
   */
  async outcomes(name: string, wanted: readonly number[]): Promise<VmOutcome[]> {
    const outcomes = new Map<string, VmOutcome>();
    for (let at = 0; at < wanted.length; at += askedAtOnce) {
      const some = wanted.slice(at, at + askedAtOnce).map((page) => this.#page(name, page));
      const views = await Promise.all(
        some.map((page) => this.#of(name, () => orNothing(page.query(pageQuery)))),
      );
      for (const view of views)
        for (const vm of view?.vms ?? []) if (isNews(vm, outcomes.get(vm.vm))) outcomes.set(vm.vm, vm);
    }
    return [...outcomes.values()];
  }

  async list(): Promise<BatchRow[]> {
    return this.#call(() => this.#rows());
  }

  /** Newest first. */
  async #rows(which?: string): Promise<BatchRow[]> {
    const rows = new Map<string, BatchRow>();
    const query = ["WorkflowType = 'migrateBatch'", ...(which === undefined ? [] : [which])].join(' AND ');
    for await (const info of this.#client.workflow.list({ query })) {
      const name = batchNameOf(info.workflowId);
      const startedAt = info.startTime.toISOString();
      if ((rows.get(name)?.startedAt ?? '') >= startedAt) continue;
      const endedAt = info.closeTime?.toISOString();
      rows.set(name, { name, status: rowFacts(info).status, startedAt, ...(endedAt ? { endedAt } : {}) });
    }
    return [...rows.values()].toSorted((a, b) => b.startedAt.localeCompare(a.startedAt));
  }

  async pause(name: string): Promise<void> {
    await this.#of(name, () => this.#handle(name).signal(pauseBatchSignal));
  }

  async resume(name: string): Promise<void> {
    await this.#of(name, () => this.#handle(name).signal(resumeBatchSignal));
  }

  async cancel(name: string): Promise<void> {
    await this.#of(name, () => this.#handle(name).cancel());
  }

  /** Lets a wave begin. @throws LonghaulError BATCH_EDIT_REFUSED */
  async approve(name: string, wave: string): Promise<void> {
    await this.#of(name, () => this.#handle(name).executeUpdate(approveUpdate, { args: [wave] }));
  }

  /** Takes a VM out that was not begun. @throws LonghaulError BATCH_EDIT_REFUSED */
  async drop(name: string, vm: string): Promise<void> {
    const { page } = await this.#whereItWaits(await this.view(name), vm);
    await this.#of(name, () => this.#page(name, page).executeUpdate(dropUpdate, { args: [vm] }));
  }

  /** Puts a VM that waits before all others of the wave that is on. @throws LonghaulError BATCH_EDIT_REFUSED */
  async first(name: string, vm: string): Promise<void> {
    const view = await this.view(name);
    const { page, wave, migrationId } = await this.#whereItWaits(view, vm);
    if (wave !== view.waves[view.wave]?.name)
      throw new LonghaulError('BATCH_EDIT_REFUSED', {
        found: `${vm} is in the wave ${wave}, which has not begun`,
        remedy: 'It can come first when its wave is on.',
      });
    const work = async () => {
      const from = this.#page(name, page);
      const [moved] = await from.query(vmsQuery, [migrationId]);
      if (moved === undefined) return;
      // First there, then no longer here: cut off in between it is in both, and begins once.
      const adopter = await this.#adopter(view, moved);
      if (adopter === undefined)
        await addPages(this.#client, view, {
          wave: view.wave,
          after: view.lastPage,
          vms: [moved],
          first: true,
        });
      if (adopter !== page) await from.executeUpdate(dropUpdate, { args: [vm] });
    };
    await this.#of(name, work, 'unlimited');
  }

  /** The page that begins a VM next: one that has places already. */
  async #adopter({ name, activePages }: BatchView, vm: BatchVm): Promise<number | undefined> {
    for (const page of activePages) {
      try {
        await this.#page(name, page).executeUpdate(adoptUpdate, { args: [vm] });
        return page;
      } catch (error) {
        // It begins nothing more, or has ended.
        const isRefused =
          error instanceof WorkflowUpdateFailedError || error instanceof WorkflowNotFoundError;
        if (!isRefused) throw error;
      }
    }
    return undefined;
  }

  /**
   * Adds the VMs of another batch file, to the waves of the same names, or where it has none to the wave that is on. Those
   * that are in the batch already are left out.
   *
   * @returns how many
   * @throws LonghaulError BATCH_EDIT_REFUSED
   */
  async add(name: string, { input, vms }: BatchContent): Promise<number> {
    const view = await this.view(name);
    const known = new Set(
      (await this.outcomes(name, pagesUpTo(view.lastPage)))
        .filter(({ status }) => status !== 'dropped')
        .map(({ migrationId }) => migrationId),
    );
    let after = view.lastPage;
    let added = 0;
    for (const [index, ofWave] of vms.entries()) {
      const fresh = ofWave.filter(({ migrationId }) => !known.has(migrationId));
      if (fresh.length === 0) continue;
      const wave = waveFor(view, input, index);
      await this.#of(
        name,
        async () => (after = await addPages(this.#client, view, { wave, after, vms: fresh })),
        'unlimited',
      );
      added += fresh.length;
    }
    return added;
  }

  /**
   * Begins those once more that did not succeed: in the wave that is on, or when the batch has ended, in a new run of it.
   *
   * @param failedOnly leaves those out that were not begun
   * @returns how many
   */
  async retry(name: string, { failedOnly = false } = {}): Promise<number> {
    const view = await this.view(name);
    const wanted = failedOnly ? failed : unlucky;
    const unluckyOnes = (await this.outcomes(name, pagesUpTo(view.lastPage))).filter(({ status }) =>
      wanted.includes(status),
    );
    // Cut off while it handed them over, it goes on where it was.
    const isUnfinished =
      view.status === 'filling' && view.waves.every(({ name: wave }) => wave === retryWave);
    if (unluckyOnes.length === 0 && !isUnfinished) return 0;
    const ids = unluckyOnes.map(({ migrationId }) => migrationId);
    const vms = await this.#vms(name, view.lastPage, ids);
    if (isUnfinished || (await this.#isOver(name))) {
      const input = { name, atOnce: view.atOnce, onFailure: view.onFailure };
      const waves = [{ name: retryWave, approval: false }];
      await this.start({ input: { ...input, waves, pagesBefore: view.lastPage }, vms: [vms] });
    } else {
      const more = { wave: view.wave, after: view.lastPage, vms };
      await this.#of(name, () => addPages(this.#client, view, more), 'unlimited');
    }
    return vms.length;
  }

  async #vms(name: string, lastPage: number, ids: readonly string[]) {
    const ask = (page: number) =>
      this.#of(name, () => orNothing(this.#page(name, page).query(vmsQuery, [...ids])));
    const found = new Map<string, BatchVm>();
    for (const page of pagesUpTo(lastPage))
      for (const vm of (await ask(page)) ?? []) found.set(vm.migrationId, vm);
    return ids.flatMap((id) => found.get(id) ?? []);
  }

  async #isOver(name: string): Promise<boolean> {
    const { status } = await this.#of(name, () => this.#handle(name).describe());
    return status.name !== 'RUNNING' && status.name !== 'PAUSED';
  }

  /** The page that a VM waits in, and its wave. */
  async #whereItWaits({ name, lastPage }: BatchView, vm: string) {
    for (const page of pagesUpTo(lastPage).toReversed()) {
      const view = await this.#of(name, () => orNothing(this.#page(name, page).query(pageQuery)));
      const found = view?.vms.find((one) => one.vm === vm && one.status === 'waiting');
      if (view && found) return { page, wave: view.wave, migrationId: found.migrationId };
    }
    throw new LonghaulError('BATCH_EDIT_REFUSED', {
      found: `no VM ${vm} waits in the batch ${name}`,
      remedy: `See \`longhaul batch status ${name}\`; one that runs is a migration of its own: \`longhaul cancel ${vm}\`.`,
    });
  }

  #handle(name: string) {
    return this.#client.workflow.getHandle(batchIdOf(name));
  }

  #page(name: string, page: number) {
    return this.#client.workflow.getHandle(pageIdOf(batchIdOf(name), page));
  }

  async #of<T>(name: string, work: () => Promise<T>, limit?: 'unlimited'): Promise<T> {
    return this.#call(async () => {
      try {
        return await work();
      } catch (error) {
        throw batchError(name, error);
      }
    }, limit);
  }
}

/** What a schedule puts behind the name of a batch. */
const begunBySchedule = /^-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

/** Whether a later page tells more of a VM than one before did. */
function isNews({ status }: VmOutcome, known: VmOutcome | undefined): boolean {
  if (known === undefined) return true;
  if (status === 'migrated before') return unlucky.includes(known.status);
  return status !== 'dropped';
}

function waveFor(view: BatchView, { waves }: BatchInput, index: number): number {
  const name = waves[index]?.name ?? '';
  const wave = view.waves.findIndex((each) => each.name === name);
  if (wave >= 0) return wave;
  if (waves.length === 1) return view.wave;
  const names = view.waves.map((each) => each.name).join(', ');
  throw new LonghaulError('BATCH_EDIT_REFUSED', {
    found: `the batch ${view.name} has no wave ${name}; it has ${names}`,
    remedy: 'Name its waves in the file, or none.',
  });
}

/** For a query of the server's lists. */
const quoted = (text: string): string => text.replaceAll(/[^A-Za-z0-9._+:-]/g, '');

const exists = (name: string, cause: unknown) =>
  new LonghaulError(
    'BATCH_EXISTS',
    {
      found: `a batch ${name} is under way`,
      remedy: `Look at it with \`longhaul batch status ${name}\`, or give the new one another name.`,
    },
    cause,
  );
