import { LonghaulError } from '../contracts/errors.ts';
import { labelPattern, labelRule, maxLabels } from '../contracts/labels.ts';
import type { Elsewhere } from '../contracts/steps.ts';
import type { LiveView } from './live-view.ts';
import type { LonghaulClient } from './longhaul-client.ts';

/** What is told of a migration that begins again elsewhere. */
export interface Reassignment {
  /** The host it was on. */
  from?: string;
  /** What an operator should know, each one sentence or two. */
  notes: string[];
}

interface Wish {
  migrationId: string;
  to: Elsewhere;
  /** Also when its host is there and works on it. */
  running: boolean;
}

/**
 * Whether a migration may be taken from its host, as far as that can be told from outside.
 *
 * @throws LonghaulError OPTION_INVALID, REASSIGN_REFUSED
 */
export async function reassignable(client: LonghaulClient, wish: Wish): Promise<Reassignment> {
  const { migrationId, to, running } = wish;
  refuseSenseless(to);
  const view = await client.view(migrationId);
  const { hostId } = view;
  const isGone = hostId !== undefined && (await isAway(client, view));
  if (hostId !== undefined && view.status === 'running' && !isGone && !running)
    throw new LonghaulError('REASSIGN_REFUSED', {
      found: `${migrationId} runs on ${hostId}, which is there.`,
      remedy: 'Let it go on; or add --running, which stops it there, and all it has done is done again.',
    });
  const labels = to.labels ?? (to.host === undefined ? view.spec.target.labels : undefined);
  const doubt = await client.hostDoubt({ host: to.host ?? 'any', ...(labels && { labels }) });
  return {
    ...(hostId === undefined ? {} : { from: hostId }),
    notes: [
      ...(hostId === undefined ? [] : leavings(hostId, isGone, view)),
      ...(doubt === undefined ? [] : [`It waits. ${doubt.found} ${doubt.remedy}`]),
    ],
  };
}

function refuseSenseless({ host, labels = [] }: Elsewhere): void {
  const wrong = labels.find((label) => !labelPattern.test(label));
  if (wrong !== undefined)
    throw new LonghaulError('OPTION_INVALID', {
      found: `"${wrong}" is not a label.`,
      remedy: `A label ${labelRule}.`,
    });
  if (labels.length > maxLabels || (host !== undefined && labels.length > 0))
    throw new LonghaulError('OPTION_INVALID', {
      found: 'Labels choose among hosts, and they are too many, or a host is named too.',
      remedy: `Give --host, or ${maxLabels} labels at most.`,
    });
}

async function isAway(client: LonghaulClient, { hostId, waitsForHost }: LiveView): Promise<boolean> {
  if (waitsForHost !== undefined) return true;
  return (await client.hostDoubt({ host: hostId ?? 'any' })) !== undefined;
}

function leavings(hostId: string, isGone: boolean, { spec }: LiveView): string[] {
  const when = isGone ? `when ${hostId} is back` : 'now';
  const { source } = spec;
  return [
    `What it left on ${hostId} is removed ${when}: disks, work files, and what it made at the source.`,
    ...(source.kind === 'azure' && isGone
      ? [
          'Should that host never come back: `longhaul reap azure` finds its snapshots when the migration has ended.',
        ]
      : []),
  ];
}
