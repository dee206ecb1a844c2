import { readFileSync, statSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Azure } from '../../simulators/azure/azure.ts';
import { addShop, migrationOf, sha256Of, startTrustedAzure } from '../../support/azure-site.ts';
import { testIo } from '../../support/io.ts';

let azure: Azure;
beforeAll(async () => {
  azure = await startTrustedAzure();
}, 60_000);
afterAll(() => azure.close());
beforeEach(() => {
  azure.faults.clear();
  azure.requests.clear();
  azure.settings.deniedActions = [];
});

/** Everything that the migrations made in Azure and that is still there. */
const leftOf = ({ runId }: { runId: string }) => [
  ...[...azure.world.snapshots.list()].filter(({ tags }) => tags['longhaul-run'] === runId),
  ...[...azure.world.collections.list()].filter(({ tags }) => tags['longhaul-run'] === runId),
];
const ranges = () => azure.requests.of('blob', 'GET').filter(({ comp }) => comp === null);

describe('the disks of a VM that is switched off', () => {
  it('come as they are, in the order of their LUNs, only what is allocated, and nothing is left behind', async () => {
    const { vm, sha256, dataBytes } = await addShop(azure);
    const migration = migrationOf(azure, vm.name);
    const disks = await migration.acquire(testIo());

    expect(await Promise.all(disks.map(({ image }) => sha256Of(image.path)))).toEqual(sha256);
    expect(disks.map(({ transfer }) => transfer?.fetchedBytes)).toEqual(dataBytes);
    expect(disks[0]).toMatchObject({ index: 0, image: { format: 'raw' }, virtualSizeBytes: 24 * 1024 ** 2 });
    const [file] = disks.map(({ image }) => statSync(image.path));
    expect((file?.blocks ?? 0) * 512).toBeLessThan(11 * 1024 ** 2);
    expect(file?.mode.toString(8)).toMatch(/600$/);

    expect(leftOf(migration.run)).toHaveLength(2);
    for (const { name, tags } of leftOf(migration.run)) {
      expect(name.length).toBeLessThanOrEqual(80);
      expect(tags['longhaul-migration']).toBe(migration.run.migrationId);
    }
    await migration.release(testIo());
    expect(leftOf(migration.run)).toEqual([]);
  });

  it('are not asked for again when they are here', async () => {
    const { vm } = await addShop(azure);
    const migration = migrationOf(azure, vm.name);
    const first = await migration.acquire(testIo());
    await migration.release(testIo());
    azure.requests.clear();
    expect(await migration.acquire(testIo())).toEqual(first);
    expect(azure.requests.all).toEqual([]);
  });

  it('are fetched once by two attempts at the same time, and by another migration into files of its own', async () => {
    const { vm, sha256, dataBytes } = await addShop(azure);
    const migration = migrationOf(azure, vm.name);
    const other = migrationOf(azure, vm.name);
    const [first, second, others] = await Promise.all([
      migration.acquire(testIo()),
      migration.acquire(testIo()),
      other.acquire(testIo()),
    ]);
    expect(second).toEqual(first);
    const bytes = ranges()
      .map(({ range }) => /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? ['', 0, -1])
      .reduce((sum, [, from, to]) => sum + Number(to) - Number(from) + 1, 0);
    expect(bytes).toBe(2 * dataBytes.reduce((sum, each) => sum + each));
    const paths = [...first, ...others].map(({ image }) => image.path);
    expect(new Set(paths).size).toBe(4);
    expect(await Promise.all(paths.map(sha256Of))).toEqual([...sha256, ...sha256]);
    await Promise.all([migration.release(testIo()), other.release(testIo())]);
  });

  it('are taken up from the same snapshots after the worker was stopped in the middle', async () => {
    const { vm, sha256, dataBytes } = await addShop(azure);
    const migration = migrationOf(azure, vm.name);
    const stop = new AbortController();
    const io = {
      ...testIo(stop.signal),
      report: (_doing: string, disk?: { index: number; doneBytes: number }) => {
        if (disk?.index === 0 && disk.doneBytes > 4 * 1024 ** 2) stop.abort(new Error('stopped'));
      },
    };
    await expect(migration.acquire(io)).rejects.toThrow('stopped');
    const before = leftOf(migration.run);
    const disks = await migration.acquire(testIo());
    expect(leftOf(migration.run)).toEqual(before);
    expect(await Promise.all(disks.map(({ image }) => sha256Of(image.path)))).toEqual(sha256);
    expect(disks[0]?.transfer?.fetchedBytes).toBeLessThan(dataBytes[0] ?? 0);
    await migration.release(testIo());
  });

  it('come whole although the signature ends in the middle', async () => {
    const { vm, sha256 } = await addShop(azure);
    const migration = migrationOf(azure, vm.name);
    let expired = false;
    const io = {
      ...testIo(),
      report: (_doing: string, disk?: { doneBytes: number }) => {
        if (expired || !disk || disk.doneBytes === 0) return;
        expired = true;
        for (const snapshot of azure.world.snapshots.list())
          if (snapshot.tags['longhaul-run'] === migration.run.runId) void azure.expireSas(snapshot);
      },
    };
    const disks = await migration.acquire(io);
    expect(await Promise.all(disks.map(({ image }) => sha256Of(image.path)))).toEqual(sha256);
    expect(ranges().some(({ status }) => status === 403)).toBe(true);
    await migration.release(testIo());
    expect(leftOf(migration.run)).toEqual([]);
  });

  it('cost one snapshot each although the answer to its making was lost', async () => {
    const { vm, sha256 } = await addShop(azure);
    const migration = migrationOf(azure, vm.name);
    azure.faults.add({
      service: 'arm',
      method: 'PUT',
      path: /\/snapshots\//,
      effect: { kind: 'drop-after' },
    });
    const disks = await migration.acquire(testIo());
    expect(await Promise.all(disks.map(({ image }) => sha256Of(image.path)))).toEqual(sha256);
    expect(leftOf(migration.run)).toHaveLength(2);
    await migration.release(testIo());
    expect(leftOf(migration.run)).toEqual([]);
  });

  it('leave nothing behind when the run is given up before the making was answered', async () => {
    const { vm } = await addShop(azure);
    const migration = migrationOf(azure, vm.name);
    const stop = new AbortController();
    azure.settings.operationMs = 300;
    const io = {
      ...testIo(stop.signal),
      report: (doing: string) => {
        if (doing.startsWith('taking snapshots')) setTimeout(() => stop.abort(new Error('given up')), 200);
      },
    };
    try {
      await expect(migration.acquire(io)).rejects.toThrow('given up');
      await migration.release(testIo());
      expect(leftOf(migration.run)).toEqual([]);
    } finally {
      azure.settings.operationMs = 0;
    }
  });

  it('wait for what Azure asks for, through storms of refusals', async () => {
    const { vm, sha256 } = await addShop(azure);
    const migration = migrationOf(azure, vm.name);
    const busy = { kind: 'status', status: 503, code: 'ServerBusy', retryAfterSeconds: 0 } as const;
    azure.faults.add({ service: 'blob', method: 'GET', times: 12, effect: busy });
    azure.faults.add({
      service: 'arm',
      times: 2,
      effect: { kind: 'status', status: 429, retryAfterSeconds: 1 },
    });
    const said: string[] = [];
    const disks = await migration.acquire({ ...testIo(), report: (doing) => said.push(doing) });
    expect(await Promise.all(disks.map(({ image }) => sha256Of(image.path)))).toEqual(sha256);
    expect(said.join('\n')).toMatch(/Azure asks to be left alone for 1 s/);
    await migration.release(testIo());
  });

  it('end in a refusal that names the right that lacks, with nothing left behind', async () => {
    const { vm } = await addShop(azure);
    const migration = migrationOf(azure, vm.name);
    azure.settings.deniedActions = ['Microsoft.Compute/snapshots/beginGetAccess/action'];
    await expect(migration.acquire(testIo())).rejects.toMatchObject({
      code: 'AZURE_DENIED',
      found: expect.stringContaining('Microsoft.Compute/snapshots/beginGetAccess/action') as string,
    });
    azure.settings.deniedActions = [];
    await migration.release(testIo());
    expect(leftOf(migration.run)).toEqual([]);
  });
});

