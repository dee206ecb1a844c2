import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Azure } from '../../simulators/azure/azure.ts';
import type { Vm } from '../../simulators/azure/arm/model.ts';
import { addShop, migrationOf, sha256Of, startTrustedAzure } from '../../support/azure-site.ts';
import { testIo } from '../../support/io.ts';
import { scratchDirectory } from '../../support/scratch.ts';

const mebibyte = 1024 ** 2;
let azure: Azure;
beforeAll(async () => {
  azure = await startTrustedAzure();
}, 60_000);
afterAll(() => azure.close());
beforeEach(() => {
  azure.faults.clear();
  azure.requests.clear();
});

/** The guest goes on: some is written anew, some that was there is cleared. Gives what the disk must read as then. */
async function goOn(vm: Vm, disk: string): Promise<string> {
  const copy = join(scratchDirectory(), 'expected');
  const file = await open(copy, 'w+');
  const before = await open(disk);
  await file.writeFile(await before.readFile());
  await before.close();
  for (const offset of [3 * mebibyte, 20 * mebibyte]) {
    const data = randomBytes(256 * 1024);
    await vm.osDisk.content.write(offset, data);
    await file.write(data, 0, data.length, offset);
  }
  await vm.osDisk.content.clear(5 * mebibyte, mebibyte);
  await file.write(Buffer.alloc(mebibyte), 0, mebibyte, 5 * mebibyte);
  await file.close();
  return sha256Of(copy);
}

const namesOf = ({ runId }: { runId: string }) =>
  azure.world.snapshots
    .list()
    .filter(({ tags }) => tags['longhaul-run'] === runId)
    .map(({ name }) => name);

describe('disks that were fetched', () => {
  it('are brought up to date by what became different, round after round, and nothing is left behind', async () => {
    const { vm, sha256 } = await addShop(azure);
    const migration = migrationOf(azure, vm.name);
    const [first] = await migration.acquire(testIo());
    const path = first?.image.path ?? '';
    const allocated = () => statSync(path).blocks * 512;
    const allocatedBefore = allocated();

    for (const round of [1, 2]) {
      const expected = await goOn(vm, path);
      const disks = await migration.resync(round, testIo());
      expect(await sha256Of(path)).toBe(expected);
      expect(await sha256Of(disks?.[1]?.image.path ?? '')).toBe(sha256[1]);
      expect(disks?.map(({ transfer }) => transfer?.fetchedBytes)).toEqual([512 * 1024, 0]);
      expect(namesOf(migration.run).every((name) => name.endsWith(`-${round}`))).toBe(true);
    }
    // What was cleared is a hole now.
    expect(allocated()).toBeLessThanOrEqual(allocatedBefore - mebibyte + 3 * 256 * 1024);
    await migration.release(testIo());
    expect(namesOf(migration.run)).toEqual([]);
  });

  it('are right although the step was stopped in the middle, and count as nothing until it is done', async () => {
    const { vm } = await addShop(azure);
    const migration = migrationOf(azure, vm.name);
    const [first] = await migration.acquire(testIo());
    const path = first?.image.path ?? '';
    const expected = await goOn(vm, path);
    const stop = new AbortController();
    const io = {
      ...testIo(stop.signal),
      report: (_doing: string, disk?: { index: number; doneBytes: number }) => {
        if (disk?.index === 0 && disk.doneBytes > 0) stop.abort(new Error('stopped'));
      },
    };
    await expect(migration.resync(1, io)).rejects.toThrow('stopped');
    await migration.resync(1, testIo());
    expect(await sha256Of(path)).toBe(expected);
    azure.requests.clear();
    await migration.resync(1, testIo());
    expect(await sha256Of(path)).toBe(expected);
    await migration.release(testIo());
  });

  it('that are on their way to a snapshot which is gone are refused', async () => {
    const { vm } = await addShop(azure);
    const migration = migrationOf(azure, vm.name);
    const [first] = await migration.acquire(testIo());
    await goOn(vm, first?.image.path ?? '');
    const stop = new AbortController();
    const report = (_doing: string, disk?: { doneBytes: number }) => {
      if (disk && disk.doneBytes > 0) stop.abort(new Error('stopped'));
    };
    await expect(migration.resync(1, { ...testIo(stop.signal), report })).rejects.toThrow('stopped');
    for (const snapshot of azure.world.snapshots.list())
      if (snapshot.name.endsWith('-disk0-1')) azure.world.snapshots.remove(snapshot.id);
    await expect(migration.resync(1, testIo())).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    await migration.release(testIo());
  });

  it('of another state than the changes begin from are refused', async () => {
    const { vm } = await addShop(azure);
    const migration = migrationOf(azure, vm.name);
    await migration.acquire(testIo());
    await expect(migration.resync(2, testIo())).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    await migration.release(testIo());
    expect(namesOf(migration.run)).toEqual([]);
  });
});
