import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Wires } from '../../../../activities/domain/boot-check/wires.ts';

let wires: Wires;
let guest: Socket;
beforeEach(async () => {
  wires = await Wires.open(2);
  guest = createSocket('udp4');
  guest.bind(wires.ports[1]?.guestPort, '127.0.0.1');
  await once(guest, 'listening');
});
afterEach(() => {
  wires.close();
  guest.close();
});

/** An ARP announcement of 10.0.0.x. */
function announcement(last: number): Buffer {
  const address = `0a0000${last.toString(16).padStart(2, '0')}`;
  const text = `ffffffffffff525400123456080600010800060400015254001234 56${address}000000000000${address}`;
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}
const send = (from: Socket, frame: Buffer) => from.send(frame, wires.ports[1]?.ourPort, '127.0.0.1');

describe("a boot check's wires", () => {
  it('hear the guest, each NIC on its own', async () => {
    send(guest, announcement(7));
    await vi.waitFor(() => expect(wires.addresses(1)).toEqual(['10.0.0.7']));
    expect(wires.addresses(0)).toEqual([]);
  });

  it("do not take a stranger's datagrams for the guest's", async () => {
    const stranger = createSocket('udp4');
    send(stranger, announcement(66));
    await new Promise((resolve) => setTimeout(resolve, 50));
    send(guest, announcement(7));
    await vi.waitFor(() => expect(wires.addresses(1)).toEqual(['10.0.0.7']));
    stranger.close();
  });

  it('remember a bounded number of addresses', async () => {
    for (let last = 1; last <= 100; last++) send(guest, announcement(last));
    await vi.waitFor(() => expect(wires.addresses(1)).toHaveLength(16));
    send(guest, announcement(200));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(wires.addresses(1)).toHaveLength(16);
  });
});
