import { chmod, copyFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyBoot } from '../../../activities/domain/boot-check/verify-boot.ts';
import { defineDomain } from '../../../activities/domain/define.ts';
import { runFixes } from '../../../activities/guest/linux/run-fixes.ts';
import { networkFix } from '../../../activities/guest/linux/network.ts';
import type { GuestSession } from '../../../activities/guest/session/guest-session.ts';
import { openSession } from '../../../activities/guest/session/open-session.ts';
import { expectedAddresses } from '../../../contracts/addresses.ts';
import type { BootProof, ConfiguredAddress, FixOutcome, SourceVm } from '../../../contracts/values.ts';
import { guestDisks } from '../../guests/guests.ts';
import { bootRetries } from '../../guests/machine.ts';
import { quietIo } from '../../support/guest-trees.ts';
import { DomainBench } from './bench.ts';

const [firstMac, secondMac] = ['52:54:00:aa:bb:01', '52:54:00:aa:bb:02'];
const vm: SourceVm = {
  ...{ name: 'tiny', cpus: 1, memoryMiB: 256 },
  nics: [firstMac, secondMac].map((mac) => ({ mac, network: 'default' })),
};
const bootTimeoutSeconds = 240;

let right: DomainBench;
let wrong: DomainBench;
let outcomes: FixOutcome[];

/** The same guest twice: fixed, and fixed with the card of its link file changed behind the fix's back. */
beforeAll(async () => {
  right = await DomainBench.create();
  wrong = await DomainBench.create();
  const [disk = ''] = await guestDisks('tiny', 'raw');
  for (const { diskPath } of [right, wrong].map((bench) => ({ diskPath: bench.diskPath() }))) {
    await copyFile(disk, diskPath);
    await chmod(diskPath, 0o644);
  }
  const guest = await openSession({
    disks: [right, wrong].map((bench) => ({ path: bench.diskPath(), format: 'raw' as const })),
    accelerator: 'tcg',
    readOnly: false,
    io: quietIo(),
    tmpDir: right.dir,
  });
  try {
    outcomes = await fixed(guest, '/dev/sda1');
    await fixed(guest, '/dev/sdb1');
    const link = '/etc/systemd/network/10-longhaul-ens192.link';
    const text = (await guest.readFile(link)).toString();
    await guest.replaceFile(link, text.replace(firstMac, secondMac));
    await guest.umountAll();
    await guest.sync();
  } finally {
    await guest.close();
  }
});
afterAll(async () => {
  await right.remove();
  await wrong.remove();
});

/** Mounts the tiny guest, lets it find its disk on virtio, and runs the network fix. */
async function fixed(guest: GuestSession, device: string): Promise<FixOutcome[]> {
  await guest.umountAll();
  await guest.mount(device, '/', 'rw');
  const grub = (await guest.readFile('/boot/grub/grub.cfg')).toString();
  await guest.replaceFile('/boot/grub/grub.cfg', grub.replace('root=/dev/sda1', 'root=/dev/vda1'));
  // A name for each card: of one alone it would not be sure which of the two is meant.
  const interfaces = (await guest.readFile('/etc/network/interfaces')).toString();
  await guest.replaceFile('/etc/network/interfaces', `${interfaces}\niface ens224 inet manual\n`);
  const root = { device, fsType: 'ext4' };
  return runFixes(
    [networkFix],
    {
      guest,
      facts: {
        ...{
          os: 'linux',
          root,
          firmware: 'bios',
          mountpoints: [{ path: '/', ...root }],
          kernels: [],
          warnings: [],
        },
        timings: { launchSeconds: 0, inspectSeconds: 0 },
      },
      vm,
      options: right.context().spec.guest,
      scratchDir: right.dir,
      ...quietIo(),
    },
    'apply',
  );
}

async function check(
  bench: DomainBench,
  policy: { verifyAddresses?: boolean } = {},
  expected: ConfiguredAddress[] = expectedAddresses(outcomes),
): Promise<BootProof> {
  const ctx = bench.context({ bootTimeoutSeconds, ...policy });
  const input = await bench.input(undefined, { vm: { ...vm, name: bench.name } });
  const domain = await defineDomain(ctx, input, bench.deps, bench.io());
  return verifyBoot(ctx, domain, input.disks, bench.deps, bench.io(), expected);
}

describe('a guest with a static address and two cards', { retry: bootRetries }, () => {
  it('is known by the network fix to have its address on the card it was given', () => {
    expect(expectedAddresses(outcomes)).toEqual([
      { macs: [firstMac], interface: 'ens192', method: 'static', address: '192.168.122.57/24' },
    ]);
  });

  it('passes the boot check with its address seen on the card of its MAC', async () => {
    const proof = await check(right);
    expect(proof.addresses).toContainEqual({ mac: firstMac, address: '192.168.122.57' });
    expect(proof.addresses).not.toContainEqual(expect.objectContaining({ mac: secondMac }));
    expect(proof.checks).toMatchObject([{ verdict: 'seen', seen: ['192.168.122.57'] }]);
  });

  it('fails it when the address is on the other card, and is told which', async () => {
    await expect(check(wrong)).rejects.toMatchObject({
      code: 'BOOT_ADDRESS_MISSING',
      retryable: false,
      found: expect.stringContaining(
        `192.168.122.57/24 was to be on ${firstMac} (ens192) and is on ${secondMac}`,
      ) as string,
    });
    expect(await wrong.clones()).toEqual([]);
    expect(await wrong.throwaways()).toEqual([]);
  });

  it('passes it all the same when the policy does not want addresses verified, with the verdict in the proof', async () => {
    const proof = await check(wrong, { verifyAddresses: false });
    expect(proof.checks).toMatchObject([{ verdict: 'elsewhere', seenOn: secondMac }]);
  });
});
