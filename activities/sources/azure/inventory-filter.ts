import type { AzureMachine } from './machine.ts';
import { fits } from './wildcards.ts';

/** Which VMs are wanted; what is left out does not choose. Names and places are compared without regard to case. */
export interface InventoryFilter {
  /** Patterns with `*` and `?`; one has to fit. */
  names?: readonly string[];
  /** All have to be there; without a value any will do. */
  tags?: readonly { name: string; value?: string }[];
  /** `stopped` is also what was deallocated. */
  state?: 'running' | 'stopped';
  os?: 'linux' | 'windows';
  /** Patterns as of names. */
  sizes?: readonly string[];
  zones?: readonly string[];
}

export function isWanted(machine: AzureMachine, filter: InventoryFilter): boolean {
  const { names, tags = [], state, os, sizes, zones } = filter;
  return (
    anyFits(names, machine.name) &&
    anyFits(sizes, machine.size) &&
    (zones === undefined || zones.some((zone) => machine.zones.includes(zone))) &&
    (os === undefined || machine.os === os) &&
    (state === undefined || stateIs(machine, state)) &&
    tags.every((tag) => hasTag(machine, tag))
  );
}

function anyFits(patterns: readonly string[] | undefined, text: string): boolean {
  return patterns === undefined || patterns.some((pattern) => fits(pattern, text, { anyOne: true }));
}

function stateIs({ state }: AzureMachine, wanted: 'running' | 'stopped'): boolean {
  return wanted === 'running' ? state === 'running' : state === 'stopped' || state === 'deallocated';
}

/** Names of tags are the same in whatever case they are written, values are not. */
function hasTag({ tags }: AzureMachine, { name, value }: { name: string; value?: string }): boolean {
  return Object.entries(tags).some(
    ([key, its]) => key.toLowerCase() === name.toLowerCase() && (value === undefined || its === value),
  );
}
