import type { AzureMachine, InventoryFilter } from '../../../contracts/azure-inventory.ts';
import { anyFits } from '../../../contracts/wildcards.ts';

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

function stateIs({ state }: AzureMachine, wanted: 'running' | 'stopped'): boolean {
  return wanted === 'running' ? state === 'running' : state === 'stopped' || state === 'deallocated';
}

/** Names of tags are the same in whatever case they are written, values are not. */
function hasTag({ tags }: AzureMachine, { name, value }: { name: string; value?: string }): boolean {
  return Object.entries(tags).some(
    ([key, its]) => key.toLowerCase() === name.toLowerCase() && (value === undefined || its === value),
  );
}
