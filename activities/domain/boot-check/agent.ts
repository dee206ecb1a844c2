import { z } from 'zod';
import type { BootProof } from '../../../contracts/values.ts';
import type { Virsh } from '../../host/libvirt.ts';

const timeoutSeconds = 3;

/** QEMU guest agent protocol, guest-network-get-interfaces. Written by the guest, so believed to the letter only. */
const interfacesAnswer = z.object({
  return: z
    .array(
      z.object({
        'hardware-address': z.string().max(32).optional(),
        'ip-addresses': z
          .array(z.object({ 'ip-address': z.union([z.ipv4(), z.ipv6()]) }))
          .max(64)
          .optional(),
      }),
    )
    .max(64),
});

/** True when a guest agent answers. */
export async function agentAnswers(virsh: Virsh, uuid: string): Promise<boolean> {
  return (await virsh.agentCommand(uuid, '{"execute":"guest-ping"}', timeoutSeconds)) !== undefined;
}

/** Addresses the guest agent names, by MAC address; empty without an agent. */
export async function agentAddresses(virsh: Virsh, uuid: string): Promise<BootProof['addresses']> {
  const answer = await virsh.agentCommand(uuid, '{"execute":"guest-network-get-interfaces"}', timeoutSeconds);
  if (answer === undefined) return [];
  const parsed = interfacesAnswer.safeParse(jsonOf(answer));
  if (!parsed.success) return [];
  return parsed.data.return.flatMap((nic) => {
    const mac = nic['hardware-address']?.toLowerCase();
    if (mac === undefined) return [];
    return (nic['ip-addresses'] ?? []).map((entry) => ({ mac, address: entry['ip-address'] }));
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
