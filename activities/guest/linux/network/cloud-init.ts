import type { Guestfs } from '../../session/guestfs.ts';
import type { FixChange } from '../../../../contracts/values.ts';
import type { PlannedChange } from '../fix.ts';
import { planOwnFile } from '../guest-text.ts';
import type { ReadFile } from './files.ts';
import { disablesCloudNetwork } from './netplan.ts';

const cloudFreezePath = '/etc/cloud/cloud.cfg.d/99-longhaul-network.cfg';
const freeze = `# Written by Longhaul: the network stays as it was configured on the source.
network: {config: disabled}
`;
const freezes = /^network: \{config: disabled\}$/m;
const traces = '/{etc/cloud/{cloud.cfg,cloud-init.disabled},var/lib/cloud/{instance,data/instance-id}}';

/**
 * Keeps cloud-init from writing the network configuration anew. Its data source stays behind with the old
 * hypervisor, so it would take the migrated VM for a new one and set DHCP. Where it never ran, as in a
 * template, or has its network from a file of the guest, it is left alone.
 *
 * @param earlier changes before this one, of which one may say the same
 * @param always also where the guest's own file says what the network is
 */
export async function planCloudFreeze(
  guest: Guestfs,
  files: readonly ReadFile[],
  earlier: readonly FixChange[],
  always = false,
): Promise<PlannedChange | undefined> {
  if (earlier.some(({ path, after = '' }) => path.startsWith('/etc/cloud/') && freezes.test(after)))
    return undefined;
  const paths = await guest.glob(traces);
  const exists = (end: string) => paths.some((path) => path.replace(/\/$/, '').endsWith(end));
  if (!exists('/cloud.cfg') || exists('/cloud-init.disabled')) return undefined;
  if (!exists('/cloud/instance') && !exists('/instance-id')) return undefined;
  const system = files.filter(
    ({ path, file }) => path.startsWith('/etc/cloud/') && /^network\s*:/m.test(file.text),
  );
  if (system.some(({ file }) => disablesCloudNetwork(file.text)) || (system.length > 0 && !always))
    return undefined;
  const what =
    'cloud-init leaves the network as it is configured, and does not set DHCP for what it takes for a new VM.';
  return planOwnFile(guest, cloudFreezePath, freeze, what);
}
