import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { migrationSpec, type MigrationSpecInput } from '../../../contracts/spec.ts';
import type { StepContext } from '../../../contracts/steps.ts';
import { WorkDir } from '../../../activities/host/work-dir.ts';
import { convertDisk } from '../../../activities/image/convert-disk.ts';
import { completeOverlays, createOverlay, overlayPathOf } from '../../../activities/image/overlay.ts';
import { removePublished } from '../../../activities/image/publish.ts';
import { sourceRequest } from '../../../activities/sources/source.ts';
import { testSources } from '../../support/sources.ts';
import { testIo } from '../../support/io.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { makeDisk, qemuImg, sha256 } from './variants.ts';

async function setUp(target: MigrationSpecInput['target'] = {}, policy: MigrationSpecInput['policy'] = {}) {
  const root = scratchDirectory();
  const [source, directory, stateDir] = ['source', 'target', 'state'].map((name) => join(root, name)) as [
    string,
    string,
    string,
  ];
  await mkdir(source);
  await mkdir(directory);
  const raw = join(source, 'disk.img');
  await makeDisk(raw);
  const spec = migrationSpec.parse({ name: 'vm', source: { kind: 'image', disks: [raw] }, target, policy });
  const ctx: StepContext = { run: { migrationId: 'vm-1', runId: '0123456789abcdef' }, spec };
  const io = testIo();
  const work = new WorkDir(stateDir, ctx.run);
  const disks = await testSources()(spec.source.kind).acquire(sourceRequest(ctx), work, io);
  const disk = disks[0];
  if (!disk) throw new Error('no disk');
  const convert = () => convertDisk(ctx, disk, directory, { host: { stateDir }, io });
  return { root, raw, directory, stateDir, work, ctx, disk, convert };
}

async function contentOf(path: string, root: string): Promise<string> {
  const raw = join(root, 'content.raw');
  qemuImg('convert', '-O', 'raw', path, raw);
  return sha256(raw);
}

describe('the convert step', () => {
  it('leaves one whole, private disk under its final name', async () => {
    const { root, raw, directory, disk, convert } = await setUp({}, { verifyCopy: true });
    const target = await convert();
    expect(target).toMatchObject({
      index: 0,
      path: join(directory, 'vm-disk1.qcow2'),
      format: 'qcow2',
      virtualSizeBytes: disk.virtualSizeBytes,
      dataBytes: disk.allocatedBytes,
      verified: true,
    });
    expect(await readdir(directory)).toEqual(['vm-disk1.qcow2']);
    expect((await stat(target.path)).mode & 0o777).toBe(0o600);
    expect(target.allocatedBytes).toBe((await stat(target.path)).blocks * 512);
    expect(await contentOf(target.path, root)).toBe(await sha256(raw));
  });

  it('copies nothing when it is repeated after success', async () => {
    const { convert } = await setUp();
    const first = await convert();
    const before = await stat(first.path, { bigint: true });
    expect(await convert()).toEqual(first);
    expect((await stat(first.path, { bigint: true })).mtimeNs).toBe(before.mtimeNs);
  });

  it('takes in what the guest step wrote to its overlay', async () => {
    const { root, raw, work, disk, convert } = await setUp({ format: 'raw' });
    await work.create();
    const overlay = overlayPathOf(work.scratch, 0);
    await createOverlay(overlay, disk.image);
    execFileSync('qemu-io', ['-f', 'qcow2', '-c', 'write -P 0x66 4M 4k', overlay]);
    await completeOverlays(work.scratch, [0]);
    const { path } = await convert();
    expect(path).toMatch(/vm-disk1\.raw$/);
    expect((await readFile(path)).subarray(4 << 20, (4 << 20) + 4096)).toEqual(Buffer.alloc(4096, 0x66));
    execFileSync('cp', [raw, join(root, 'expected')]);
    execFileSync('qemu-io', ['-f', 'raw', '-c', 'write -P 0x66 4M 4k', join(root, 'expected')]);
    expect(await sha256(path)).toBe(await sha256(join(root, 'expected')));
  });

  it('copies the disk as it is when the guest step did not get to its end and was skipped', async () => {
    const { raw, work, disk, convert } = await setUp({ format: 'raw' });
    await work.create();
    const overlay = overlayPathOf(work.scratch, 0);
    await createOverlay(overlay, disk.image);
    execFileSync('qemu-io', ['-f', 'qcow2', '-c', 'write -P 0x66 4M 4k', overlay]);
    const { path } = await convert();
    expect(await sha256(path)).toBe(await sha256(raw));
  });

  it('refuses a source that changed since it was acquired, and leaves nothing', async () => {
    const { raw, directory, convert } = await setUp();
    execFileSync('qemu-io', ['-f', 'raw', '-c', 'write -P 1 0 512', raw]);
    await expect(convert()).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    expect(await readdir(directory)).toEqual([]);
  });

  it('never replaces a file that is not its own', async () => {
    const { directory, convert } = await setUp();
    await writeFile(join(directory, 'vm-disk1.qcow2'), 'theirs');
    await expect(convert()).rejects.toMatchObject({ code: 'TARGET_EXISTS' });
    expect(await readdir(directory)).toEqual(['vm-disk1.qcow2']);
  });

  it('says so when the target directory is missing', async () => {
    const { directory, convert } = await setUp();
    await rm(directory, { recursive: true });
    await expect(convert()).rejects.toMatchObject({ code: 'TARGET_DIRECTORY_UNUSABLE' });
  });

  it('keeps a second attempt out while one runs, and both give the same disk', async () => {
    const { directory, convert } = await setUp();
    const [first, second] = await Promise.all([convert(), convert()]);
    expect(second).toEqual(first);
    expect(await readdir(directory)).toEqual(['vm-disk1.qcow2']);
  });

  it('comes to the same disk however often its process is killed', async () => {
    const { root, raw, directory, stateDir, ctx, disk, work, convert } = await setUp();
    const input = join(root, 'input.json');
    await writeFile(input, JSON.stringify({ ctx, disk, directory, stateDir }));
    const program = fileURLToPath(new URL('convert-process.ts', import.meta.url));
    let finished = false;
    for (let delayMs = 120; delayMs <= 700 && !finished; delayMs += 40) {
      const child = spawn(process.execPath, [program, input], { stdio: 'inherit' });
      const ended = once(child, 'exit');
      await Promise.race([sleep(delayMs), ended]);
      finished = child.exitCode === 0;
      child.kill('SIGKILL');
      await ended;
      const names = await readdir(directory);
      if (names.includes('vm-disk1.qcow2'))
        expect(await contentOf(join(directory, 'vm-disk1.qcow2'), root)).toBe(await sha256(raw));
    }
    const target = await convert();
    expect(await readdir(directory)).toEqual(['vm-disk1.qcow2']);
    expect(await contentOf(target.path, root)).toBe(await sha256(raw));
    expect(await removePublished(work, 0)).toBe(target.path);
    expect(await readdir(directory)).toEqual([]);
  });
});
