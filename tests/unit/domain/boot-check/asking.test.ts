import { describe, expect, it } from 'vitest';
import { askFor, echoAfter } from '../../../../activities/domain/boot-check/asking.ts';

/** Sum of 16-bit words with carries added, which is all ones over whatever has a right checksum in it. */
function sum(bytes: Buffer): number {
  let total = 0;
  for (let at = 0; at < bytes.length; at += 2) total += bytes.readUInt16BE(at);
  while (total > 0xffff) total = (total & 0xffff) + (total >> 16);
  return total;
}

describe('asking a guest for an address', () => {
  it.each([
    ['192.168.122.57/24', '192.168.122.254'],
    ['192.168.122.254/24', '192.168.122.253'],
    ['10.1.2.3/8', '10.255.255.254'],
    ['10.0.0.1/30', '10.0.0.2'],
    ['203.0.113.9/32', '192.0.2.1'],
  ])('asks for %s by ARP as the neighbour %s, never as a probe', (address, neighbour) => {
    const frame = askFor(address);
    expect(frame.subarray(0, 6)).toEqual(Buffer.alloc(6, 0xff));
    expect(frame.readUInt16BE(12)).toBe(0x0806);
    expect(frame.readUInt16BE(20)).toBe(1);
    expect(frame.subarray(28, 32).join('.')).toBe(neighbour);
    expect(frame.subarray(38, 42).join('.')).toBe(address.split('/')[0]);
  });

  it('asks for an IPv6 address by a neighbour solicitation of its own, with a right checksum', () => {
    const frame = askFor('2001:db8::1234:5678/64');
    expect(frame.subarray(0, 6).toString('hex')).toBe('3333ff345678');
    expect(frame.subarray(38, 54).toString('hex')).toBe('ff0200000000000000000001ff345678');
    expect(frame.readUInt8(54)).toBe(135);
    expect(frame.subarray(62, 78).toString('hex')).toBe('20010db8000000000000000012345678');
    // From nobody's address it would be duplicate address detection.
    expect(frame.subarray(22, 38).some((byte) => byte !== 0)).toBe(true);
    const pseudo = Buffer.from([0, 0, 0, 32, 0, 0, 0, 58]);
    expect(sum(Buffer.concat([frame.subarray(22, 54), pseudo, frame.subarray(54)]))).toBe(0xffff);
  });

  it('sends what answers an ARP request a ping, from the address that asked', () => {
    const reply = Buffer.from(
      `020000000001 525400123456 0806 0001 0800 06 04 0002 525400123456 c0a87a39 020000000001 c0a87afe`.replaceAll(
        ' ',
        '',
      ),
      'hex',
    );
    const ping = echoAfter(reply);
    expect(ping.subarray(0, 6).toString('hex')).toBe('525400123456');
    expect(ping.subarray(26, 30).join('.')).toBe('192.168.122.254');
    expect(ping.subarray(30, 34).join('.')).toBe('192.168.122.57');
    expect(ping.readUInt8(34)).toBe(8);
    expect([sum(ping.subarray(14, 34)), sum(ping.subarray(34))]).toEqual([0xffff, 0xffff]);
    expect(ping.readUInt16BE(16)).toBe(ping.length - 14);
  });
});
