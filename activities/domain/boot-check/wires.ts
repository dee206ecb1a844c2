import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { dhcpAnswer, isLease } from './dhcp.ts';
import { addressIn } from './frames.ts';

/** UDP ports on 127.0.0.1 of the two ends of a NIC's wire. */
export interface WirePorts {
  ourPort: number;
  guestPort: number;
}

/** More than a guest has; bounds what a hostile one makes us remember. */
const maxAddresses = 16;

/**
 * The network of a boot check: each NIC is wired to a UDP socket of ours on the loopback interface, which
 * hears the guest's Ethernet frames and passes none on. A clone can come up beside its original.
 */
export class Wires {
  readonly ports: readonly WirePorts[];
  readonly #sockets: readonly Socket[];
  readonly #heard: readonly Set<string>[];

  private constructor(sockets: readonly Socket[], ports: readonly WirePorts[]) {
    this.#sockets = sockets;
    this.ports = ports;
    this.#heard = ports.map(() => new Set<string>());
    for (const [nic, socket] of sockets.entries()) {
      socket.on('message', (frame, { port }) => this.#hear(nic, frame, port));
      // The kernel reports what we send to a guest that is gone; nothing is owed to it.
      socket.on('error', () => undefined);
    }
  }

  static async open(count: number): Promise<Wires> {
    const sockets: Socket[] = [];
    const ports: WirePorts[] = [];
    // All guest ends are held until all are known, so that none is given out twice.
    const held: Socket[] = [];
    for (let nic = 0; nic < count; nic++) {
      const [ours, guests] = [await bound(), await bound()];
      sockets.push(ours);
      held.push(guests);
      ports.push({ ourPort: ours.address().port, guestPort: guests.address().port });
    }
    for (const socket of held) socket.close();
    return new Wires(sockets, ports);
  }

  /** Addresses heard so far of the NIC at an index. */
  addresses(nic: number): string[] {
    return [...(this.#heard[nic] ?? [])];
  }

  close(): void {
    for (const socket of this.#sockets) socket.close();
  }

  #hear(nic: number, frame: Buffer, fromPort: number): void {
    const guestPort = this.ports[nic]?.guestPort;
    if (fromPort !== guestPort) return;
    const answer = dhcpAnswer(frame, nic);
    if (answer) this.#sockets[nic]?.send(answer, guestPort, '127.0.0.1');
    const heard = this.#heard[nic];
    const address = addressIn(frame);
    if (heard === undefined || address === undefined || isLease(address)) return;
    if (heard.size < maxAddresses) heard.add(address);
  }
}

async function bound(): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}
