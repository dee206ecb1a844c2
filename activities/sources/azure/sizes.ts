import type { ComputeManagementClient } from '@azure/arm-compute';
import type { AzureConnection } from './connect.ts';
import { listAll } from './listing.ts';
import { skuResource } from './resources.ts';

/** What a size such as `Standard_D2s_v5` stands for. */
export interface AzureSize {
  cpus?: number;
  memoryMiB?: number;
  /** `x64` or `Arm64`. */
  architecture?: string;
  /** Whether it takes Premium SSDs. */
  premiumStorage?: boolean;
}

/** Sizes of one location by their name in lower case. */
export type SizeTable = ReadonlyMap<string, AzureSize>;

/**
 * The sizes of a location, in one listing.
 * https://learn.microsoft.com/rest/api/compute/resource-skus/list
 */
export async function listSizes(
  azure: AzureConnection,
  compute: ComputeManagementClient,
  location: string,
): Promise<SizeTable> {
  const filter = `location eq '${location.replaceAll("'", "''")}'`;
  const skus = await listAll(azure, `list the sizes of ${location}`, skuResource, () =>
    compute.resourceSkus.list({ filter }),
  );
  const table = new Map<string, AzureSize>();
  for (const { resourceType, name, capabilities = [] } of skus) {
    if (resourceType !== 'virtualMachines' || name === undefined) continue;
    const said = new Map(capabilities.map((one) => [one.name, one.value]));
    // Sizes with fewer processors than their hardware, such as Standard_M8-2ms, say so by vCPUsAvailable.
    const cpus = positive(said.get('vCPUsAvailable') ?? said.get('vCPUs'));
    const memoryGiB = positive(said.get('MemoryGB'));
    const architecture = said.get('CpuArchitectureType');
    const premium = said.get('PremiumIO');
    table.set(name.toLowerCase(), {
      ...(cpus === undefined ? {} : { cpus: Math.floor(cpus) }),
      ...(memoryGiB === undefined ? {} : { memoryMiB: Math.round(memoryGiB * 1024) }),
      ...(architecture === undefined ? {} : { architecture }),
      ...(premium === undefined ? {} : { premiumStorage: premium.toLowerCase() === 'true' }),
    });
  }
  return table;
}

function positive(text: string | undefined): number | undefined {
  const number = Number(text);
  return number > 0 && Number.isFinite(number) ? number : undefined;
}
