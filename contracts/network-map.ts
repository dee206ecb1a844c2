import type { MigrationSpec } from './spec.ts';

/** Where a NIC is plugged in: a libvirt network, or a bridge of the host. */
export type NetworkTarget = { kind: 'network'; name: string } | { kind: 'bridge'; name: string };

const bridgePrefix = 'bridge:';

/** Looks a source network up in the spec's map, `default` catching the rest; undefined when nothing does. */
export function networkTarget(
  networks: MigrationSpec['target']['networks'],
  sourceNetwork: string,
): NetworkTarget | undefined {
  const entry = [sourceNetwork, 'default'].find((name) => Object.hasOwn(networks, name));
  const target = entry === undefined ? undefined : networks[entry];
  if (target === undefined) return undefined;
  return target.startsWith(bridgePrefix)
    ? { kind: 'bridge', name: target.slice(bridgePrefix.length) }
    : { kind: 'network', name: target };
}
