import type { OurConversion } from './conversion.ts';
import type { Difference, Explanation } from './judge.ts';
import type { V2vSide } from './v2v-side.ts';

export interface GuestResult {
  name: string;
  v2v: V2vSide;
  conversion: OurConversion;
  explained: ReadonlyMap<Explanation, readonly Difference[]>;
}

const maxShownPaths = 3;

/** One guest of the result page, in Markdown lines. */
export function guestSection({ name, v2v, conversion, explained }: GuestResult): string[] {
  const { facts, outcomes, seconds } = conversion;
  const { launchSeconds, inspectSeconds } = facts.timings;
  return [
    '',
    `## ${name}`,
    '',
    '| | |',
    '| --- | --- |',
    `| virt-v2v-in-place | ${v2v.seconds.toFixed(0)} s (${v2v.date}) |`,
    `| Longhaul, launch to unmount | ${seconds.toFixed(1)} s |`,
    `| ratio | ${(seconds / v2v.seconds).toPrecision(3)} |`,
    `| launch | ${launchSeconds.toFixed(1)} s |`,
    `| inspection | ${inspectSeconds.toFixed(2)} s |`,
    ...outcomes.map(
      ({ fix, seconds: took, changes }) => `| ${fix} | ${took.toFixed(2)} s, ${changes.length} changes |`,
    ),
    '',
    '| Changed by | Paths | Why that is right |',
    '| --- | --- | --- |',
    ...[...explained].map(([{ by, reason }, found]) => `| ${by} | ${pathsOf(found)} | ${reason} |`),
  ];
}

function pathsOf(found: readonly Difference[]): string {
  const shown = found.slice(0, maxShownPaths).map(({ path }) => `\`${path}\``);
  const more = found.length - shown.length;
  return [...shown, ...(more > 0 ? [`${more} more`] : [])].join(', ');
}
