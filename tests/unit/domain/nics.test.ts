import { describe, expect, it } from 'vitest';
import { mapNics } from '../../../activities/domain/nics.ts';
import { migrationSpec } from '../../../contracts/spec.ts';

const targetWith = (networks: Record<string, string>) =>
  migrationSpec.parse({
    name: 'web01',
    source: { kind: 'image', disks: ['/d/0'] },
    target: { networks, nicModel: 'e1000e' },
  }).target;
const nics = [
  { mac: '52:54:00:00:00:01', network: 'prod' },
  { mac: '52:54:00:00:00:02', network: 'backup' },
];

describe('mapping NICs', () => {
  it("keeps order and MAC addresses, uses a network's own entry first and `default` for the rest", () => {
    expect(mapNics(nics, targetWith({ prod: 'bridge:br0', default: 'lan' }))).toEqual([
      { mac: '52:54:00:00:00:01', model: 'e1000e', target: 'bridge:br0' },
      { mac: '52:54:00:00:00:02', model: 'e1000e', target: 'lan' },
    ]);
  });

  it('refuses a network that has no entry', () => {
    expect(() => mapNics(nics, targetWith({ prod: 'lan' }))).toThrow(
      expect.objectContaining({
        code: 'NETWORK_UNMAPPED',
        details: { network: 'backup', mac: '52:54:00:00:00:02' },
      }),
    );
  });

  it('does not find a network among the words of the language', () => {
    expect(() =>
      mapNics([{ mac: '52:54:00:00:00:01', network: 'constructor' }], targetWith({ prod: 'lan' })),
    ).toThrow(/constructor/);
  });
});
