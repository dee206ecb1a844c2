import { type Client, WithStartWorkflowOperation, WorkflowNotFoundError } from '@temporalio/client';
import {
  defaultLimitOf,
  gateIdOf,
  gateKeyFrom,
  isLimit,
  isTarget,
  maxLimit,
  type GateBook,
} from '../contracts/gates.ts';
import type { UpdateDefinition } from '@temporalio/common';
import { LonghaulError } from '../contracts/errors.ts';
import type { ServerCall } from './connect.ts';
import { gateStart, runningGates } from '../workers/start-gate.ts';
import { gateQuery, setBudgetUpdate, setLimitUpdate } from '../workflows/gate/messages.ts';
import type { sourceGate } from '../workflows/gate/source-gate.ts';

/** A limit, who fetches disks now, and who waits. */
export interface GateView extends GateBook {
  key: string;
}

/** Limits by key. Every method throws LonghaulError only: OPTION_INVALID for what is no key, and those of any call. */
export class Gates {
  readonly #client: Client;
  readonly #call: ServerCall;

  constructor(client: Client, call: ServerCall) {
    this.#client = client;
    this.#call = call;
  }

  /** Limits that were set, and those in use. */
  async list(): Promise<GateView[]> {
    const keys = await this.#call(() => runningGates(this.#client));
    const views: GateView[] = [];
    for (const key of keys) views.push(await this.#view(key));
    return views;
  }

  async view(text: string): Promise<GateView> {
    return this.#view(gateKeyFrom(text));
  }

  /** Takes effect at once, for all that wait and all that come. @returns the key that was meant */
  async setLimit(text: string, limit: number): Promise<string> {
    const key = gateKeyFrom(text);
    if (!isLimit(limit))
      throw new LonghaulError('OPTION_INVALID', {
        found: `${limit} is not a limit`,
        remedy: `Give a whole number from 0, which closes it, to ${maxLimit}.`,
      });
    await this.#update(key, setLimitUpdate, limit);
    return key;
  }

  /** @param bytesPerSecond null: as fast as it goes. @returns the key that was meant */
  async setBudget(text: string, bytesPerSecond: number | null): Promise<string> {
    const key = gateKeyFrom(text);
    if (isTarget(key))
      throw new LonghaulError('OPTION_INVALID', {
        found: `${key} is where disks are copied to, and budgets are for what they are fetched from`,
        remedy: 'Give it a number of disks; copies are as fast as the storage takes them.',
      });
    await this.#update(key, setBudgetUpdate, bytesPerSecond);
    return key;
  }

  /** A gate that does not run is started. */
  async #update<Value>(key: string, update: UpdateDefinition<null, [Value]>, value: Value): Promise<void> {
    await this.#call(async () => {
      const { args, ...options } = await gateStart(this.#client, { key });
      await this.#client.workflow.executeUpdateWithStart(update, {
        args: [value],
        startWorkflowOperation: new WithStartWorkflowOperation<typeof sourceGate>('sourceGate', {
          ...options,
          args,
          workflowIdConflictPolicy: 'USE_EXISTING',
        }),
      });
    });
  }

  async #view(key: string): Promise<GateView> {
    return this.#call(async () => {
      try {
        return { key, ...(await this.#client.workflow.getHandle(gateIdOf(key)).query(gateQuery)) };
      } catch (error) {
        // Nobody has come yet.
        if (error instanceof WorkflowNotFoundError)
          return { key, limit: defaultLimitOf(key), holders: [], lines: [] };
        throw error;
      }
    });
  }
}
