import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignNames } from '../../../../../activities/guest/linux/network/names.ts';
import { linkFile, udevRules } from '../../../../../activities/guest/linux/network/rules.ts';

const [a, b, c] = ['52:54:00:00:00:0a', '52:54:00:00:00:0b', '52:54:00:00:00:0c'] as const;
const file = (...entries: (string | [string, string])[]) => ({
  physical: entries.map((entry) =>
    typeof entry === 'string' ? { name: entry } : { name: entry[0], mac: entry[1] },
  ),
  virtual: [] as string[],
  macs: [] as string[],
  paths: [] as string[],
});

describe('which card gets which configured name', () => {
  it('follows the order of the cards, names in natural order', () => {
    expect(assignNames([file('ens256', 'ens192', 'ens1001')], [a, b, c]).names).toEqual([
      { name: 'ens192', mac: a },
      { name: 'ens256', mac: b },
      { name: 'ens1001', mac: c },
    ]);
  });

  it('is decided by a MAC that is still there', () => {
    expect(assignNames([file('ens192', ['ens224', a])], [a, b]).names).toEqual([
      { name: 'ens192', mac: b },
      { name: 'ens224', mac: a },
    ]);
  });

  it('renews a MAC that is gone by the one of the card at its place', () => {
    const plan = assignNames([file(['eth0', '00:50:56:00:00:01'])], [a]);
    expect(plan).toEqual({
      names: [{ name: 'eth0', mac: a }],
      renewed: new Map([['00:50:56:00:00:01', a]]),
      warnings: [],
    });
  });

  it('leaves out the loopback and what the guest makes itself, but not what those stand on', () => {
    const found = { ...file('lo', 'br0', 'eth0.100', 'eth0:1', 'mybond', 'ens3'), virtual: ['mybond'] };
    expect(assignNames([found], [a, b]).names.map(({ name }) => name)).toEqual(['ens3', 'eth0']);
  });

  it('is told by a name that the kernel or the hypervisor counted, when other cards are not configured', () => {
    expect(assignNames([file('eth1')], [a, b])).toEqual({
      names: [{ name: 'eth1', mac: b }],
      renewed: new Map(),
      warnings: [],
    });
    expect(assignNames([file('enX2')], [a, b, c]).names).toEqual([{ name: 'enX2', mac: c }]);
    // Of two cards ens224 is the second: the first is ens160 or ens192.
    expect(assignNames([file('ens224')], [a, b]).names).toEqual([{ name: 'ens224', mac: b }]);
    expect(assignNames([file('ens160')], [a, b]).names).toEqual([{ name: 'ens160', mac: a }]);
    expect(assignNames([file('ens224', 'ens256')], [a, b, c]).names).toEqual([
      { name: 'ens224', mac: b },
      { name: 'ens256', mac: c },
    ]);
    expect(assignNames([file(['ens192', a], 'ens256')], [a, b, c])).toMatchObject({
      names: [
        { name: 'ens192', mac: a },
        { name: 'ens256', mac: c },
      ],
      warnings: [],
    });
  });

  it('is a guess that is said, where the name tells no place and there are more cards', () => {
    for (const name of ['ens192', 'ens34', 'lan']) {
      const plan = assignNames([file(name)], [a, b]);
      expect(plan.names).toEqual([{ name, mac: a }]);
      expect(plan.unsure).toEqual([a, b]);
      expect(plan.warnings).toEqual([
        `The guest configures ${name}, and nothing says which of the cards ${a}, ${b} is meant; it was given ${a}. Put the MAC into the configuration in the source VM, or set guest.addresses.`,
      ]);
    }
    // The guest counts its cards in another order than the VM has them.
    const renamed = assignNames([file(['eth0', b], 'eth2')], [a, b, c]);
    expect(renamed.unsure).toEqual([a, c]);
    expect(assignNames([file(['lan', '00:50:56:00:00:01'])], [a, b]).unsure).toEqual([a, b]);
    expect(assignNames([file('ens34', 'ens35')], [a, b]).unsure).toBeUndefined();
  });

  it('warns when there are more names than cards', () => {
    const plan = assignNames([file('eth0', 'eth1')], [a]);
    expect(plan.names).toEqual([{ name: 'eth0', mac: a }]);
    expect(plan.warnings).toEqual([
      "The VM has 1 network cards, and none is left for eth1 of the guest's configuration.",
    ]);
  });

  it('leaves cards to a pattern that new names match, and gives them a fitting name where they do not', () => {
    expect(assignNames([file('en*')], [a])).toEqual({ names: [], renewed: new Map(), warnings: [] });
    expect(assignNames([file('ens*')], [a, b])).toEqual({
      names: [
        { name: 'ens192', mac: a },
        { name: 'ens224', mac: b },
      ],
      renewed: new Map(),
      warnings: [],
    });
    expect(assignNames([file('e[no]s*')], [a]).warnings[0]).toContain('"e[no]s*"');
  });

  it('follows the slots of VMware, whose fourth card is ens161', () => {
    const names = assignNames(
      [file('ens161', 'ens192', 'ens224', 'ens256')],
      [a, b, c, '52:54:00:00:00:0d'],
    ).names;
    expect(names.find(({ name }) => name === 'ens161')?.mac).toBe('52:54:00:00:00:0d');
    expect(names.find(({ name }) => name === 'ens192')?.mac).toBe(a);
  });

  it("finds cards again that were told by their place on the old hardware's buses", () => {
    const found = {
      ...file(),
      physical: [{ name: 'lan0', path: 'pci-0000:0b:00.0' }],
      paths: ['pci-0000:13:00.0'],
    };
    const plan = assignNames([found], [a, b]);
    expect(plan.names).toEqual([{ name: 'lan0', mac: a }]);
    expect(Object.fromEntries(plan.renewed)).toEqual({ 'pci-0000:0b:00.0': a, 'pci-0000:13:00.0': b });
  });

  it('renews no MAC that a named interface of another file already has', () => {
    const named = file(['eth0', a]);
    expect(assignNames([named, { ...file(), macs: [a] }], [a, b]).renewed.size).toBe(0);
  });

  it("warns when names of the kernel's own would have to change places", () => {
    expect(assignNames([file(['eth0', b], ['eth1', a])], [a, b]).warnings[0]).toContain(
      `eth0 (${b}), eth1 (${a})`,
    );
    expect(assignNames([file(['eth0', a], ['eth1', b])], [a, b]).warnings).toEqual([]);
  });

  it('never puts a name into a file that could break out of it', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (hostile) => {
        for (const { name } of assignNames([file(...hostile)], [a, b, c]).names) {
          expect(name).toMatch(/^[A-Za-z0-9_.-]{1,15}$/);
        }
      }),
    );
    expect(assignNames([file('x" RUN+="/x')], [a]).names).toEqual([]);
    expect(assignNames([file('../../x')], [a]).names).toEqual([]);
  });

  it('never gives one card two names, nor one name to two cards', () => {
    const entry = fc.oneof(
      fc.constantFrom('eth0', 'eth1', 'ens3'),
      fc.tuple(fc.constantFrom('eth0', 'lan'), fc.constantFrom(a, b, '00:50:56:00:00:01')),
    );
    fc.assert(
      fc.property(fc.array(entry), (entries) => {
        const { names } = assignNames([file(...entries)], [a, b]);
        expect(new Set(names.map(({ name }) => name)).size).toBe(names.length);
        expect(new Set(names.map(({ mac }) => mac)).size).toBe(names.length);
      }),
    );
  });
});

describe('the files that give the names', () => {
  it('bind a name to the MAC of a card on a bus', () => {
    expect(linkFile('ens192', a)).toContain(`[Match]\nMACAddress=${a}\nPath=*\n\n[Link]\nName=ens192\n`);
    expect(udevRules([{ name: 'ens192', mac: a }])).toContain(
      `ATTR{address}=="${a}", ATTR{type}=="1", NAME="ens192"`,
    );
  });
});
