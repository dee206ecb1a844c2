import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readInterfaces } from '../../../../../activities/guest/linux/network/ifupdown.ts';
import { kernelNames, renameInterfaces } from '../../../../../activities/guest/linux/network/kernel-names.ts';
import { readKeyfile } from '../../../../../activities/guest/linux/network/keyfile.ts';
import { assignNames } from '../../../../../activities/guest/linux/network/names.ts';
import { readMactab, renewMactab } from '../../../../../activities/guest/linux/network/rules.ts';

const [a, b] = ['52:54:00:00:00:0a', '52:54:00:00:00:0b'] as const;
const old = '00:50:56:00:00:01';

const config = (text: string) => ({ manager: 'ifupdown' as const, found: readInterfaces(text) });
const known = (...lines: string[]) => ({ found: readMactab(lines.join('\n')) });
/** What becomes of the names where nothing but the kernel names cards. */
function named(files: Parameters<typeof kernelNames>[0], macs: readonly string[]) {
  const plan = assignNames(
    files.map(({ found }) => found),
    macs,
  );
  const { renamed, warnings } = kernelNames(files, plan, macs);
  return { renamed: Object.fromEntries(renamed), warnings };
}

describe('names in a guest without udev', () => {
  it('stay where they are those of the kernel', () => {
    expect(named([config('auto eth0\niface eth0 inet dhcp\niface eth1 inet dhcp\n')], [a, b])).toEqual({
      renamed: {},
      warnings: [],
    });
  });

  it("become the kernel's where the VM has one card, and that is told", () => {
    expect(named([config('auto ens192\niface ens192 inet dhcp\n')], [a])).toEqual({
      renamed: { ens192: 'eth0' },
      warnings: [
        'The guest has no udev: ens192 is eth0 now in its network configuration. Change firewall rules and scripts that name them.',
      ],
    });
  });

  it('become so among several cards where their MACs are known', () => {
    const files = [
      config('auto lan\niface lan inet dhcp\nauto wan\niface wan inet dhcp\n'),
      known(`lan ${b}`, `wan ${a}`),
    ];
    expect(named(files, [a, b]).renamed).toEqual({ lan: 'eth1', wan: 'eth0' });
  });

  it('are left alone, with a warning, where the card can only be guessed', () => {
    const { renamed, warnings } = named(
      [config('auto lan\niface lan inet dhcp\niface wan inet dhcp\n')],
      [a, b],
    );
    expect(renamed).toEqual({});
    expect(warnings).toEqual([
      `The guest has no udev that could name its card ${a} lan; its kernel calls it eth0, so what is configured for lan may stay down.`,
      `The guest has no udev that could name its card ${b} wan; its kernel calls it eth1, so what is configured for wan may stay down.`,
    ]);
  });

  it('are never given to two: a name that stays is not taken', () => {
    const { renamed } = named([config('auto ens192\niface ens192 inet dhcp\niface eth0 inet manual\n')], [a]);
    expect(renamed).toEqual({});
    // The card of eth0 is known, so that one may go first.
    const files = [
      config('auto eth0\niface eth0 inet dhcp\niface ens192 inet dhcp\n'),
      known(`eth0 ${b}`, `ens192 ${a}`),
    ];
    expect(named(files, [a, b]).renamed).toEqual({ eth0: 'eth1', ens192: 'eth0' });
  });

  it('of systems that need udev are left alone', () => {
    const keyfile = readKeyfile('[connection]\ntype=ethernet\ninterface-name=ens192\n');
    const { renamed, warnings } = named([{ manager: 'networkmanager', found: keyfile }], [a]);
    expect(renamed).toEqual({});
    expect(warnings).toHaveLength(1);
  });
});

describe('putting other names into a text', () => {
  const rename = (text: string, renamed: Record<string, string> = { ens192: 'eth0' }) =>
    renameInterfaces(text, new Map(Object.entries(renamed)));

  it('names the interface, its aliases and VLANs anew in stanzas and commands', () => {
    const text = [
      'auto lo ens192 ens192.7',
      'auto /ens192=lan',
      'iface ens192 inet static',
      '    address 10.0.0.5/24',
      '    up ip route add 10.1.0.0/16 dev ens192',
      '    up echo 2 >/proc/sys/net/ipv6/conf/ens192/accept_ra; ethtool -K ens192 tso off',
      'iface ens192:1 inet dhcp',
      'iface br0 inet dhcp',
      '    bridge-ports ens192.7',
      '',
    ].join('\n');
    expect(rename(text)).toBe(text.replaceAll('ens192', 'eth0'));
  });

  it.each([
    '# ens192 is the LAN',
    'source /etc/network/ens192',
    'up /etc/network/ens192.sh',
    'up sh ens192.sh',
    'iface ens1921 inet dhcp',
    'iface xens192 inet dhcp',
    'iface ens192-lan inet dhcp',
    'up echo $ens192 ${ens192}',
  ])('leaves %j alone', (text) => {
    expect(rename(text)).toBe(text);
  });

  it('lets two change places', () => {
    expect(rename('auto lan.x wan\n', { 'lan.x': 'wan', wan: 'lan.x' })).toBe('auto wan lan.x\n');
  });

  it('leaves every text alone that does not hold the name', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(!text.includes('ens192'));
        expect(rename(text)).toBe(text);
      }),
    );
  });
});

describe('/etc/mactab', () => {
  const text = `# names\neth0 ${old.toUpperCase()}\nlan mac=${b}\nwan driver=vmxnet3\n`;

  it('says which card carries a name', () => {
    expect(readMactab(text).physical).toEqual([
      { name: 'eth0', mac: old },
      { name: 'lan', mac: b },
    ]);
  });

  it('gets the MAC of the card that is at the place of one that is gone', () => {
    expect(renewMactab(text, new Map([[old, a]]))).toBe(text.replace(old.toUpperCase(), a));
    expect(renewMactab(text, new Map())).toBe(text);
  });
});
