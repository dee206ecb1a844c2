import type { TemporalLink } from './connect.ts';

/** A poll lasts a minute at most; an older one is of a worker that has gone. */
const recentMs = 70_000;

/** Identities of the workers that asked a queue for work in the last minute. */
export async function recentPollers(
  { connection, namespace }: Pick<TemporalLink, 'connection' | 'namespace'>,
  name: string,
  kind: 'workflow' | 'activity',
): Promise<string[]> {
  const { pollers } = await connection.workflowService.describeTaskQueue({
    namespace,
    taskQueue: { name },
    // temporal.api.enums.v1.TaskQueueType, whose package is not one of ours.
    // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment
    taskQueueType: kind === 'workflow' ? 1 : 2,
  });
  const since = Date.now() - recentMs;
  return pollers
    .filter((poller) => Number(poller.lastAccessTime?.seconds ?? 0) * 1000 > since)
    .map(({ identity }) => identity ?? '');
}
