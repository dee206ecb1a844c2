import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { expect, onTestFinished } from 'vitest';
import type { MigrationReport } from '../../../contracts/steps.ts';
import { guestDisks, type GuestName } from '../../guests/guests.ts';
import type { GuestFormat } from '../../guests/lib/formats.ts';
import { run } from '../../guests/lib/run.ts';
import { Machine } from '../../guests/machine.ts';
import { host, scratch } from './host.ts';

export const minutes = (count: number) => count * 60_000;
/** The address of the card that a Machine has. */
const mac = '52:54:00:12:34:56';

/** A Debian guest, and what it has to be after its migration. */
interface Case {
  guest: GuestName;
  format: GuestFormat;
  firmware: 'bios' | 'uefi';
  /** Whether the guest's initramfs lacks virtio and gets it. */
  rebuilt: boolean;
  root: string;
  address: string;
}

/** Migrates the guest, starts the result once more and signs in to see its root, its card and its services. */
export async function expectToComeHome({
  guest,
  format,
  firmware,
  rebuilt,
  root,
  address,
}: Case): Promise<void> {
  const images = await guestDisks(guest, format, console.log);
  const before = await digests(images);
  const report = await migrated(`e2e-${guest}`, images);

  expect(report.boot?.sign).toBe('login-prompt');
  expect(report.boot?.evidence).toContain(`${guest} login:`);
  expect(changedIn(report)).toContain('/etc/fstab');
  expect(changedIn(report).some((path) => path.startsWith('/boot/initrd.img-'))).toBe(rebuilt);
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
}

/** Files that the fixes changed. */
export const changedIn = (report: MigrationReport): string[] =>
  report.fixes.flatMap(({ changes }) => changes.map(({ path }) => path));

/** Migrates images by the command line. */
export async function migrated(name: string, images: string[]): Promise<MigrationReport> {
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
export async function expectNothingElseLeft(report: MigrationReport): Promise<void> {
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

/** What libvirt says of a domain. */
export async function domainXml(name: string): Promise<string> {
  return (await run('virsh', ['--connect', 'qemu:///system', 'dumpxml', name])).stdout;
}

/** Files of the disks of a domain, in its order. */
export const sourcesIn = (xml: string): string[] =>
  [...xml.matchAll(/<source file='([^']+)'/g)].map(([, path = '']) => path);

/** SHA-256 of each file. */
export async function digests(paths: readonly string[]): Promise<string[]> {
  const all: string[] = [];
  for (const path of paths) {
    const hash = createHash('sha256');
    await pipeline(createReadStream(path), hash);
    all.push(hash.digest('hex'));
  }
  return all;
}
