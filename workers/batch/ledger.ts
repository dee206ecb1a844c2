import { createHash } from 'node:crypto';
import { type Client, WithStartWorkflowOperation } from '@temporalio/client';
import type { Workflow } from '@temporalio/common';
import { ledgerIdOf, type LedgerInput, markLength, marksIn, marksPerVolume } from '../../contracts/ledger.ts';
import { workflowTaskQueue } from '../../contracts/queues.ts';
import { orNothing } from '../or-nothing.ts';

/** VMs that were migrated, by the ids of their migrations: remembered longer than the server keeps the past. */
export class Ledger {
  private readonly client: Client;
  private readonly marks = new Set<string>();
  private volume = 1;
  private readonly tuning: LedgerInput['tuning'];

  private constructor(client: Client, tuning: LedgerInput['tuning']) {
    this.client = client;
    this.tuning = tuning;
  }

  static async read(client: Client, tuning?: LedgerInput['tuning']): Promise<Ledger> {
    const ledger = new Ledger(client, tuning);
    // One that somebody ended long ago may be missing in between.
    for (let [volume, missing] = [1, 0]; missing < 2; volume += 1)
      missing = (await ledger.readVolume(volume)) ? 0 : missing + 1;
    return ledger;
  }

  private async readVolume(volume: number): Promise<boolean> {
    const handle = this.client.workflow.getHandle(ledgerIdOf(volume));
    const text = await orNothing(handle.query<string>('ledger'));
    if (text === undefined) return false;
    for (const mark of marksIn(text)) this.marks.add(mark);
    const described = await orNothing(handle.describe());
    // One that has ended is begun again at once, as it was.
    if (described?.closeTime !== undefined) await this.write(volume, text);
    this.volume = volume;
    return true;
  }

  has(migrationId: string): boolean {
    return this.marks.has(markOf(migrationId));
  }

  /** Once more, or by two at once, it changes nothing. */
  async remember(migrationIds: Iterable<string>): Promise<void> {
    let fresh = [...new Set([...migrationIds].map(markOf))].filter((mark) => !this.marks.has(mark));
    while (fresh.length > 0) {
      const some = fresh.slice(0, marksPerVolume);
      const stand = await this.write(this.volume, some.join(''));
      for (const mark of some.slice(0, stand)) this.marks.add(mark);
      fresh = fresh.slice(stand);
      if (stand < some.length) this.volume += 1;
    }
  }

  /** @returns how many of the marks stand in the volume now */
  private write(volume: number, text: string): Promise<number> {
    const { tuning } = this;
    // By name: importing the definitions would load the workflow SDK into this process.
    return this.client.workflow.executeUpdateWithStart<Workflow, number, [string]>('remember', {
      args: [text],
      startWorkflowOperation: new WithStartWorkflowOperation('keepLedger', {
        workflowId: ledgerIdOf(volume),
        taskQueue: workflowTaskQueue,
        args: [{ volume, ...(tuning ? { tuning } : {}) }],
        workflowIdConflictPolicy: 'USE_EXISTING',
        staticSummary: `VMs that were migrated, volume ${volume}`,
      }),
    });
  }
}

const markOf = (migrationId: string): string =>
  createHash('sha256').update(migrationId).digest('base64url').slice(0, markLength);
