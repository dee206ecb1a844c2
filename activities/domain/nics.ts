import { LonghaulError } from '../../contracts/errors.ts';
import type { MigrationSpec } from '../../contracts/spec.ts';
import type { DomainNic, SourceNic } from '../../contracts/values.ts';

/** Key of `target.networks` that catches every network without an entry of its own. */
const catchAll = 'default';

/**
 * The target's NICs: each source network is looked up in the spec's map.
 *
 * @throws LonghaulError NETWORK_UNMAPPED when a network has no entry and there is no `default` one.
 */
export function mapNics(nics: readonly SourceNic[], target: MigrationSpec['target']): DomainNic[] {
  const map = new Map(Object.entries(target.networks));
  return nics.map((nic) => {
    const mapped = map.get(nic.network) ?? map.get(catchAll);
    if (mapped === undefined) {
      throw new LonghaulError('NETWORK_UNMAPPED', {
        found: `The source network ${nic.network} (NIC ${nic.mac}) has no entry in target.networks`,
        remedy: `Add "${nic.network}" or "${catchAll}" to target.networks.`,
        details: { network: nic.network, mac: nic.mac },
      });
    }
    return { mac: nic.mac, model: target.nicModel, target: mapped };
  });
}
