import { describe, expect, it } from 'vitest';
import { vmNameFromPath } from '../../../contracts/vm-name.ts';

describe('the name of a VM from its image', () => {
  it.each([
    ['/x/web01.vmdk', 'web01'],
    ['/x/My Server (old)-disk1.vmdk', 'My-Server-old'],
    ['/x/db-flat.vmdk', 'db'],
    ['/x/srv.example.net.qcow2', 'srv.example.net'],
    ['/x/.vmdk', 'vm'],
    ['/x/--.img', 'vm'],
  ])('%s is called %s', (path, expected) => {
    expect(vmNameFromPath(path)).toBe(expected);
  });
});
