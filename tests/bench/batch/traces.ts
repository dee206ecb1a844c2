import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { batchIdOf, pageIdOf, type BatchView } from '../../../contracts/batch.ts';

/** Migrations of a batch whose histories are read; all are alike. */
const migrations = 20;

/** What a batch left on the server: events of its longest history, bytes of its largest payload. */
export async function batchTraces(
  client: Client,
  name: string,
): Promise<{ events: number; payloadBytes: number }> {
  const traces = { events: 0, payloadBytes: 0 };
  const batchId = batchIdOf(name);
  const look = async ({ workflowId, runId }: WorkflowExecutionInfo) => {
    const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
    traces.events = Math.max(traces.events, events?.length ?? 0);
    traces.payloadBytes = Math.max(traces.payloadBytes, largestIn(events));
  };
  const ofBatch = `LonghaulBatch = "${batchId}"`;
  for await (const info of client.workflow.list({ query: `${ofBatch} AND WorkflowType != "migrateVm"` }))
    await look(info);
  let read = 0;
  for await (const info of client.workflow.list({ query: `${ofBatch} AND WorkflowType = "migrateVm"` })) {
    await look(info);
    if ((read += 1) === migrations) break;
  }
  const view = await client.workflow.getHandle(batchId).query<BatchView>('batch');
  const page = await client.workflow.getHandle(pageIdOf(batchId, view.lastPage)).query('page');
  for (const answer of [view, page])
    traces.payloadBytes = Math.max(traces.payloadBytes, Buffer.byteLength(JSON.stringify(answer)));
  return traces;
}

/** Length of the largest byte string in a value. */
function largestIn(value: unknown): number {
  if (value instanceof Uint8Array) return value.length;
  if (typeof value !== 'object' || value === null) return 0;
  return Math.max(0, ...Object.values(value).map(largestIn));
}
