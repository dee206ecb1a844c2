import { isIPv6 } from 'node:net';
import { broadcastMac, checksum, serverAddress, serverMac } from './dhcp.ts';
import { etherType, headerBytes } from './frames.ts';

/**
 * Frames that ask a guest for an address it is to have, from a neighbour in its own network. None of them
 * is a probe in the sense of RFC 5227 or RFC 4862: a guest that is still making sure that nobody else has its
 * address would take one for a conflict, and give the address up.
 */

const hopLimit = 255;
const icmp = { protocol: 1, echo: 8 } as const;
const icmpV6 = { protocol: 58, solicitation: 135 } as const;
/** fe80::2ff:fe00:1, of our MAC 02:00:00:00:00:01 (RFC 4291, appendix A). */
const ourLinkLocal = Buffer.from('fe8000000000000000000ffffe000001', 'hex');

/** An ARP request (RFC 826) or a neighbour solicitation (RFC 4861) for an address like `10.0.0.5/24`. */
export function askFor(address: string): Buffer {
  const [host = '', prefix = ''] = address.split('/');
  return isIPv6(host) ? solicitation(bytesOf6(host)) : arpRequest(bytesOf4(host), Number(prefix));
}

/**
 * An echo request (RFC 792) in answer to a guest's answer to our ARP request. Its reply takes the guest's
 * routes, so it comes out of the card that has the address; firewalls may forbid it.
 *
 * @param reply an untagged ARP reply
 */
export function echoAfter(reply: Buffer): Buffer {
  const packet = reply.subarray(headerBytes);
  const guestMac = packet.subarray(8, 14);
  const [guest, us] = [packet.subarray(14, 18), packet.subarray(24, 28)];
  const message = Buffer.alloc(16);
  message.writeUInt8(icmp.echo, 0);
  message.writeUInt16BE(checksum(message), 2);
  const header = Buffer.alloc(20);
  header.writeUInt8(0x45, 0);
  header.writeUInt16BE(header.length + message.length, 2);
  header.writeUInt8(64, 8);
  header.writeUInt8(icmp.protocol, 9);
  us.copy(header, 12);
  guest.copy(header, 16);
  header.writeUInt16BE(checksum(header), 10);
  return Buffer.concat([ethernet(guestMac, etherType.ipv4), header, message]);
}

function arpRequest(target: Buffer, prefix: number): Buffer {
  const packet = Buffer.alloc(28);
  packet.set([0, 1, 8, 0, 6, 4, 0, 1]);
  serverMac.copy(packet, 8);
  neighbourOf(target, prefix).copy(packet, 14);
  target.copy(packet, 24);
  return Buffer.concat([ethernet(broadcastMac, etherType.arp), packet]);
}

/** The last address of the network that is not the guest's; where it has no room for another, one of ours. */
function neighbourOf(address: Buffer, prefix: number): Buffer {
  if (!(prefix >= 1 && prefix <= 30)) return serverAddress;
  const own = address.readUInt32BE(0);
  const last = (own | (0xffffffff >>> prefix)) >>> 0;
  const neighbour = Buffer.alloc(4);
  neighbour.writeUInt32BE(own === last - 1 ? last - 2 : last - 1, 0);
  return neighbour;
}

function solicitation(target: Buffer): Buffer {
  // The solicited-node multicast address, and its Ethernet address.
  const group = Buffer.concat([Buffer.from('ff0200000000000000000001ff', 'hex'), target.subarray(13)]);
  const groupMac = Buffer.concat([Buffer.from([0x33, 0x33]), group.subarray(12)]);
  const message = Buffer.concat([
    Buffer.from([icmpV6.solicitation, 0, 0, 0, 0, 0, 0, 0]),
    target,
    Buffer.from([1, 1, ...serverMac]), // source link-layer address
  ]);
  const pseudo = Buffer.alloc(8);
  pseudo.writeUInt32BE(message.length, 0);
  pseudo.writeUInt8(icmpV6.protocol, 7);
  message.writeUInt16BE(checksum(Buffer.concat([ourLinkLocal, group, pseudo, message])), 2);
  const header = Buffer.alloc(8);
  header.writeUInt8(0x60, 0);
  header.writeUInt16BE(message.length, 4);
  header.writeUInt8(icmpV6.protocol, 6);
  header.writeUInt8(hopLimit, 7);
  return Buffer.concat([ethernet(groupMac, etherType.ipv6), header, ourLinkLocal, group, message]);
}

function ethernet(to: Buffer, type: number): Buffer {
  const header = Buffer.alloc(headerBytes);
  to.copy(header, 0);
  serverMac.copy(header, 6);
  header.writeUInt16BE(type, 12);
  return header;
}

const bytesOf4 = (host: string): Buffer => Buffer.from(host.split('.').map(Number));

function bytesOf6(host: string): Buffer {
  const [head = '', tail] = host.split('::');
  const groups = (text: string | undefined) => (text === undefined || text === '' ? [] : text.split(':'));
  const [first, last] = [groups(head), groups(tail)];
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => '0');
  const all = [...first, ...(tail === undefined ? [] : zeros), ...last];
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex');
}
