/** What a host is marked with and a VM asks for: `ssd`, `zone=a`. Compared whole. */

export const maxLabels = 8;

/** A key, and perhaps `=` and a value. Labels stand in the names of task queues. */
export const labelPattern =
  /^[a-z0-9]([a-z0-9._-]{0,30}[a-z0-9])?(=[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/;

export const labelRule =
  'must be like ssd or zone=a: a key of small letters, digits and inner . _ -, and perhaps = and a value';

/** Those that are wanted and not there. */
export const lacking = (wanted: readonly string[], there: readonly string[]): string[] =>
  wanted.filter((label) => !there.includes(label));

/** `the label ssd`, `the labels ssd and zone=a`. */
export function namedLabels(labels: readonly string[]): string {
  const last = labels.at(-1) ?? '';
  return labels.length < 2 ? `the label ${last}` : `the labels ${labels.slice(0, -1).join(', ')} and ${last}`;
}
