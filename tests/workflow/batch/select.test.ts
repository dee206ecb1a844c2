import { randomUUID } from 'node:crypto';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseBatchFile, selfContained } from '../../../contracts/batch-file.ts';
import { batchIdOf, type BatchInput, type BatchView, pagesUpTo } from '../../../contracts/batch.ts';
import { fillSelected } from '../../../workers/batch/fill-selected.ts';
import { startBatch } from '../../../workers/batch/fill-batch.ts';
import { Ledger } from '../../../workers/batch/ledger.ts';
import { Batches } from '../../../client/batch/batches.ts';
import { createSecretResolver } from '../../../activities/host/secrets.ts';
import { startControlPlane, type ControlPlane, type TestHost } from '../../support/control-plane.ts';
import { pageView } from '../../support/batch-site.ts';
import { testIo } from '../../support/io.ts';
import { scratchDirectory } from '../../support/scratch.ts';

const mebibyte = 2 ** 20;
let plane: ControlPlane;
let host: TestHost;
beforeAll(async () => {
  plane = await startControlPlane();
  host = await plane.host({}, 100);
});
afterAll(async () => {
  await host.stop();
  await plane.stop();
});

/** A directory with files of so many MiB, and names that no other test has. */
async function directoryWith(files: Record<string, number>): Promise<{ directory: string; mark: string }> {
  const directory = scratchDirectory();
  const mark = randomUUID().slice(0, 8);
  for (const [name, size] of Object.entries(files)) await addFile(directory, `${mark}-${name}`, size);
  return { directory, mark };
}

async function addFile(directory: string, name: string, sizeMiB = 1): Promise<void> {
  await writeFile(join(directory, name), '');
  await truncate(join(directory, name), sizeMiB * mebibyte);
}

/** The input of a batch that a schedule would start. */
function unattended(text: string): BatchInput {
  const input = selfContained(parseBatchFile(text, 'night.yaml', '/'));
  if ('tooLarge' in input) throw new Error('too large');
  return input;
}

const run = (text: string, id: string): Promise<BatchView> => begin(unattended(text), id);

async function begin(input: BatchInput, id: string): Promise<BatchView> {
  return (await plane.environment.client.workflow.execute('migrateBatch', {
    workflowId: batchIdOf(id),
    taskQueue: 'longhaul',
    args: [input],
  })) as BatchView;
}

const fromDirectory = (directory: string, more = '') => `
name: night
select:
  - files: { directory: ${directory} }
    host: ${host.hostId}
${more}`;

/** A batch that is to be filled from a directory with 120 images. */
async function filling() {
  const files = Object.fromEntries(Array.from({ length: 120 }, (_one, index) => [`${index}.qcow2`, 0]));
  const { directory, mark } = await directoryWith(files);
  const { selection, waves, atOnce, onFailure } = unattended(fromDirectory(directory));
  await startBatch(plane.environment.client, { name: mark, waves, atOnce, onFailure });
  const [selector] = selection?.select ?? [];
  if (selector === undefined) throw new TypeError('no selector');
  return { directory, mark, request: { batchId: batchIdOf(mark), order: 'listed' as const, selector } };
}

