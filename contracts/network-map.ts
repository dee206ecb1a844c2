import type { MigrationSpec } from './spec.ts';

/** Where a NIC is plugged in: a libvirt network, or a bridge of the host. */
export type NetworkTarget = { kind: 'network'; name: string } | { kind: 'bridge'; name: string };

const bridgePrefix = 'bridge:';

/** The spec's entry for a source network, `default` catching the rest; undefined when there is neither. */
export function networkEntry(
  networks: MigrationSpec['target']['networks'],
  sourceNetwork: string,
): string | undefined {
  const entry = [sourceNetwork, 'default'].find((name) => Object.hasOwn(networks, name));
  return entry === undefined ? undefined : networks[entry];
}

/** Reads an entry of the map: `bridge:NAME`, or the name of a libvirt network. */
export function parseNetworkTarget(target: string): NetworkTarget {
  return target.startsWith(bridgePrefix)
    ? { kind: 'bridge', name: target.slice(bridgePrefix.length) }
    : { kind: 'network', name: target };
}

/** Where a source network leads; undefined when the map has no entry for it. */
export function networkTarget(
  networks: MigrationSpec['target']['networks'],
  sourceNetwork: string,
): NetworkTarget | undefined {
  const entry = networkEntry(networks, sourceNetwork);
  return entry === undefined ? undefined : parseNetworkTarget(entry);
}
