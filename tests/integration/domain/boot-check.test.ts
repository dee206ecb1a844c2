import { spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile, readlink, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defineDomain } from '../../../activities/domain/define.ts';
import { verifyBoot } from '../../../activities/domain/boot-check/verify-boot.ts';
import type { MigrationSpecInput } from '../../../contracts/spec.ts';
import type { DefineInput } from '../../../contracts/steps.ts';
import type { BootProof, RunRef } from '../../../contracts/values.ts';
import { domainXml } from '../../../activities/domain/domain-xml.ts';
import { plainShape } from '../../unit/domain/shapes.ts';
import { DomainBench, eventually, virsh } from './bench.ts';
import { writeBootSectorDisk, writePowerOffDisk } from './boot-sector.ts';

let bench: DomainBench;
beforeEach(async () => {
  bench = await DomainBench.create();
});
afterEach(() => bench.remove());

async function check(
  policy: MigrationSpecInput['policy'] = {},
  signal?: AbortSignal,
  more: Partial<DefineInput> = {},
): Promise<BootProof> {
  const ctx = bench.context(policy);
  const input = await bench.input(undefined, more);
  const domain = await defineDomain(ctx, input, bench.deps, bench.io());
  return verifyBoot(ctx, domain, input.disks, bench.deps, bench.io(signal));
}

const digest = async (path: string) =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');

/** The clone's guest has written to its console. */
async function guestRuns(): Promise<boolean> {
  const log = join(bench.host.stateDir, 'migrations', bench.run.migrationId, 'run-1', 'console.log');
  return (await readFile(log, 'utf8').catch(() => '')).includes('waiting');
}

/** Nothing of a boot check is left: no clone, no file beside the disks, no QEMU that has them open. */
async function expectNothingLeft(): Promise<void> {
  expect(await bench.clones()).toEqual([]);
  expect(await bench.throwaways()).toEqual([]);
  expect(await processesUsing(bench.dir)).toEqual([]);
  expect((await virsh('domstate', bench.name)).trim()).toBe('shut off');
}

async function processesUsing(dir: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const files = await readdir(`/proc/${pid}/fd`).catch(() => []);
    for (const fd of files) {
      const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
      if (target.startsWith(join(dir, 'disks'))) found.push(`${pid}: ${target}`);
    }
  }
  return found;
}

