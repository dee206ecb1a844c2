import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { askFor, echoAfter } from './asking.ts';
import { dhcpAnswer, isLease, takesLease } from './dhcp.ts';
import { sightingIn, tagged, untagged, type Sighting } from './frames.ts';

/** UDP ports on 127.0.0.1 of the two ends of a NIC's wire. */
export interface WirePorts {
  ourPort: number;
  guestPort: number;
}

/** More than a guest has; bounds what a hostile one makes us remember. */
const maxAddresses = 16;
const maxVlans = 8;

/** What was heard of one NIC. */
interface Heard {
  addresses: Map<string, Sighting['how']>;
  /** It took an address of ours. */
  leased: boolean;
  /** Tags of the VLANs the guest speaks in, untagged included, by their bytes. */
  vlans: Map<string, Buffer>;
}

/**
 * The network of a boot check: each NIC is wired to a UDP socket of ours on the loopback interface, which
 * hears the guest's Ethernet frames and passes none on. A clone can come up beside its original.
 */
export class Wires {
  readonly ports: readonly WirePorts[];
  readonly #sockets: readonly Socket[];
  readonly #heard: readonly Heard[];

  private constructor(sockets: readonly Socket[], ports: readonly WirePorts[]) {
    this.#sockets = sockets;
    this.ports = ports;
    this.#heard = ports.map(() => ({
      addresses: new Map(),
      leased: false,
      vlans: new Map([['', Buffer.alloc(0)]]),
    }));
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

  /** Addresses heard so far of the NIC at an index, our own leases left out. */
  addresses(nic: number): string[] {
    return [...(this.#heard[nic]?.addresses.keys() ?? [])];
  }

  /** The same with how they were heard. */
  sightings(nic: number): Sighting[] {
    return [...(this.#heard[nic]?.addresses ?? [])].map(([address, how]) => ({ address, how }));
  }

  /** True once the guest took an address that it was offered on this NIC. */
  leased(nic: number): boolean {
    return this.#heard[nic]?.leased ?? false;
  }

  /** Asks for an address like `10.0.0.5/24` on a NIC, in each VLAN the guest was heard in. */
  ask(nic: number, address: string): void {
    const question = askFor(address);
    for (const tags of this.#heard[nic]?.vlans.values() ?? []) this.#send(nic, question, tags);
  }

  close(): void {
    for (const socket of this.#sockets) socket.close();
  }

  #hear(nic: number, received: Buffer, fromPort: number): void {
    const heard = this.#heard[nic];
    if (heard === undefined || fromPort !== this.ports[nic]?.guestPort) return;
    const { frame, tags } = untagged(received);
    if (heard.vlans.size < maxVlans) heard.vlans.set(tags.toString('hex'), tags);
    const answer = dhcpAnswer(frame, nic);
    if (answer) this.#send(nic, answer, tags);
    heard.leased ||= takesLease(frame);
    const sighting = sightingIn(frame);
    if (sighting === undefined || isLease(sighting.address)) return;
    const { address, how } = sighting;
    const known = heard.addresses.get(address);
    if (how === 'answered' && known !== 'used') this.#send(nic, echoAfter(frame), tags);
    if (known === undefined ? heard.addresses.size < maxAddresses : how === 'used')
      heard.addresses.set(address, how);
  }

  #send(nic: number, frame: Buffer, tags: Buffer): void {
    const port = this.ports[nic]?.guestPort;
    if (port !== undefined) this.#sockets[nic]?.send(tagged(frame, tags), port, '127.0.0.1');
  }
}

async function bound(): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}
