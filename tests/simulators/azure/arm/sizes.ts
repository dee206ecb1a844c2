import { badRequest } from './errors.ts';
import type { Route } from './router.ts';
import type { World } from './world.ts';

interface Size {
  name: string;
  family: string;
  cores: number;
  memoryGiB: number;
  generations: string;
  maxDataDisks: number;
  confidential?: boolean;
}

const size = (
  name: string,
  family: string,
  [cores, memoryGiB, maxDataDisks]: [number, number, number],
  generations = 'V1,V2',
): Size => ({ name, family, cores, memoryGiB, maxDataDisks, generations });

/** Some of the sizes that Azure has. */
const sizes: readonly Size[] = [
  size('Standard_A0', 'standardA0_A7Family', [1, 0.75, 1], 'V1'),
  size('Standard_B1ls', 'standardBSFamily', [1, 0.5, 2]),
  size('Standard_B1s', 'standardBSFamily', [1, 1, 2]),
  size('Standard_B2s', 'standardBSFamily', [2, 4, 4]),
  size('Standard_B2ms', 'standardBSFamily', [2, 8, 4]),
  size('Standard_D2_v3', 'standardDv3Family', [2, 8, 4]),
  size('Standard_D4s_v6', 'standardDSv6Family', [4, 16, 12]),
  size('Standard_D4as_v6', 'standardDASv6Family', [4, 16, 12]),
  size('Standard_D2s_v3', 'standardDSv3Family', [2, 8, 4]),
  size('Standard_D4s_v3', 'standardDSv3Family', [4, 16, 8]),
  size('Standard_D2s_v5', 'standardDSv5Family', [2, 8, 4]),
  size('Standard_D4s_v5', 'standardDSv5Family', [4, 16, 8]),
  size('Standard_D8s_v5', 'standardDSv5Family', [8, 32, 16]),
  size('Standard_E2s_v5', 'standardESv5Family', [2, 16, 4]),
  size('Standard_F2s_v2', 'standardFSv2Family', [2, 4, 4]),
  size('Standard_M128s', 'standardMSFamily', [128, 2048, 64]),
  { ...size('Standard_DC2as_v5', 'standardDCASv5Family', [2, 8, 4], 'V2'), confidential: true },
];

/** Sizes with an `s` after the number of processors. */
export const hasPremiumStorage = (name: string): boolean => /_[A-Z]+\d+[a-z-\d]*s/.test(name);

/** What a size can do and how big it is: `skus` of the provider, and the older `vmSizes`. */
export const sizeRoutes = (world: World): Route[] => [
  {
    method: 'GET',
    path: '/subscriptions/{subscription}/providers/Microsoft.Compute/skus',
    action: 'Microsoft.Compute/skus/read',
    handle: ({ call }) => {
      const locations = locationsOf(world, call.url.searchParams.get('$filter'));
      const value = locations.flatMap((location) => sizes.map((one) => renderSku(one, location)));
      return { status: 200, body: { value } };
    },
  },
  {
    method: 'GET',
    path: '/subscriptions/{subscription}/providers/Microsoft.Compute/locations/{location}/vmSizes',
    action: 'Microsoft.Compute/locations/vmSizes/read',
    handle: () => ({ status: 200, body: { value: sizes.map(renderSize) } }),
  },
];

function locationsOf(world: World, filter: string | null): string[] {
  const known = [...new Set([...world.groups.values()].map(({ location }) => location))];
  if (filter === null) return known;
  const [, location] = /^location eq '([^']+)'$/.exec(filter) ?? [];
  if (location === undefined) throw badRequest('InvalidFilter', `The filter '${filter}' is not supported.`);
  return known.filter((one) => one.toLowerCase() === location.toLowerCase());
}

function renderSku(
  { name, family, cores, memoryGiB, generations, maxDataDisks, confidential }: Size,
  location: string,
) {
  const capabilities: Record<string, string> = {
    MaxResourceVolumeMB: '16384',
    OSVhdSizeMB: '1047552',
    vCPUs: String(cores),
    HyperVGenerations: generations,
    MemoryGB: String(memoryGiB),
    MaxDataDiskCount: String(maxDataDisks),
    CpuArchitectureType: 'x64',
    PremiumIO: hasPremiumStorage(name) ? 'True' : 'False',
    vCPUsAvailable: String(cores),
    vCPUsPerCore: '2',
    MaxNetworkInterfaces: '2',
    ...(confidential ? { ConfidentialComputingType: 'SNP' } : {}),
  };
  return {
    resourceType: 'virtualMachines',
    name,
    tier: 'Standard',
    size: name.replace('Standard_', ''),
    family,
    locations: [location],
    locationInfo: [{ location, zones: ['1', '2', '3'], zoneDetails: [] }],
    capabilities: Object.entries(capabilities).map(([key, value]) => ({ name: key, value })),
    restrictions: [],
  };
}

const renderSize = ({ name, cores, memoryGiB, maxDataDisks }: Size) => ({
  name,
  numberOfCores: cores,
  osDiskSizeInMB: 1_047_552,
  resourceDiskSizeInMB: 16_384,
  memoryInMB: memoryGiB * 1024,
  maxDataDiskCount: maxDataDisks,
});
