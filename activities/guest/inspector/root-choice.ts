import { LonghaulError } from '../../../contracts/errors.ts';
import type { BlockDevices } from './block-devices.ts';
import type { Root } from './linux-system.ts';
import type { RootSearch } from './root-search.ts';

/** As guest.root names it: the device, or guestfs(3)'s `btrfsvol:/dev/sda2/SUBVOLUME`. */
function nameOf({ device, subvolume }: Root, roots: readonly Root[]): string {
  const shared = roots.filter((other) => other.device === device).length > 1;
  return shared ? `btrfsvol:${device}/${subvolume ?? ''}` : device;
}

/**
 * The roots without those on LVM snapshots of others: a copy of a system from some earlier time, with the same
 * UUID on its file system. What runs is the origin, as far as LVM knows.
 *
 * @param originOf what `lvOrigins` says
 */
export function withoutSnapshots(
  roots: readonly Root[],
  uuidOf: (device: string) => string | undefined,
  originOf: ReadonlyMap<string, string>,
): { roots: Root[]; warnings: string[] } {
  const warnings: string[] = [];
  const kept = roots.filter(({ device }) => {
    // A snapshot may be one of a snapshot.
    const seen = new Set([device]);
    let origin = originOf.get(device);
    for (let at = origin; at !== undefined && !seen.has(at); at = originOf.get(at)) {
      seen.add(at);
      origin = at;
    }
    // What goes round in circles has no origin.
    if (originOf.has(origin ?? '')) return true;
    const copied = roots.find((other) => other.device !== device && other.device === origin);
    if (copied === undefined || uuidOf(device) !== uuidOf(copied.device)) return true;
    warnings.push(`${device} is a snapshot of ${copied.device}; the system on the latter is taken.`);
    return false;
  });
  return { roots: kept, warnings };
}

/**
 * The one root file system to go on with; undefined when there is none.
 *
 * @throws LonghaulError GUEST_MULTIPLE_ROOTS, GUEST_NO_OS (the wanted one holds no system), GUEST_UNSUPPORTED
 *   (only Windows), GUEST_HIBERNATED (only Windows, and it sleeps)
 */
export async function chooseRoot(
  { roots, windows }: RootSearch,
  devices: BlockDevices,
  wanted: string | undefined,
): Promise<Root | undefined> {
  const names = [
    ...roots.map((root) => `${nameOf(root, roots)} (${root.distro?.prettyName ?? 'Linux'})`),
    ...windows.map(({ device }) => `${device} (Windows)`),
  ];
  if (wanted !== undefined) {
    const chosen = await wantedRoot(roots, devices, wanted);
    if (chosen !== undefined) return chosen;
    throw new LonghaulError('GUEST_NO_OS', {
      found: `guest.root is ${wanted}, which holds no Linux system; found: ${names.join(', ') || 'none'}`,
      remedy: 'Set guest.root to one of the devices found, or leave it out.',
      details: { roots: names },
    });
  }
  if (names.length > 1) {
    throw new LonghaulError('GUEST_MULTIPLE_ROOTS', {
      found: `operating systems were found on ${names.join(' and ')}`,
      remedy: 'Set guest.root to the device of the system that the VM runs.',
      details: { roots: names },
    });
  }
  const [onlyWindows] = windows;
  if (onlyWindows !== undefined) throw windowsRefused(onlyWindows);
  return roots[0];
}

async function wantedRoot(
  roots: readonly Root[],
  devices: BlockDevices,
  wanted: string,
): Promise<Root | undefined> {
  for (const root of roots) if (`btrfsvol:${root.device}/${root.subvolume ?? ''}` === wanted) return root;
  const device = await devices.resolve(wanted);
  const there = roots.filter((root) => root.device === device);
  return there.length === 1 ? there[0] : undefined;
}

function windowsRefused({ device, hibernated }: RootSearch['windows'][number]): LonghaulError {
  if (hibernated) {
    return new LonghaulError('GUEST_HIBERNATED', {
      found: `Windows on ${device} is hibernated: its hiberfil.sys holds a sleeping system`,
      remedy:
        'Start the source VM, turn hibernation and fast startup off (powercfg /h off), shut it down (shutdown /s /t 0), and migrate again.',
      details: { device },
    });
  }
  return new LonghaulError('GUEST_UNSUPPORTED', {
    found: `the guest on ${device} is Windows`,
    remedy:
      'Install the virtio drivers in the source VM first, then migrate with guest.passthrough=true (or guest.fix=false).',
    details: { device },
  });
}