describe('a VM that runs', () => {
  async function running() {
    const shop = await addShop(azure);
    shop.vm.powerState = 'running';
    return shop;
  }

  it('is not touched unless the spec says how', async () => {
    const { vm } = await running();
    const migration = migrationOf(azure, vm.name);
    await expect(migration.acquire(testIo())).rejects.toMatchObject({
      code: 'SOURCE_RUNNING',
      found: expect.stringContaining('is running') as string,
    });
    expect(azure.requests.of('arm').filter(({ method }) => method !== 'GET')).toEqual([]);
  });

  it('is stopped first, and started again once when asked to', async () => {
    const { vm, sha256 } = await running();
    const migration = migrationOf(azure, vm.name, { whenRunning: 'stop' });
    const disks = await migration.acquire(testIo());
    expect(vm.powerState).toBe('stopped');
    expect(await Promise.all(disks.map(({ image }) => sha256Of(image.path)))).toEqual(sha256);
    await migration.release(testIo(), false);
    expect(vm.powerState).toBe('stopped');
    await migration.release(testIo(), true);
    expect(vm.powerState).toBe('running');
    vm.powerState = 'stopped';
    await migration.release(testIo(), true);
    expect(vm.powerState).toBe('stopped');
  });

  it('that was stopped by somebody else is left as it is', async () => {
    const { vm } = await addShop(azure);
    const migration = migrationOf(azure, vm.name, { whenRunning: 'stop' });
    await migration.acquire(testIo());
    await migration.release(testIo(), true);
    expect(vm.powerState).toBe('stopped');
  });

  it('gives all disks as of one moment, while it goes on', async () => {
    const { vm, sha256 } = await running();
    const migration = migrationOf(azure, vm.name, { whenRunning: 'snapshot' });
    const disks = await migration.acquire(testIo());
    expect(vm.powerState).toBe('running');
    expect(await Promise.all(disks.map(({ image }) => sha256Of(image.path)))).toEqual(sha256);
    expect(leftOf(migration.run)).toHaveLength(1);
    await migration.release(testIo());
    expect(leftOf(migration.run)).toEqual([]);
  });

  it('that is started while its disks are frozen is refused, without snapshots of two moments', async () => {
    const { vm } = await addShop(azure);
    const migration = migrationOf(azure, vm.name);
    const io = {
      ...testIo(),
      report: (doing: string) => {
        if (doing.startsWith('taking snapshots')) vm.powerState = 'running';
      },
    };
    await expect(migration.acquire(io)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    expect(leftOf(migration.run)).toEqual([]);
  });
});

it('keeps no signature on the host', async () => {
  const { vm } = await addShop(azure);
  const migration = migrationOf(azure, vm.name);
  await migration.acquire(testIo());
  for (const name of ['fetched/disk0.json', 'fetched/disk0.journal', 'azure.json'])
    expect(readFileSync(migration.work.kept(name), 'utf8')).not.toMatch(/sig=|se=/);
  await migration.release(testIo());
});

it('fetches all disks together no faster than the migration may', async () => {
  const { vm } = await addShop(azure);
  const data = { offset: 0, data: Buffer.alloc(4 * 1024 ** 2, 7) };
  for (const { content } of [vm.osDisk, ...vm.dataDisks.map(({ disk }) => disk)])
    await content.write(data.offset, data.data);
  const migration = migrationOf(azure, vm.name);
  const perSecond = 4 * 1024 ** 2;
  const disks = await migration.acquire(testIo(), perSecond);
  const bytes = disks.reduce((sum, { transfer }) => sum + (transfer?.fetchedBytes ?? 0), 0);
  const seconds = Math.max(...disks.map(({ transfer }) => transfer?.seconds ?? 0));
  // Half a second of it may come at once.
  expect(seconds).toBeGreaterThan(bytes / perSecond - 0.6);
  await migration.release(testIo());
});
