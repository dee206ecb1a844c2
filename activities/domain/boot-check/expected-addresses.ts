import { LonghaulError } from '../../../contracts/errors.ts';
import type { AddressCheck, BootProof, ConfiguredAddress, DomainRef } from '../../../contracts/values.ts';
import { pause } from '../../host/pause.ts';
import type { Virsh } from '../../host/libvirt.ts';
import type { StepIo } from '../../host/step-io.ts';
import { agentAddresses } from './agent.ts';
import { consoleAddresses } from './console-addresses.ts';
import type { ConsoleReader } from './console-reader.ts';
import { isLease } from './dhcp.ts';
import type { Wires } from './wires.ts';

const pollMs = 250;
const askEveryMs = 1_000;
const askAgentEveryMs = 10_000;
/** A guest claims its addresses about when its login prompt shows; when none is expected this is enough. */
const listenMs = { kvm: 2_000, tcg: 5_000 } as const;
/** What is expected may come later: network managers start when others do, and wait for links and leases. */
const waitMs = { kvm: 60_000, tcg: 240_000 } as const;
/** How long better evidence may take to come after a poor one. */
const graceMs = { kvm: 5_000, tcg: 15_000 } as const;

export interface AddressWatch {
  virsh: Virsh;
  uuid: string;
  domain: DomainRef;
  wires: Wires;
  reader: ConsoleReader;
  expected: readonly ConfiguredAddress[];
  io: StepIo;
}

/** An address seen on the NIC of a MAC. `answered` proves that the guest has it, not that it is on this NIC. */
export interface SeenAddress {
  mac: string;
  address: string;
  how: 'used' | 'answered';
}

export interface AddressFindings {
  addresses: BootProof['addresses'];
  checks: AddressCheck[];
}

/**
 * Waits for a booted guest to show the addresses its configuration gives it, as long as `waitMs` at most; asks
 * for them all the while. Without expectations it listens for a short while. What counts: frames from the
 * guest on its wires, what its agent names, what cloud-init prints on the console.
 */
export async function watchAddresses(options: AddressWatch): Promise<AddressFindings> {
  const { virsh, uuid, domain, wires, io } = options;
  const nics = domain.nics.map(({ mac }) => mac);
  const expected = options.expected.filter(({ macs }) => macs.some((mac) => nics.includes(mac)));
  const started = performance.now();
  const elapsed = () => performance.now() - started;
  const firstSeen = new Map<string, number>();
  let named: SeenAddress[] = [];
  let [askDue, agentDue] = [0, graceMs[domain.accelerator]];
  const heard = (): SeenAddress[] => [
    ...nics.flatMap((mac, nic) => wires.sightings(nic).map((sighting) => ({ mac, ...sighting }))),
    ...consoleAddresses(options.reader.tail(200)).filter(({ mac }) => nics.includes(mac)),
    ...named,
  ];
  const leased = () => new Set(nics.filter((_, nic) => wires.leased(nic)));
  const askAgent = async () => {
    named = (await agentAddresses(virsh, uuid))
      .filter(({ mac, address }) => nics.includes(mac) && !isPassing(address))
      .map((entry) => ({ ...entry, how: 'used' as const }));
  };
  for (;;) {
    const checks = judgeAddresses(expected, heard(), leased());
    const settled = checks.every((check) => isSettled(check, nics.length, firstSeen, elapsed(), domain));
    const limit = expected.length === 0 ? listenMs : waitMs;
    const enough = expected.length === 0 ? heard().length > 0 : settled;
    if (enough || nics.length === 0 || elapsed() >= limit[domain.accelerator]) break;
    if (elapsed() >= askDue) {
      askDue = elapsed() + askEveryMs;
      // On every card: one that came up on another than its own is to be told from one that did not come up.
      for (const { address } of expected)
        for (const nic of nics.keys()) if (address !== undefined) wires.ask(nic, address);
      io.report(`waiting for the guest's addresses, ${Math.round(elapsed() / 1000)} s`);
    }
    if (expected.length > 0 && elapsed() >= agentDue) {
      await askAgent();
      agentDue = elapsed() + askAgentEveryMs;
    }
    await pause(pollMs, io.signal);
  }
  if (named.length === 0 && nics.length > 0) await askAgent();
  const seen = heard().filter(({ address }) => !isLease(address));
  const all = new Map(seen.map(({ mac, address }) => [`${mac} ${address}`, { mac, address }]));
  return { addresses: [...all.values()], checks: judgeAddresses(expected, heard(), leased()) };
}

