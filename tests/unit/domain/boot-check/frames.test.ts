import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dhcpAnswer, isLease } from '../../../../activities/domain/boot-check/dhcp.ts';
import { addressIn, sightingIn, tagged, untagged } from '../../../../activities/domain/boot-check/frames.ts';

const guest = '525400123456';
const hex = (...parts: string[]) => Buffer.from(parts.join('').replaceAll(' ', ''), 'hex');
const ethernet = (type: string) => `ffffffffffff ${guest} ${type}`;
const arp = (operation: string, sender: string, target: string) =>
  hex(ethernet('0806'), '0001 0800 06 04', operation, guest, sender, '000000000000', target);
const ipv6 = (source: string, payload: string) =>
  hex(ethernet('86dd'), '60000000 0018 3a ff', source, 'ff0200000000000000000001ff123456', payload);
const nothing16 = '00'.repeat(16);
const global = '20010db8000000000000000000000057';
const linkLocal = 'fe800000000000005054 00fffe123456';
const solicitation = (target: string) => `87000000 00000000 ${target}`;

describe('hearing addresses', () => {
  it.each([
    ['an ARP request', arp('0001', 'c0a87a39', 'c0a87a01'), '192.168.122.57'],
    ['an ARP announcement', arp('0001', 'c0a87a39', 'c0a87a39'), '192.168.122.57'],
    ['an ARP probe', arp('0001', '00000000', 'c0a87a39'), '192.168.122.57'],
    [
      'an IPv4 packet',
      hex(ethernet('0800'), '4500001c 00000000 4011 0000', 'c0a87a39', 'c0a87a01'),
      '192.168.122.57',
    ],
    ['IPv6 duplicate address detection', ipv6(nothing16, solicitation(global)), '2001:db8::57'],
    ['an IPv6 packet', ipv6(global, solicitation(global)), '2001:db8::57'],
  ])('learns from %s', (_, frame, address) => {
    expect(addressIn(frame)).toBe(address);
  });

  it.each([
    ['a link-local address', ipv6(nothing16, solicitation(linkLocal))],
    ['an APIPA address', arp('0001', 'a9fe0101', 'a9fe0101')],
    [
      'a DHCP client without address',
      hex(ethernet('0800'), '4500001c 00000000 4011 0000', '00000000', 'ffffffff'),
    ],
    ['an ARP answer without sender', arp('0002', '00000000', 'c0a87a39')],
    ['a truncated frame', arp('0001', 'c0a87a39', 'c0a87a01').subarray(0, 30)],
  ])('learns nothing from %s', (_, frame) => {
    expect(addressIn(frame)).toBeUndefined();
  });

  it('survives whatever a guest sends', () => {
    const types = fc.constantFrom('0800', '0806', '86dd', '1234').map((type) => hex(ethernet(type)));
    fc.assert(
      fc.property(types, fc.uint8Array({ maxLength: 120 }), (header, rest) => {
        const frame = Buffer.concat([header, rest]);
        addressIn(frame);
        dhcpAnswer(frame, 0);
        addressIn(frame.subarray(0, 10));
      }),
    );
  });
});

function dhcpRequest(type: number): Buffer {
  const bootp = Buffer.alloc(236);
  bootp.set([1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef]);
  hex(guest).copy(bootp, 28);
  return Buffer.concat([
    hex(ethernet('0800'), '45000000 00000000 4011 0000 00000000 ffffffff', '0044 0043 0000 0000'),
    bootp,
    Buffer.from([0x63, 0x82, 0x53, 0x63, 0, 12, 2, 65, 66, 53, 1, type, 255]),
  ]);
}

describe('frames in VLANs', () => {
  it('are read and answered without their tags', () => {
    const plain = arp('0001', 'c0a87a39', 'c0a87a01');
    const tags = hex('88a8 0064 8100 0007');
    const frame = tagged(plain, tags);
    expect(addressIn(frame)).toBeUndefined();
    expect(untagged(frame)).toEqual({ frame: plain, tags });
    expect(untagged(plain)).toEqual({ frame: plain, tags: Buffer.alloc(0) });
  });
});

describe('what an address was seen by', () => {
  it('tells an answer, which may come from any card, from what the guest sends of itself', () => {
    expect(sightingIn(arp('0002', 'c0a87a39', 'c0a87a01'))).toEqual({
      address: '192.168.122.57',
      how: 'answered',
    });
    expect(sightingIn(arp('0001', 'c0a87a39', 'c0a87a01'))).toEqual({
      address: '192.168.122.57',
      how: 'used',
    });
  });
});

describe('answering DHCP', () => {
  it.each([
    ['an offer', 1, 2],
    ['an acknowledgement', 3, 5],
  ])('gives %s with an address for documentation, for this client and transaction', (_, asked, answered) => {
    const answer = dhcpAnswer(dhcpRequest(asked), 2) ?? Buffer.alloc(0);
    const bootp = answer.subarray(42);
    expect(bootp.subarray(4, 8)).toEqual(hex('deadbeef'));
    expect(bootp.subarray(16, 20).join('.')).toBe('192.0.2.12');
    expect(bootp.subarray(28, 34)).toEqual(hex(guest));
    expect([...bootp.subarray(240, 243)]).toEqual([53, 1, answered]);
    expect(answer.readUInt16BE(16)).toBe(answer.length - 14);
    let sum = 0;
    for (let at = 14; at < 34; at += 2) sum += answer.readUInt16BE(at);
    expect((sum & 0xffff) + (sum >> 16)).toBe(0xffff);
  });

  it('stays silent to anything else', () => {
    expect(dhcpAnswer(dhcpRequest(7), 0)).toBeUndefined();
    expect(dhcpAnswer(arp('0001', 'c0a87a39', 'c0a87a01'), 0)).toBeUndefined();
    const noType = dhcpRequest(1).subarray(0, -5);
    expect(dhcpAnswer(noType, 0)).toBeUndefined();
  });

  it('knows its own leases', () => {
    expect([isLease('192.0.2.12'), isLease('192.168.2.12')]).toEqual([true, false]);
  });
});
