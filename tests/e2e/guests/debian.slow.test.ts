import { describe, it } from 'vitest';
import { bootRetries } from '../../guests/machine.ts';
import * as debian from './debian-guest.ts';
import { withHost } from './host.ts';

describe('a real Debian guest on BIOS, by the command line', { retry: bootRetries }, () => {
  withHost();

  it.each([
    { guest: 'debian-bios', format: 'vhd-fixed', rebuilt: false, address: '192.168.122.61/24' },
    { guest: 'debian-bios-novirtio', format: 'vhd-dynamic', rebuilt: true, address: '192.168.122.62/24' },
  ] as const)(
    '$guest as $format boots, keeps its address and leaves its source as it was',
    (guest) => debian.expectToComeHome({ ...guest, firmware: 'bios', root: '/dev/vda1' }),
    debian.minutes(15),
  );
});
