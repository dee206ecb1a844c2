import { describe, expect, it } from 'vitest';
import { consoleAddresses } from '../../../../activities/domain/boot-check/console-addresses.ts';
import {
  addressFailure,
  judgeAddresses,
  watchAddresses,
  type AddressWatch,
} from '../../../../activities/domain/boot-check/expected-addresses.ts';
import { expectedAddresses } from '../../../../contracts/addresses.ts';
import type { ConfiguredAddress, FixOutcome } from '../../../../contracts/values.ts';

const [first, second] = ['52:54:00:00:00:01', '52:54:00:00:00:02'];
const fixed = (address: string, macs = [first]): ConfiguredAddress => ({
  macs,
  interface: 'ens192',
  method: 'static',
  address,
});
const dhcp: ConfiguredAddress = { macs: [second], interface: 'ens224', method: 'dhcp' };
const nobody = new Set<string>();
const verdict = (...args: Parameters<typeof judgeAddresses>) =>
  judgeAddresses(...args).map((check) => check.verdict);

describe('waiting for the addresses of a guest', () => {
  it('asks for each on every card: on its own, and on those where it may be up instead', async () => {
    const asked: [number, string][] = [];
    const round = new AbortController();
    const watch = watchAddresses({
      uuid: 'clone',
      domain: { accelerator: 'kvm', nics: [{ mac: first }, { mac: second }] },
      wires: {
        sightings: () => [],
        leased: () => false,
        ask: (nic: number, address: string) => asked.push([nic, address]),
      },
      reader: { tail: () => [] },
      expected: [fixed('10.0.0.5/24')],
      io: { signal: round.signal, report: () => round.abort() },
    } as unknown as AddressWatch);
    await expect(watch).rejects.toMatchObject({ name: 'AbortError' });
    expect(asked).toEqual([
      [0, '10.0.0.5/24'],
      [1, '10.0.0.5/24'],
    ]);
  });
});

describe('the addresses a guest shows beside those it was to have', () => {
  const used = (mac: string, address: string) => ({ mac, address, how: 'used' as const });
  const answered = (mac: string, address: string) => ({ mac, address, how: 'answered' as const });

  it('are right when used on the card of their MAC, whatever else is seen', () => {
    const seen = [used(second, '10.0.0.5'), used(first, '10.0.0.5')];
    expect(judgeAddresses([fixed('10.0.0.5/24')], seen, nobody)).toEqual([
      { ...fixed('10.0.0.5/24'), seen: ['10.0.0.5'], verdict: 'seen' },
    ]);
  });

  it('are on the wrong card when used on another one only, even if they are answered for on theirs', () => {
    const seen = [answered(first, '10.0.0.5'), used(second, '10.0.0.5')];
    expect(judgeAddresses([fixed('10.0.0.5/24')], seen, nobody)).toMatchObject([
      { verdict: 'elsewhere', seenOn: second },
    ]);
  });

  it('may be anywhere below a bond', () => {
    expect(verdict([fixed('10.0.0.5/24', [first, second])], [used(second, '10.0.0.5')], nobody)).toEqual([
      'seen',
    ]);
  });

  it('are taken for there when answered for and seen nowhere else', () => {
    expect(verdict([fixed('10.0.0.5/24')], [answered(first, '10.0.0.5')], nobody)).toEqual(['answered']);
  });

  it('are missing when others are there', () => {
    expect(verdict([fixed('2001:db8::5/64')], [used(first, '2001:db8::6')], nobody)).toEqual(['missing']);
  });

  it('by DHCP are there when a lease was taken on the card, or the agent names one', () => {
    expect(verdict([dhcp], [], new Set([second]))).toEqual(['lease']);
    expect(verdict([dhcp], [used(second, '192.0.2.11')], nobody)).toEqual(['lease']);
    expect(verdict([dhcp], [], new Set([first]))).toEqual(['missing']);
  });
});

describe('the error of a guest without its addresses', () => {
  const evidence = { consoleLog: '/c.log' };
  it('names what was expected where, and what was seen', () => {
    const addresses = [{ mac: second, address: '10.0.0.5' }];
    const seen = addresses.map((entry) => ({ ...entry, how: 'used' as const }));
    const checks = judgeAddresses([fixed('10.0.0.5/24'), { ...dhcp, macs: [first] }], seen, nobody);
    expect(addressFailure('web01', { addresses, checks }, evidence)).toMatchObject({
      code: 'BOOT_ADDRESS_MISSING',
      retryable: false,
      found: `web01 boots, but 10.0.0.5/24 was to be on ${first} (ens192) and is on ${second}; an address by DHCP was to be on ${first} (ens224), where nothing was seen. Seen in all: 10.0.0.5 on ${second}`,
    });
  });

  it('does not come for one that answers for its address', () => {
    const checks = judgeAddresses(
      [fixed('10.0.0.5/24')],
      [{ mac: first, address: '10.0.0.5', how: 'answered' }],
      nobody,
    );
    expect(addressFailure('web01', { addresses: [], checks }, evidence)).toBeUndefined();
  });
});

describe('addresses on a console', () => {
  it("are read from cloud-init's table of devices, the interfaces that are down left out", () => {
    const lines = [
      'ci-info: +++++++++++++++++++++++++++++++++++++++Net device info+++++++++++++++++++++++++++++++++++++++',
      'ci-info: | Device |  Up  |           Address            |      Mask     | Scope  |     Hw-Address    |',
      'ci-info: | ens160 | True |         10.0.0.5             | 255.255.255.0 | global | 52:54:00:00:00:01 |',
      'ci-info: | ens160 | True | fe80::5054:ff:fe00:1/64      |       .       |  link  | 52:54:00:00:00:01 |',
      '[   14.5] cloud-init[512]: ci-info: | ens160 | True | 2001:db8::5/64 |       .       | global | 52:54:00:00:00:01 |',
      'ci-info: | ens192 | False |        .                    |       .       |   .    | 52:54:00:00:00:02 |',
      'ci-info: |   lo   | True |         127.0.0.1            |   255.0.0.0   |  host  |         .         |',
    ];
    expect(consoleAddresses(lines)).toEqual([
      { mac: first, address: '10.0.0.5', how: 'used' },
      { mac: first, address: '2001:db8::5', how: 'used' },
    ]);
  });
});

describe('the addresses a guest is to come up with', () => {
  const outcome = (addresses?: ConfiguredAddress[]): FixOutcome => ({
    ...{ fix: 'x', title: 'x', changes: [], warnings: [], seconds: 0 },
    ...(addresses === undefined ? {} : { addresses }),
  });

  it('are for each card those of the last fix that speaks of it', () => {
    const fixes = [outcome(), outcome([fixed('10.0.0.5/24'), dhcp]), outcome([fixed('10.9.0.5/24')])];
    expect(expectedAddresses(fixes)).toEqual([dhcp, fixed('10.9.0.5/24')]);
  });
});