/** Link-local, and of the loopback interface. */
const isPassing = (address: string): boolean => /^(127\.|169\.254\.|::1$|fe[89ab])/i.test(address);

/**
 * Sets what was seen beside what was expected.
 *
 * @param leased MACs of the NICs whose guest took an address of our DHCP server
 */
export function judgeAddresses(
  expected: readonly ConfiguredAddress[],
  seen: readonly SeenAddress[],
  leased: ReadonlySet<string>,
): AddressCheck[] {
  return expected.map((entry) => {
    const there = (mac: string) => entry.macs.includes(mac);
    const seenThere = [...new Set(seen.filter(({ mac }) => there(mac)).map(({ address }) => address))];
    if (entry.method === 'dhcp') {
      const has = entry.macs.some((mac) => leased.has(mac)) || seenThere.some(isLease);
      return {
        ...entry,
        seen: seenThere.filter((each) => !isLease(each)),
        verdict: has ? 'lease' : 'missing',
      };
    }
    const wanted = seen.filter(({ address }) => address === entry.address?.split('/')[0]);
    const used = wanted.filter(({ how }) => how === 'used');
    const elsewhere = used.filter(({ mac }) => !there(mac)).map(({ mac }) => mac);
    const other = elsewhere[0] === undefined ? {} : { seenOn: elsewhere[0] };
    if (used.some(({ mac }) => there(mac))) return { ...entry, seen: seenThere, verdict: 'seen' };
    if (elsewhere.length > 0) return { ...entry, seen: seenThere, verdict: 'elsewhere', ...other };
    return {
      ...entry,
      seen: seenThere,
      verdict: wanted.some(({ mac }) => there(mac)) ? 'answered' : 'missing',
    };
  });
}

function isSettled(
  check: AddressCheck,
  nicCount: number,
  firstSeen: Map<string, number>,
  elapsedMs: number,
  { accelerator }: DomainRef,
): boolean {
  switch (check.verdict) {
    case 'seen':
    case 'lease':
      return true;
    case 'missing':
      return false;
    case 'answered':
    case 'elsewhere': {
      // With one card there is no other that the address could be on.
      if (check.verdict === 'answered' && nicCount === 1) return true;
      const key = `${check.verdict} ${check.macs.join()} ${check.address ?? ''}`;
      const since = firstSeen.get(key) ?? elapsedMs;
      firstSeen.set(key, since);
      return elapsedMs - since >= graceMs[accelerator];
    }
  }
}

/** The error of a guest that boots without its addresses; undefined when it has them all. */
export function addressFailure(
  name: string,
  { addresses, checks }: AddressFindings,
  evidence: { consoleLog: string; screenshot?: string },
): LonghaulError | undefined {
  const wrong = checks.filter(({ verdict }) => verdict === 'missing' || verdict === 'elsewhere');
  if (wrong.length === 0) return undefined;
  const wants = wrong.map((check) => {
    const what = check.address ?? 'an address by DHCP';
    const where = `${check.macs.join(' or ')} (${check.interface})`;
    if (check.seenOn !== undefined) return `${what} was to be on ${where} and is on ${check.seenOn}`;
    const else_ = check.seen.length === 0 ? 'nothing' : check.seen.join(', ');
    return `${what} was to be on ${where}, where ${else_} was seen`;
  });
  const seen = addresses.map(({ mac, address }) => `${address} on ${mac}`).join(', ');
  return new LonghaulError('BOOT_ADDRESS_MISSING', {
    found: `${name} boots, but ${wants.join('; ')}. Seen in all: ${seen === '' ? 'no address' : seen}`,
    remedy: `See ${evidence.consoleLog} and what the fix "network" warned of. Put source.nics into the order the guest had its cards, with their MACs, or give the addresses in guest.addresses, and start again; if the addresses are well, skip the boot check, or retry with policy.verifyAddresses=false.`,
    details: { ...evidence, checks, addresses },
  });
}
