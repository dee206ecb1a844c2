import { randomUUID } from 'node:crypto';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseBatchFile, selfContained } from '../../../contracts/batch-file.ts';
import { batchIdOf, type BatchInput, type BatchView, pagesUpTo } from '../../../contracts/batch.ts';
import { fillSelected } from '../../../workers/batch/fill-selected.ts';
import { startBatch } from '../../../workers/batch/fill-batch.ts';
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

describe('a batch that looks for its VMs', { timeout: 120_000 }, () => {
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
      .poll(async () => (await run(fromDirectory(directory), `${mark}-2`)).selected?.leftOut, {
        timeout: 20_000,
      })
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

  it('fails with the reason when it cannot look, and begins nothing', async () => {
    const id = randomUUID().slice(0, 8);
    await expect(run(fromDirectory('/nowhere/at/all'), id)).rejects.toThrow();
    const handle = plane.environment.client.workflow.getHandle(batchIdOf(id));
    const view = await handle.query<BatchView>('batch');
    expect(view).toMatchObject({ status: 'failed', failure: { code: 'SOURCE_NOT_FOUND' } });
    expect(view.failure?.found).toContain('/nowhere/at/all');
  });

  it.each([12, 13, 14, 15])(
    'has each VM once when it is cut off at its call %i and begun again',
    async (cutAt) => {
      const files = Object.fromEntries(Array.from({ length: 120 }, (_one, index) => [`${index}.qcow2`, 0]));
      const { directory, mark } = await directoryWith(files);
      const { client } = plane.environment;
      const { selection, waves, atOnce, onFailure } = unattended(fromDirectory(directory));
      await startBatch(client, { name: mark, waves, atOnce, onFailure });
      const batch = client.workflow.getHandle(batchIdOf(mark));
      const [selector] = selection?.select ?? [];
      if (selector === undefined) throw new TypeError('no selector');
      const request = { batchId: batchIdOf(mark), order: 'listed' as const, selector };
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

/** A client whose process ends before its nth call. */
function cutOff(client: Client, nth: number): Client {
  let calls = 0;
  return new Proxy(client, {
    get: (target, key) => {
      if (key === 'workflow' && (calls += 1) >= nth) throw new Error('cut off');
      return Reflect.get(target, key) as unknown;
    },
  });
}
