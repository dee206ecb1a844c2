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
const eventually = (check: () => void) => vi.waitFor(check, { timeout: 10_000 });
const send = (from: Socket, frame: Buffer) => from.send(frame, wires.ports[1]?.ourPort, '127.0.0.1');

describe("a boot check's wires", () => {
  it('hear the guest, each NIC on its own', async () => {
    send(guest, announcement(7));
    await eventually(() => expect(wires.addresses(1)).toEqual(['10.0.0.7']));
    expect(wires.addresses(0)).toEqual([]);
  });

  it("do not take a stranger's datagrams for the guest's", async () => {
    const stranger = createSocket('udp4');
    send(stranger, announcement(66));
    await new Promise((resolve) => setTimeout(resolve, 50));
    send(guest, announcement(7));
    await eventually(() => expect(wires.addresses(1)).toEqual(['10.0.0.7']));
    stranger.close();
  });

  it('remember a bounded number of addresses', async () => {
    for (let last = 1; last <= 100; last++) send(guest, announcement(last));
    await eventually(() => expect(wires.addresses(1)).toHaveLength(16));
    send(guest, announcement(200));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(wires.addresses(1)).toHaveLength(16);
  });

  /** The next frame that the guest's end of the second wire gets. */
  async function received(): Promise<Buffer> {
    const [frame] = (await once(guest, 'message')) as [Buffer];
    return frame;
  }

  it('ask for an address, ping what answers, and know it for used when the ping comes back', async () => {
    wires.ask(1, '10.0.0.7/24');
    const request = await received();
    expect(request.subarray(38, 42).join('.')).toBe('10.0.0.7');

    const reply = Buffer.from(request);
    reply.writeUInt16BE(2, 20);
    Buffer.from('525400123456', 'hex').copy(reply, 22);
    request.copy(reply, 28, 38, 42);
    request.copy(reply, 32, 22, 32);
    const ping = received();
    send(guest, reply);
    await eventually(() => expect(wires.sightings(1)).toEqual([{ address: '10.0.0.7', how: 'answered' }]));

    const echo = Buffer.from(await ping);
    echo.copy(echo, 26, 30, 34);
    send(guest, echo);
    await eventually(() => expect(wires.sightings(1)).toEqual([{ address: '10.0.0.7', how: 'used' }]));
  });

  it('speak with a guest in the VLAN it speaks in', async () => {
    const tag = Buffer.from('81000064', 'hex');
    const plain = announcement(7);
    send(guest, Buffer.concat([plain.subarray(0, 12), tag, plain.subarray(12)]));
    await eventually(() => expect(wires.addresses(1)).toEqual(['10.0.0.7']));
    const frames: Buffer[] = [];
    guest.on('message', (frame) => frames.push(frame));
    wires.ask(1, '10.0.0.8/24');
    await eventually(() => expect(frames).toHaveLength(2));
    expect(frames[1]?.subarray(12, 18).toString('hex')).toBe('810000640806');
  });
});
