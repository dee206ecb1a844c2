import { conflict } from './errors.ts';
import type { Disk, Resource } from './model.ts';
import type { World } from './world.ts';

/** Snapshots of these disks are there at once but can be used only when their background copy has ended. */
export const isCopied = (sku: string): boolean => ['PremiumV2_LRS', 'UltraSSD_LRS'].includes(sku);

/** When the background copy of a snapshot made now ends; undefined for disks that have none. */
export const copyOf = (world: World, disk: Disk): number | undefined =>
  isCopied(disk.sku) ? Date.now() + world.settings.backgroundCopyMs : undefined;

/** Grows to 100 as the copy goes on. */
export function completionPercent(
  world: World,
  { copiedAtMs }: { copiedAtMs?: number | undefined },
): number | undefined {
  if (copiedAtMs === undefined) return undefined;
  const left = Math.max(0, copiedAtMs - Date.now());
  return left === 0 ? 100 : Math.floor(100 * (1 - left / world.settings.backgroundCopyMs));
}

/** @throws ArmError while the copy goes on. */
export function refuseWhileCopied(exported: Resource & { copiedAtMs?: number | undefined }): void {
  if ((exported.copiedAtMs ?? 0) > Date.now())
    throw conflict(
      'OperationNotAllowed',
      `The background copy of '${exported.name}' has not completed; wait until completionPercent is 100.`,
    );
}
