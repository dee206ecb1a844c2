/**
 * Just enough of a DHCP server (RFC 2131) that a guest which asks for an address does not wait minutes for
 * one: an address of TEST-NET-1 (RFC 5737), no router, no name server.
 */

const prefix = [192, 0, 2];
export const serverAddress = Buffer.from([...prefix, 1]);
const leaseSeconds = 3600;

const ports = { server: 67, client: 68 } as const;
const messageTypes = { discover: 1, offer: 2, request: 3, acknowledge: 5 } as const;
const option = { subnetMask: 1, leaseTime: 51, messageType: 53, serverId: 54, end: 255 } as const;
const cookie = Buffer.from([0x63, 0x82, 0x53, 0x63]);

const ethernet = 14;
const ip = 20;
const udp = 8;
const bootp = 236;
const optionsAt = ethernet + ip + udp + bootp + cookie.length;
export const serverMac = Buffer.from([0x02, 0, 0, 0, 0, 1]);
export const broadcastMac = Buffer.alloc(6, 0xff);

/** True for an address that only a lease of ours gives. */
export const isLease = (address: string): boolean => address.startsWith(`${prefix.join('.')}.`);

/**
 * The answer to a DHCPDISCOVER or DHCPREQUEST frame; undefined for every other frame.
 *
 * @param nicIndex tells the leases of a guest's NICs apart, 0 to 15
 */
export function dhcpAnswer(frame: Buffer, nicIndex: number): Buffer | undefined {
  const request = requestIn(frame);
  if (request === undefined) return undefined;
  const { transaction, flags, clientMac, type } = request;
  const answer = type === messageTypes.discover ? messageTypes.offer : messageTypes.acknowledge;
  const lease = Buffer.from([...prefix, 10 + nicIndex]);

  const fields = Buffer.alloc(bootp);
  fields.set([2, 1, 6, 0]); // a reply, Ethernet, six bytes of address
  transaction.copy(fields, 4);
  flags.copy(fields, 10);
  lease.copy(fields, 16);
  serverAddress.copy(fields, 20);
  clientMac.copy(fields, 28);
  const options = Buffer.from([
    ...[option.messageType, 1, answer],
    ...[option.serverId, 4, ...serverAddress],
    ...[option.leaseTime, 4, 0, 0, leaseSeconds >> 8, leaseSeconds & 0xff],
    ...[option.subnetMask, 4, 255, 255, 255, 0],
    option.end,
  ]);
  return udpFrame(Buffer.concat([fields, cookie, options]));
}

/** True for a frame by which a guest takes the lease that it was offered, and says so to this server. */
export const takesLease = (frame: Buffer): boolean => requestIn(frame)?.type === messageTypes.request;

function requestIn(frame: Buffer) {
  const isDhcp =
    frame.length >= optionsAt &&
    frame.readUInt16BE(12) === 0x0800 &&
    frame.readUInt8(ethernet) === 0x45 &&
    frame.readUInt8(ethernet + 9) === 17 &&
    frame.readUInt16BE(ethernet + ip + 2) === ports.server &&
    frame.subarray(optionsAt - cookie.length, optionsAt).equals(cookie);
  if (!isDhcp) return undefined;
  const type = messageType(frame.subarray(optionsAt));
  if (type !== messageTypes.discover && type !== messageTypes.request) return undefined;
  const fields = frame.subarray(ethernet + ip + udp);
  return {
    type,
    transaction: fields.subarray(4, 8),
    flags: fields.subarray(10, 12),
    clientMac: fields.subarray(28, 34),
  };
}

function messageType(options: Buffer): number | undefined {
  for (let at = 0; at + 2 < options.length && options[at] !== option.end;) {
    if (options[at] === option.messageType) return options[at + 2];
    at += options[at] === 0 ? 1 : 2 + (options[at + 1] ?? 0);
  }
  return undefined;
}

/** A broadcast, so that the client need not have its address yet. */
function udpFrame(payload: Buffer): Buffer {
  const udpHeader = Buffer.alloc(udp); // checksum 0: none
  udpHeader.writeUInt16BE(ports.server, 0);
  udpHeader.writeUInt16BE(ports.client, 2);
  udpHeader.writeUInt16BE(udp + payload.length, 4);
  const ipHeader = Buffer.alloc(ip);
  ipHeader.writeUInt8(0x45, 0);
  ipHeader.writeUInt16BE(ip + udp + payload.length, 2);
  ipHeader.writeUInt8(64, 8);
  ipHeader.writeUInt8(17, 9);
  serverAddress.copy(ipHeader, 12);
  ipHeader.fill(0xff, 16, 20);
  ipHeader.writeUInt16BE(checksum(ipHeader), 10);
  return Buffer.concat([broadcastMac, serverMac, Buffer.from([0x08, 0]), ipHeader, udpHeader, payload]);
}

/** RFC 1071. */
export function checksum(header: Buffer): number {
  let sum = 0;
  for (let at = 0; at + 1 < header.length; at += 2) sum += header.readUInt16BE(at);
  if (header.length % 2 === 1) sum += (header.at(-1) ?? 0) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}
