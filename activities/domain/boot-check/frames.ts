/** EtherTypes, RFC 9542. */
export const etherType = {
  ipv4: 0x0800,
  arp: 0x0806,
  ipv6: 0x86dd,
  vlan: 0x8100,
  serviceVlan: 0x88a8,
} as const;
export const headerBytes = 14;
const tagBytes = 4;

/** A frame without its VLAN tags (IEEE 802.1Q), at most two, and the tags; empty for an untagged one. */
export function untagged(frame: Buffer): { frame: Buffer; tags: Buffer } {
  let end = 12;
  while (end < 12 + 2 * tagBytes && frame.length >= end + 2 + tagBytes) {
    const type = frame.readUInt16BE(end);
    if (type !== etherType.vlan && type !== etherType.serviceVlan) break;
    end += tagBytes;
  }
  if (end === 12) return { frame, tags: Buffer.alloc(0) };
  return {
    frame: Buffer.concat([frame.subarray(0, 12), frame.subarray(end)]),
    tags: frame.subarray(12, end),
  };
}

/** The same frame in a VLAN. */
export function tagged(frame: Buffer, tags: Buffer): Buffer {
  return Buffer.concat([frame.subarray(0, 12), tags, frame.subarray(12)]);
}

/** An address as a guest showed it. */
export interface Sighting {
  address: string;
  /**
   * `used`: the guest sends from it, so it is on this very card. `answered`: it answered an ARP request for
   * it, which Linux does on every card, wherever the address is (arp_ignore in the kernel's ip-sysctl).
   */
  how: 'used' | 'answered';
}

/** What an untagged frame from a guest shows of its addresses. */
export function sightingIn(frame: Buffer): Sighting | undefined {
  const address = addressIn(frame);
  if (address === undefined) return undefined;
  const isAnswer = frame.readUInt16BE(12) === etherType.arp && frame.readUInt16BE(headerBytes + 6) === 2;
  return { address, how: isAnswer ? 'answered' : 'used' };
}
const icmpV6 = 58;
const neighbourSolicitation = 135;

/**
 * The address that an Ethernet frame from a guest shows the guest to use: the sender of an ARP packet or the
 * target of an ARP probe (RFC 826, RFC 5227), the source of an IP packet, or the target of IPv6 duplicate
 * address detection (RFC 4862). Link-local ones, which every NIC has, are left out.
 */
export function addressIn(frame: Buffer): string | undefined {
  if (frame.length < headerBytes) return undefined;
  const packet = frame.subarray(headerBytes);
  switch (frame.readUInt16BE(12)) {
    case etherType.arp:
      return packet.length < 28
        ? undefined
        : (ipv4(packet.subarray(14, 18)) ?? (isProbe(packet) ? ipv4(packet.subarray(24, 28)) : undefined));
    case etherType.ipv4:
      return packet.length < 20 ? undefined : ipv4(packet.subarray(12, 16));
    case etherType.ipv6:
      return ipv6In(packet);
    default:
      return undefined;
  }
}

/** An ARP request without a sender's address asks whether the target's is free. */
const isProbe = (packet: Buffer): boolean => packet.readUInt16BE(6) === 1;

function ipv4(bytes: Buffer): string | undefined {
  const first = bytes.readUInt8(0);
  const linkLocal = first === 169 && bytes.readUInt8(1) === 254;
  return first === 0 || first === 127 || first >= 224 || linkLocal ? undefined : bytes.join('.');
}

function ipv6In(packet: Buffer): string | undefined {
  if (packet.length < 40) return undefined;
  const source = packet.subarray(8, 24);
  if (source.some((byte) => byte !== 0)) return ipv6(source);
  const detection =
    packet.length >= 64 && packet.readUInt8(6) === icmpV6 && packet.readUInt8(40) === neighbourSolicitation;
  return detection ? ipv6(packet.subarray(48, 64)) : undefined;
}

function ipv6(bytes: Buffer): string | undefined {
  const linkLocal = (bytes.readUInt16BE(0) & 0xffc0) === 0xfe80;
  if (linkLocal || bytes.readUInt8(0) === 0xff) return undefined;
  const groups = Array.from({ length: 8 }, (_, group) => bytes.readUInt16BE(group * 2).toString(16));
  // The URL parser writes addresses as RFC 5952 wants them.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}
