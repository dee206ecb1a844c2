import { copyFile, open } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defineDomain } from '../../../activities/domain/define.ts';
import { verifyBoot } from '../../../activities/domain/boot-check/verify-boot.ts';
import { guestDisks } from '../../guests/guests.ts';
import { DomainBench } from './bench.ts';

let bench: DomainBench;
beforeAll(async () => {
  bench = await DomainBench.create();
  const [disk = ''] = await guestDisks('tiny', 'raw');
  await copyFile(disk, bench.diskPath());
});
afterAll(() => bench.remove());

/** Replaces a text on the disk by one of the same length: in grub.cfg, which lies there in one piece. */
async function replaceOnDisk(from: string, to: string): Promise<number> {
  const file = await open(bench.diskPath(), 'r+');
  try {
    const content = await file.readFile();
    let count = 0;
    for (let at = content.indexOf(from); at !== -1; at = content.indexOf(from, at + 1), count++)
      await file.write(Buffer.from(to), 0, to.length, at);
    return count;
  } finally {
    await file.close();
  }
}

describe('the boot check on a Linux guest', () => {
  it('sees through grub, kernel and init to the login prompt', async () => {
    expect(await replaceOnDisk('root=/dev/sda1 ro quiet', 'root=/dev/vda1 ro quiet')).toBeGreaterThan(0);
    const ctx = bench.context({ bootTimeoutSeconds: 240 });
    const input = await bench.input();
    const domain = await defineDomain(ctx, input, bench.deps, bench.io());
    const proof = await verifyBoot(ctx, domain, input.disks, bench.deps, bench.io());
    expect(proof).toMatchObject({
      sign: 'login-prompt',
      evidence: expect.stringContaining('login:') as string,
    });
  });
});
