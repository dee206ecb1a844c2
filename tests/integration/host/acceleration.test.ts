import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type Acceleration,
  type ProbeOptions,
  probeAcceleration,
} from '../../../activities/host/acceleration.ts';

let dir: string;
let warnings: string[];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'longhaul-acceleration-'));
  warnings = [];
  await mkdir(join(dir, 'boot'));
  await writeFile(join(dir, 'kvm'), '');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const quiet = () => undefined;
const log = {
  debug: quiet,
  info: quiet,
  error: quiet,
  warn: (_: object, message: string) => warnings.push(message),
};

/** A QEMU that behaves as told when it is to boot a kernel; each boot adds a line to `boots`. */
async function fakeQemu(behaviour: string, version = '7.2.0'): Promise<string> {
  const path = join(dir, 'qemu');
  const script = [
    '#!/bin/sh',
    `[ "$1" = --version ] && { echo 'QEMU emulator version ${version}'; exit 0; }`,
    `echo "$*" >> '${join(dir, 'boots')}'`,
    behaviour,
  ];
  await writeFile(path, script.join('\n'));
  await chmod(path, 0o755);
  return path;
}

async function probe(options: Partial<ProbeOptions>): Promise<Acceleration> {
  await writeFile(join(dir, 'boot/vmlinuz-6.1.0-9-amd64'), '');
  await writeFile(join(dir, 'boot/vmlinuz-6.1.0-10-amd64'), '');
  return probeAcceleration({
    ...{ stateDir: join(dir, 'state'), signal: new AbortController().signal, log },
    ...{ kvmDevice: join(dir, 'kvm'), bootDir: join(dir, 'boot'), limitMs: 10_000 },
    ...options,
  });
}

const boots = async () => (await readFile(join(dir, 'boots'), 'utf8').catch(() => '')).split('\n').length - 1;
const panic = "echo '[ 1.2] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)'";

describe('probing acceleration', () => {
  it('trusts KVM when a stock kernel, the newest, ran up to its missing root file system', async () => {
    expect(await probe({ qemu: await fakeQemu(panic) })).toMatchObject({ accelerator: 'kvm' });
    expect(await readFile(join(dir, 'boots'), 'utf8')).toContain('vmlinuz-6.1.0-10-amd64');
    expect(warnings).toEqual([]);
  });

  it('falls back loudly when QEMU hangs without a word', async () => {
    const found = await probe({ qemu: await fakeQemu('exec sleep 60'), limitMs: 1_000 });
    expect(found).toMatchObject({
      accelerator: 'tcg',
      reason: expect.stringContaining('hangs under KVM') as string,
    });
    expect(warnings).toEqual([expect.stringContaining(found.reason)]);
  });

  it('falls back loudly when QEMU aborts', async () => {
    const found = await probe({ qemu: await fakeQemu('kill -ABRT $$') });
    expect(found).toMatchObject({ accelerator: 'tcg', reason: expect.stringContaining('SIGABRT') as string });
    expect(warnings).toHaveLength(1);
  });

  it('is not taken in by a QEMU that ends well without having booted the kernel', async () => {
    expect(await probe({ qemu: await fakeQemu('echo SeaBIOS') })).toMatchObject({ accelerator: 'tcg' });
  });

  it('falls back when QEMU is missing, the kernel cannot be read or there is no device', async () => {
    const qemu = await fakeQemu(panic);
    expect(await probe({ qemu: '/nonexistent/qemu' })).toMatchObject({ accelerator: 'tcg' });
    expect(await probe({ qemu, bootDir: '/nonexistent' })).toMatchObject({ accelerator: 'tcg' });
    expect(await probe({ qemu, kvmDevice: '/nonexistent' })).toEqual({
      accelerator: 'tcg',
      reason: '/nonexistent does not exist',
    });
    expect(await boots()).toBe(0);
  });

  it('remembers the answer, and asks again when QEMU changed', async () => {
    const qemu = await fakeQemu('kill -ABRT $$');
    const first = await probe({ qemu });
    expect(await probe({ qemu })).toEqual(first);
    expect(await boots()).toBe(1);
    expect((await stat(join(dir, 'state/acceleration.json'))).mode & 0o777).toBe(0o600);
    expect(warnings).toHaveLength(2);

    expect(await probe({ qemu: await fakeQemu(panic, '8.0.0') })).toMatchObject({ accelerator: 'kvm' });
    expect(await boots()).toBe(2);
  });

  it('ends at once when it is cancelled, and remembers nothing', async () => {
    const qemu = await fakeQemu('exec sleep 60');
    const signal = AbortSignal.timeout(300);
    await expect(probe({ qemu, signal, limitMs: 30_000 })).rejects.toMatchObject({ name: 'TimeoutError' });
    await expect(stat(join(dir, 'state/acceleration.json'))).rejects.toThrow('ENOENT');
  });

  it('finds an answer for this very host, with its own QEMU and kernel', async () => {
    const found = await probeAcceleration({ stateDir: dir, signal: new AbortController().signal, log });
    expect(['kvm', 'tcg']).toContain(found.accelerator);
    expect(found.reason).not.toMatch(/could not be tried/);
    expect(warnings).toHaveLength(found.accelerator === 'tcg' ? 1 : 0);
    console.log(`this host: ${found.accelerator}, ${found.reason}`);
  });
});