describe('the boot check', () => {
  it('takes a login prompt on the serial console as proof, and leaves the disk as it was', async () => {
    await writeBootSectorDisk(bench.diskPath(), 'booting\r\n\x1b[1mtiny\x1b[0m login: ');
    const before = { digest: await digest(bench.diskPath()), stat: await stat(bench.diskPath()) };

    const proof = await check();

    expect(proof).toMatchObject({ sign: 'login-prompt', evidence: 'tiny login:', accelerator: 'tcg' });
    const after = await stat(bench.diskPath());
    expect(await digest(bench.diskPath())).toBe(before.digest);
    expect([after.mtimeMs, after.uid, after.gid, after.mode]).toEqual([
      before.stat.mtimeMs,
      before.stat.uid,
      before.stat.gid,
      before.stat.mode,
    ]);
    expect(await readFile(proof.consoleLog, 'utf8')).toContain('tiny');
    expect((await readFile(proof.screenshot ?? '')).subarray(1, 4).toString()).toBe('PNG');
    for (const kept of [proof.consoleLog, proof.screenshot ?? ''])
      expect((await stat(kept)).mode & 0o777).toBe(0o600);
    await expectNothingLeft();
  });

  it('fails at once when the guest panics, with its last words and a screenshot', async () => {
    await writeBootSectorDisk(
      bench.diskPath(),
      'first\r\n[    1.6] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r\n',
    );
    const failure = await check({ bootTimeoutSeconds: 300 }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'BOOT_PANIC' });
    expect(failure).toMatchObject({ found: expect.stringContaining('Unable to mount root fs') as string });
    expect(failure).toMatchObject({ details: { tail: expect.arrayContaining(['first']) as string[] } });
    expect(
      (await stat(join(bench.host.stateDir, 'migrations', bench.run.migrationId, 'run-1', 'screen.png')))
        .size,
    ).toBeGreaterThan(0);
    await expectNothingLeft();
  });

  it('fails after its time limit when the guest stays silent, and tells of its waiting all along', async () => {
    await writeBootSectorDisk(bench.diskPath(), 'Loading the system');
    const failure = await check({ bootTimeoutSeconds: 20 }).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: 'BOOT_NOT_SEEN',
      found: expect.stringContaining(
        'within 20 s under tcg; its console ends with: Loading the system',
      ) as string,
    });
    expect(bench.reports).toContainEqual(expect.stringMatching(/^booting, \d+ of at most 20 s: /));
    await expectNothingLeft();
  });

  it('fails when the guest switches itself off', async () => {
    await writePowerOffDisk(bench.diskPath());
    await expect(check()).rejects.toMatchObject({
      code: 'BOOT_PANIC',
      found: expect.stringContaining('ended by itself') as string,
    });
    await expectNothingLeft();
  });

  it('ends the clone and removes its files when it is cancelled', async () => {
    await writeBootSectorDisk(bench.diskPath(), 'waiting');
    const cancel = new AbortController();
    const running = check({}, cancel.signal);
    running.catch(() => undefined);
    expect(await eventually(guestRuns)).toBe(true);
    cancel.abort(new Error('cancelled by the test'));
    await expect(running).rejects.toThrow('cancelled by the test');
    await expectNothingLeft();
  });

  it('leaves no guest running when its process is killed, and the next attempt cleans up and succeeds', async () => {
    await writeBootSectorDisk(bench.diskPath(), 'waiting');
    const ctx = bench.context();
    const input = await bench.input();
    const domain = await defineDomain(ctx, input, bench.deps, bench.io());
    const script = join(import.meta.dirname, 'boot-check-process.ts');
    const child = spawn(process.execPath, [script, JSON.stringify([ctx, domain, input.disks, bench.host])]);
    const exited = once(child, 'exit');
    expect(await eventually(guestRuns)).toBe(true);
    expect(await bench.clones()).toHaveLength(1);
    child.kill('SIGKILL');
    await exited;

    expect(await eventually(async () => (await bench.clones()).length === 0)).toBe(true);
    expect(await eventually(async () => (await processesUsing(bench.dir)).length === 0)).toBe(true);
    expect(await bench.throwaways()).not.toEqual([]);

    await writeBootSectorDisk(bench.diskPath(), 'tiny login: ');
    const proof = await verifyBoot(ctx, domain, input.disks, bench.deps, bench.io());
    expect(proof.sign).toBe('login-prompt');
    await expectNothingLeft();
  });

  it("ends a clone that an earlier attempt of this run left, and nobody else's", async () => {
    await writeBootSectorDisk(bench.diskPath(), 'tiny login: ');
    const prefix = `longhaul-boot-${bench.uuid.slice(0, 8)}-`;
    const leave = async (name: string, owner: RunRef) => {
      const shape = { ...plainShape, name, uuid: randomUUID(), owner, cpus: 1, memoryMiB: 64 };
      const file = join(bench.dir, 'left.xml');
      await writeFile(file, domainXml({ ...shape, disks: [], nics: [] }));
      await virsh('create', file);
    };
    await leave(`${prefix}ours`, bench.run);
    await leave(`${prefix}theirs`, { ...bench.run, runId: 'run-2' });
    await check();
    expect(await bench.clones()).toEqual([`${prefix}theirs`]);
  });

  it('does not start while the domain itself runs', async () => {
    await writeBootSectorDisk(bench.diskPath(), 'tiny login: ');
    const ctx = bench.context();
    const input = await bench.input(undefined, { vm: { name: bench.name, memoryMiB: 256, nics: [] } });
    const domain = await defineDomain(ctx, input, bench.deps, bench.io());
    await virsh('start', bench.name);
    await expect(verifyBoot(ctx, domain, input.disks, bench.deps, bench.io())).rejects.toMatchObject({
      code: 'DOMAIN_ACTIVE',
    });
    expect((await virsh('domstate', bench.name)).trim()).toBe('running');
  });

  it('gives a UEFI guest an NVRAM of its own and takes it away again', async () => {
    await writeBootSectorDisk(bench.diskPath(), 'never run: this is no UEFI program');
    const vm = { name: bench.name, memoryMiB: 256, cpus: 1, nics: [] };
    const failure = await check({ bootTimeoutSeconds: 240 }, undefined, {
      vm: { ...vm, firmware: 'uefi' },
    }).catch((error: unknown) => error);
    // Nothing to boot ends in the UEFI shell, on the serial port too.
    expect(failure).toMatchObject({
      code: 'BOOT_PANIC',
      found: expect.stringMatching(/Shell>|No bootable/) as string,
    });
    await expectNothingLeft();
  });
});
