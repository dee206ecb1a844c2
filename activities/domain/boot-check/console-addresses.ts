import { isIP } from 'node:net';
import type { SeenAddress } from './expected-addresses.ts';

/** A row of the table of network devices that cloud-init prints at boot: device, up, address, mask, scope, MAC. */
const deviceRow =
  /ci-info: \|\s*\S+\s*\|\s*True\s*\|\s*([0-9a-fA-F.:]+)(?:\/\d+)?\s*\|[^|]*\|[^|]*\|\s*([0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5})\s*\|/;

/** Addresses that a guest tells on its console. */
export function consoleAddresses(lines: readonly string[]): SeenAddress[] {
  return lines.flatMap((line) => {
    const [, address = '', mac = ''] = deviceRow.exec(line) ?? [];
    if (isIP(address) === 0 || /^(127\.|169\.254\.|fe[89ab])/i.test(address)) return [];
    return [{ mac: mac.toLowerCase(), address: address.toLowerCase(), how: 'used' as const }];
  });
}
