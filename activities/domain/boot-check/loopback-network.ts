import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { LoopbackLink } from '../domain-xml.ts';

/** An address a guest was seen to use. */
export interface SeenAddress {
  mac: string;
  address: string;
}

/**
 * The network of a boot check: each NIC is wired to a UDP socket of ours on the loopback interface, which
 * hears the guest's Ethernet frames and passes nothing on. So a clone can come up beside a running original.
 */
export class LoopbackNetwork {
  readonly links: LoopbackLink[];
  private readonly sockets: Socket[];
  private readonly seen = new Map<string, SeenAddress>();

  private constructor(links: LoopbackLink[], sockets: Socket[]) {
    this.links = links;
    this.sockets = sockets;
    for (const socket of sockets) {
      socket.on('message', (frame) => {
        const found = addressIn(frame);
        if (found) this.seen.set(`${found.mac} ${found.address}`, found);
      });
      // A guest that is gone makes the kernel report refused datagrams; nothing is owed to it.
      socket.on('error', () => undefined);
    }
  }

  /** Opens a link for each of `count` NICs. */
  static async open(count: number): Promise<LoopbackNetwork> {
    const links: LoopbackLink[] = [];
    const sockets: Socket[] = [];
    for (let index = 0; index < count; index++) {
      const ours = await bound();
      const theirs = await bound();
      links.push({ ourPort: ours.address().port, qemuPort: theirs.address().port });
      // qemu binds this port itself; no earlier moment can be had for it than now.
      theirs.close();
      sockets.push(ours);
    }
    return new LoopbackNetwork(links, sockets);
  }

  /** Addresses heard so far, by NIC; link-local ones, which every NIC has, left out. */
  get addresses(): SeenAddress[] {
    return [...this.seen.values()];
  }

  close(): void {
    for (const socket of this.sockets) socket.close();
  }
}

async function bound(): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

/**
 * The address a frame shows its sender to have: from ARP (RFC 826; probes of RFC 5227 carry it as target),
 * or from IPv6 duplicate address detection (RFC 4862: neighbour solicitation from the unspecified address).
 */
export function addressIn(frame: Buffer): SeenAddress | undefined {
  if (frame.length < 42) return undefined;
  const mac = [...frame.subarray(6, 12)].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
  const etherType = frame.readUInt16BE(12);
  if (etherType === 0x0806) {
    const sender = ipv4(frame, 28);
    const address = sender === '0.0.0.0' ? ipv4(frame, 38) : sender;
    return address.startsWith('169.254.') || address === '0.0.0.0' ? undefined : { mac, address };
  }
  const isSolicitation = etherType === 0x86dd && frame.length >= 78 && frame[20] === 58 && frame[54] === 135;
  if (!isSolicitation || frame.subarray(22, 38).some((byte) => byte !== 0)) return undefined;
  const target = frame.subarray(62, 78);
  if (target.readUInt16BE(0) >>> 6 === 0xfe80 >>> 6) return undefined;
  const groups = Array.from({ length: 8 }, (_, group) => target.readUInt16BE(group * 2).toString(16));
  return { mac, address: new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1) };
}

function ipv4(frame: Buffer, offset: number): string {
  return [...frame.subarray(offset, offset + 4)].join('.');
}