describe('a batch that looks for its VMs', () => {
  it('takes the images and archives of a directory, and those that were written down, each into its wave', async () => {
    const { directory, mark } = await directoryWith({
      'web.qcow2': 1,
      'db.ova': 3,
      'mail.vmdk': 2,
      'mail-flat.vmdk': 2,
      'notes.txt': 1,
    });
    const id = `${mark}-2026-11-28T20:00:00Z`;
    const result = await run(
      fromDirectory(
        directory,
        `
order: size
waves: [{ name: all }, { name: late }]
overrides:
  - { names: ["*-web*"], wave: late, target: { memoryMiB: 4096 } }
vms:
  - { name: ${mark}-own, source: { kind: image, disks: [/images/own.qcow2] }, target: { host: ${host.hostId} } }
`,
      ),
      id,
    );
    expect(result).toMatchObject({
      name: id,
      status: 'completed',
      counts: { completed: 4 },
      selected: { vms: 4, leftOut: 0, refusedCount: 0 },
      waves: [{ counts: { completed: 3 } }, { counts: { completed: 1 } }],
    });
    const names = async (page: number) => (await pageView(plane, id, page)).vms.map(({ vm }) => vm);
    expect(await names(1)).toEqual([`${mark}-own`]);
    expect(await names(2)).toEqual([`${mark}-db`, `${mark}-mail`]);
    expect(await names(3)).toEqual([`${mark}-web`]);
    const web = (await pageView(plane, id, 3)).vms[0]?.migrationId ?? '';
    const report = await plane.environment.client.workflow.getHandle(web).query('progress');
    expect(report).toMatchObject({ spec: { target: { memoryMiB: 4096, host: host.hostId } } });
  });

  it('takes only what is not migrated yet, night after night', async () => {
    const { directory, mark } = await directoryWith({ 'a.qcow2': 1, 'b.qcow2': 1 });
    expect(await run(fromDirectory(directory), `${mark}-1`)).toMatchObject({
      selected: { vms: 2, leftOut: 0 },
    });
    await addFile(directory, `${mark}-c.qcow2`);
    // Lists of the server lag behind.
    await expect
      .poll(async () => (await run(fromDirectory(directory), `${mark}-2`)).selected?.leftOut)
      .toBeGreaterThanOrEqual(2);
    const third = await run(fromDirectory(directory), `${mark}-3`);
    expect(third).toMatchObject({ status: 'completed', counts: { completed: 0, skipped: 0 } });
  });

  it('says which VMs cannot be migrated as it says, and migrates the others', async () => {
    const { directory, mark } = await directoryWith({ 'a.qcow2': 1, 'a.raw': 1, 'b.qcow2': 1 });
    const input = unattended(fromDirectory(directory));
    // As of a schedule that was made before a rule came.
    input.selection?.overrides.push({ names: ['*-b*'], target: { cpus: 0 } });
    const { selected, counts } = await begin(input, mark);
    expect(counts.completed).toBe(1);
    expect(selected).toMatchObject({ vms: 1, refusedCount: 2 });
    expect(selected?.refused.join('\n')).toMatch(
      /a\.raw: another VM of the batch is called .*\n.*b\.qcow2: target\.cpus must/,
    );
  });

  it('counts those that were written down and handed over by whoever started it', async () => {
    const { directory, mark } = await directoryWith({ 'a.qcow2': 1, 'b.qcow2': 1, 'c.qcow2': 1 });
    const plan = parseBatchFile(
      fromDirectory(
        directory,
        `vms: [{ name: ${mark}-own, source: { kind: image, disks: [/images/own.qcow2] }, target: { host: ${host.hostId} } }]`,
      ).replace('name: night', `name: ${mark}`),
      'night.yaml',
      '/',
    );
    const batches = new Batches(plane.environment.client, (work) => work());
    await batches.start(plan);
    const handle = plane.environment.client.workflow.getHandle(batchIdOf(mark));
    expect(await handle.result()).toMatchObject({
      counts: { completed: 4 },
      selected: { vms: 4, leftOut: 0, refusedCount: 0 },
    });
  });

  it('hands so many over at a time, and all in the end', async () => {
    const { client } = plane.environment;
    const { mark, request } = await filling();
    const fill = () => fillSelected(client, request, deps, testIo(), 50);
    expect(await fill()).toMatchObject({ vms: 50, more: true });
    expect(await fill()).toMatchObject({ vms: 100, more: true });
    const last = await fill();
    expect(last).toMatchObject({ vms: 120, leftOut: 0 });
    expect(last.more).toBeUndefined();
    await client.workflow.getHandle(batchIdOf(mark)).cancel();
  });

  it('takes no VM again whose migration the server has forgotten', async () => {
    const { directory, mark } = await directoryWith({ 'a.qcow2': 1, 'b.qcow2': 1 });
    expect(await run(fromDirectory(directory), `${mark}-1`)).toMatchObject({ selected: { vms: 2 } });
    const { client } = plane.environment;
    const { vms } = await pageView(plane, `${mark}-1`, 1);
    const ids = vms.map(({ migrationId }) => migrationId);
    const looks = async (night: number) => (await run(fromDirectory(directory), `${mark}-${night}`)).selected;
    // Lists of the server lag behind; whoever looks while they are listed, remembers them.
    await expect
      .poll(async () => {
        const ledger = await Ledger.read(client);
        return ids.every((id) => ledger.has(id)) || looks(2);
      })
      .toBe(true);
    for (const workflowId of ids)
      await client.workflowService.deleteWorkflowExecution({
        namespace: client.options.namespace,
        workflowExecution: { workflowId },
      });
    const listed = async () => {
      const left = [];
      for await (const { workflowId } of client.workflow.list({ query: "WorkflowType = 'migrateVm'" }))
        if (ids.includes(workflowId)) left.push(workflowId);
      return left;
    };
    // It forgets some twenty seconds later.
    await expect.poll(listed).toEqual([]);
    expect(await looks(3)).toMatchObject({ vms: 0, leftOut: 2 });
  });

  it('takes a VM once that is found in two places', async () => {
    const { directory, mark } = await directoryWith({ 'a.qcow2': 1, 'b.qcow2': 1, 'c.qcow2': 1 });
    const also = `  - files: { directory: ${directory}, names: ["*-b*"] }\n    host: ${host.hostId}`;
    expect(await run(fromDirectory(directory, also), mark)).toMatchObject({
      counts: { completed: 3 },
      selected: { vms: 3, leftOut: 1, refusedCount: 0 },
    });
  });

  it('says where it looks while it waits for a host', async () => {
    const id = randomUUID().slice(0, 8);
    const { client } = plane.environment;
    const input = unattended(fromDirectory('/exports').replace(host.hostId, 'away'));
    const handle = await client.workflow.start('migrateBatch', {
      workflowId: batchIdOf(id),
      taskQueue: 'longhaul',
      args: [input],
    });
    const looking = async () => (await handle.query<BatchView>('batch')).looking;
    await expect.poll(looking).toEqual({ what: 'the files in /exports on away', host: 'away' });
    await handle.cancel();
    await expect(handle.result()).rejects.toThrow();
    expect(await looking()).toBeUndefined();
  });

  it('fails with the reason when it cannot look, and begins nothing', async () => {
    const id = randomUUID().slice(0, 8);
    await expect(run(fromDirectory('/nowhere/at/all'), id)).rejects.toThrow();
    const handle = plane.environment.client.workflow.getHandle(batchIdOf(id));
    const view = await handle.query<BatchView>('batch');
    expect(view).toMatchObject({ status: 'failed', failure: { code: 'SOURCE_NOT_FOUND' } });
    expect(view.failure?.found).toContain('/nowhere/at/all');
  });

  it.each([2, 3, 4, 5])(
    'has each VM once when it is cut off at call %i of its hand-over and begun again',
    async (cutAt) => {
      const { client } = plane.environment;
      const { directory, mark, request } = await filling();
      const batch = client.workflow.getHandle(batchIdOf(mark));
      const fill = (with_: Client) => fillSelected(with_, request, deps, testIo());

      await expect(fill(cutOff(client, cutAt))).rejects.toThrow('cut off');
      const { lastPage } = await batch.query<BatchView>('batch');
      expect(lastPage).toBeLessThan(3);
      await addFile(directory, `${mark}-00.qcow2`);
      expect(await fill(client)).toMatchObject({ vms: 121, leftOut: 0 });

      const view = await batch.query<BatchView>('batch');
      const pages = await Promise.all(pagesUpTo(view.lastPage).map((page) => pageView(plane, mark, page)));
      const names = pages.flatMap(({ vms }) => vms.map(({ vm }) => vm));
      expect(new Set(names).size).toBe(121);
      expect(names).toHaveLength(121);
      expect(view.counts.waiting).toBe(121);
      await batch.cancel();
    },
  );
});

const deps = { resolveSecret: createSecretResolver({ environment: {} }), azure: {} };

/** A client whose process ends before the nth call from the first page on that it starts. */
function cutOff(client: Client, nth: number): Client {
  let calls = 0;
  const workflow = new Proxy(client.workflow, {
    get: (target, key) => {
      if (key === 'start') calls = Math.max(calls, 1);
      const value = Reflect.get(target, key) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return new Proxy(client, {
    get: (target, key) => {
      if (key !== 'workflow') return Reflect.get(target, key) as unknown;
      if (calls > 0 && (calls += 1) > nth) throw new Error('cut off');
      return workflow;
    },
  });
}
