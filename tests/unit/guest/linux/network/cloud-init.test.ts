import { describe, expect, it } from 'vitest';
import { planCloudFreeze } from '../../../../../activities/guest/linux/network/cloud-init.ts';
import type { Guestfs } from '../../../../../activities/guest/session/guestfs.ts';

/** A guest in which cloud-init ran. */
const guest = {
  glob: () => Promise.resolve(['/etc/cloud/cloud.cfg', '/var/lib/cloud/data/instance-id']),
  isFile: () => Promise.resolve(false),
} as unknown as Guestfs;

describe('cloud-init', () => {
  it('is told once to leave the network alone, by whichever fix comes first', async () => {
    const datasource = {
      path: '/etc/cloud/cloud.cfg.d/zz-longhaul-datasource.cfg',
      what: 'it looks for a seed on disk only',
      after: 'datasource_list: [ NoCloud, None ]\nnetwork: {config: disabled}\nssh_deletekeys: false',
    };
    expect(await planCloudFreeze(guest, [], [datasource])).toBeUndefined();
    const own = await planCloudFreeze(guest, [], [{ ...datasource, after: 'datasource_list: [ None ]' }]);
    expect(own?.path).toBe('/etc/cloud/cloud.cfg.d/99-longhaul-network.cfg');
    expect(await planCloudFreeze(guest, [], own === undefined ? [] : [own], true)).toBeUndefined();
  });
});
