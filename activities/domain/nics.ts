import { LonghaulError } from '../../contracts/errors.ts';
import { networkEntry } from '../../contracts/network-map.ts';
import type { MigrationSpec } from '../../contracts/spec.ts';
import type { DomainNic, SourceNic } from '../../contracts/values.ts';

/**
 * The target's NICs: each source network is looked up in the spec's map.
 *
 * @throws LonghaulError NETWORK_UNMAPPED when a network has no entry and there is no `default` one.
 */
export function mapNics(nics: readonly SourceNic[], target: MigrationSpec['target']): DomainNic[] {
  return nics.map((nic) => {
    const mapped = networkEntry(target.networks, nic.network);
    if (mapped === undefined) {
      throw new LonghaulError('NETWORK_UNMAPPED', {
        found: `The source network ${nic.network} (NIC ${nic.mac}) has no entry in target.networks`,
        remedy: `Add "${nic.network}" or "default" to target.networks.`,
        details: { network: nic.network, mac: nic.mac },
      });
    }
    return { mac: nic.mac, model: target.nicModel, target: mapped };
  });
}
