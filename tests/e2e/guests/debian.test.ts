import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { MigrationReport } from '../../../contracts/steps.ts';
import { guestDisks, type GuestName } from '../../guests/guests.ts';
import type { GuestFormat } from '../../guests/lib/formats.ts';
import { run } from '../../guests/lib/run.ts';
import { bootRetries, Machine } from '../../guests/machine.ts';
import { LonghaulHost } from '../../support/longhaul-host.ts';

const minutes = (count: number) => count * 60_000;
/** The address of the card that a Machine has. */
const mac = '52:54:00:12:34:56';

let scratch: string;
let host: LonghaulHost;
beforeAll(async () => {
  scratch = await mkdtemp('/var/tmp/longhaul-e2e-');
  await run('chmod', ['0711', scratch]);
  host = await LonghaulHost.start(join(scratch, 'host'));
});
afterAll(async () => {
  await host.stop();
  await rm(scratch, { recursive: true });
});

interface Case {
  guest: GuestName;
  format: GuestFormat;
  firmware: 'bios' | 'uefi';
  /** Whether the guest's initramfs lacks virtio and has to be built anew. */
  rebuilt: boolean;
  root: string;
  address: string;
}

const cases: Case[] = [
  {
    guest: 'debian-bios',
    format: 'vhd-fixed',
    firmware: 'bios',
    rebuilt: false,
    root: '/dev/vda1',
    address: '192.168.122.61/24',
  },
  {
    guest: 'debian-bios-novirtio',
    format: 'vhd-dynamic',
    firmware: 'bios',
    rebuilt: true,
    root: '/dev/vda1',
    address: '192.168.122.62/24',
  },
  {
    guest: 'debian-uefi-lvm',
    format: 'vmdk-stream',
    firmware: 'uefi',
    rebuilt: false,
    root: '/dev/mapper/vg-root',
    address: '192.168.122.63/24',
  },
];

describe('a real Debian guest, from image to domain by the command line', { retry: bootRetries }, () => {
  it.each(cases)(
    '$guest as $format boots, keeps its address and leaves its source as it was',
    async ({ guest, format, firmware, rebuilt, root, address }) => {
      const images = await guestDisks(guest, format, console.log);
      const before = await digests(images);
      const report = await migrated(`e2e-${guest}`, images);

      expect(report.boot?.sign).toBe('login-prompt');
      expect(report.boot?.evidence).toContain(`${guest} login:`);
      const changed = report.fixes.flatMap(({ changes }) => changes.map(({ path }) => path));
      expect(changed).toContain('/etc/fstab');
      expect(changed.some((path) => path.startsWith('/boot/initrd.img-'))).toBe(rebuilt);
      expect(await digests(images)).toEqual(before);

      const domain = await domainXml(`e2e-${guest}`);
      expect(domain).toContain(`<mac address='${mac}'/>`);
      expect(domain.includes("<os firmware='efi'>")).toBe(firmware === 'uefi');
      expect(sourcesIn(domain)).toEqual(report.disks.map(({ path }) => path));

      const seen = await signIn(report, firmware);
      expect(seen).toContain(root);
      expect(seen).toMatch(new RegExp(`ens192 +UP +${address}`));
      expect(seen).not.toContain('degraded');
      await expectNothingElseLeft(report);
    },
    minutes(15),
  );

  it('a VM with a data disk keeps both, in their order, and the data disk bit for bit', async () => {
    const [system = ''] = await guestDisks('debian-bios', 'qcow2', console.log);
    const [data = ''] = await guestDisks('data', 'qcow2', console.log);
    const before = await digests([system, data]);
    const report = await migrated('e2e-data', [system, data]);

    expect(report.boot?.sign).toBe('login-prompt');
    expect(sourcesIn(await domainXml('e2e-data'))).toEqual(report.disks.map(({ path }) => path));
    const [, second] = report.disks;
    if (!second) throw new Error('the report has one disk');
    // Exits with 1 and so fails the test when a byte differs.
    await run('qemu-img', ['compare', '-f', 'qcow2', '-F', 'qcow2', data, second.path]);
    expect(second.allocatedBytes).toBeLessThan(second.virtualSizeBytes / 4);
    expect(await digests([system, data])).toEqual(before);
    await expectNothingElseLeft(report);
  });
});

async function migrated(name: string, images: string[]): Promise<MigrationReport> {
  onTestFinished(() => host.remove(name));
  return host.migrate(name, images, ['--memory', '1G', '--mac', `${mac}@default`]);
}

/** What the migrated guest says of itself to somebody who signs in at its screen. */
async function signIn(report: MigrationReport, firmware: 'bios' | 'uefi'): Promise<string> {
  const disks: string[] = [];
  for (const { index, path } of report.disks) {
    const raw = join(scratch, `disk${index}.raw`);
    await run('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', path, raw]);
    disks.push(raw);
  }
  await using machine = await Machine.start({ disks, hardware: 'virtio', firmware, memoryMiB: 1024 });
  const line = 'exec > /dev/ttyS0; findmnt -no source /; ip -br a; systemctl is-system-running; echo $? said';
  const account = { name: 'root', password: 'longhaul' };
  await machine.signInAndRun(account, line, /^\d+ said/m, minutes(8));
  return await machine.serial();
}

/** The report, the disks and the domain are what a migration leaves. */
async function expectNothingElseLeft(report: MigrationReport): Promise<void> {
  const names = report.disks.map(({ path }) => path.slice(path.lastIndexOf('/') + 1));
  expect((await readdir(host.targetDir)).sort()).toEqual(names.sort());
  const kept = await readdir(join(host.directory, 'state', 'migrations', report.migrationId), {
    recursive: true,
  });
  expect(kept.filter((path) => /\/(work|ledger)(\/|$)/.test(path))).toEqual([]);
  const { stdout } = await run('virsh', ['--connect', 'qemu:///system', 'list', '--all', '--name']);
  const clones = stdout.split('\n').filter((name) => name.startsWith('longhaul-boot-'));
  for (const clone of clones) expect(await domainXml(clone)).not.toContain(host.directory);
}

async function domainXml(name: string): Promise<string> {
  return (await run('virsh', ['--connect', 'qemu:///system', 'dumpxml', name])).stdout;
}

/** Files of the disks of a domain, in its order. */
const sourcesIn = (xml: string): string[] =>
  [...xml.matchAll(/<source file='([^']+)'/g)].map(([, path = '']) => path);

async function digests(paths: readonly string[]): Promise<string[]> {
  const all: string[] = [];
  for (const path of paths) {
    const hash = createHash('sha256');
    await pipeline(createReadStream(path), hash);
    all.push(hash.digest('hex'));
  }
  return all;
}
