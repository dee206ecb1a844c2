import { createHash, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ComputeManagementClient } from '@azure/arm-compute';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startAzure, type Azure } from '../../simulators/azure/azure.ts';
import type { Vm } from '../../simulators/azure/arm/model.ts';
import { scratchDirectory } from '../../support/scratch.ts';
import { computeClient } from './clients.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const sizeBytes = 64 * MiB;
const location = 'westeurope';
const resourceGroup = 'blobs';

let azure: Azure;
let compute: ComputeManagementClient;
let agent: Agent;
beforeAll(async () => {
  azure = await startAzure({ retryAfterSeconds: 0 });
  compute = computeClient(azure);
  agent = new Agent({ connect: { ca: azure.ca } });
});
afterAll(async () => {
  await agent.destroy();
  await azure.close();
});

/** A machine whose disk has data in two places. */
const first = randomBytes(5 * MiB);
const second = randomBytes(256 * KiB);
let count = 0;
let vm: Vm;
beforeEach(async () => {
  count += 1;
  const extents = [
    { offset: 0, data: first },
    { offset: 32 * MiB, data: second },
  ];
  vm = await azure.addVm({
    name: `web${count}`,
    resourceGroup,
    disks: [{ sizeBytes, content: { extents } }],
  });
});

async function takeSnapshot(name: string, source: string = vm.osDisk.id): Promise<void> {
  const creationData = { createOption: 'Copy', sourceResourceId: source };
  const { provisioningState } = await compute.snapshots.createOrUpdate(resourceGroup, name, {
    location,
    incremental: true,
    creationData,
  });
  expect(provisioningState).toBe('Succeeded');
}

async function grant(name: string, seconds = 300): Promise<string> {
  const access = { access: 'Read', durationInSeconds: seconds };
  return (await compute.snapshots.grantAccess(resourceGroup, name, access)).accessSAS ?? '';
}

async function get(url: string, headers: Record<string, string> = {}) {
  const response = await request(url, {
    dispatcher: agent,
    headers: { 'x-ms-version': '2021-12-02', ...headers },
  });
  const body = Buffer.from(await response.body.arrayBuffer());
  return { status: response.statusCode, headers: response.headers, body };
}

const rangeOf = (offset: number, length: number) => ({
  'x-ms-range': `bytes=${offset}-${offset + length - 1}`,
});

/** The ranges of a page list, as `start-end` with the last byte. */
async function pages(url: string, headers: Record<string, string> = {}, query = '') {
  const { status, body } = await get(`${url}&comp=pagelist${query}`, headers);
  expect(status).toBe(200);
  const text = body.toString();
  const found = text.matchAll(/<(PageRange|ClearRange)><Start>(\d+)<\/Start><End>(\d+)<\/End>/g);
  return {
    ranges: [...found].map(
      ([, kind, start, end]) => `${kind === 'ClearRange' ? 'cleared ' : ''}${start}-${end}`,
    ),
    marker: /<NextMarker>(.*)<\/NextMarker>/.exec(text)?.[1],
  };
}

const footer = `${sizeBytes}-${sizeBytes + 511}`;

describe('a snapshot', () => {
  it('is a fixed VHD of the disk as it was, read by a SAS until that is revoked', async () => {
    await takeSnapshot('then');
    await vm.osDisk.content.write(0, randomBytes(512));
    const sas = await grant('then');
    expect(new URL(sas).searchParams.get('si')).toBeTruthy();
    expect((await pages(sas)).ranges).toEqual([
      `0-${5 * MiB - 1}`,
      `${32 * MiB}-${32 * MiB + 256 * KiB - 1}`,
      footer,
    ]);

    const head = await get(sas, { ...rangeOf(0, 4 * MiB), 'x-ms-range-get-content-md5': 'true' });
    expect(head.status).toBe(206);
    expect(head.body.equals(first.subarray(0, 4 * MiB))).toBe(true);
    expect(head.headers['content-md5']).toBe(createHash('md5').update(head.body).digest('base64'));
    expect(head.headers['content-range']).toBe(`bytes 0-${4 * MiB - 1}/${sizeBytes + 512}`);
    expect((await get(sas, rangeOf(32 * MiB, 256 * KiB))).body.equals(second)).toBe(true);
    expect((await get(sas, rangeOf(48 * MiB, 4 * KiB))).body.equals(Buffer.alloc(4 * KiB))).toBe(true);
    expect((await get(sas, rangeOf(sizeBytes, 512))).body.subarray(0, 8).toString()).toBe('conectix');

    await compute.snapshots.revokeAccess(resourceGroup, 'then');
    expect((await get(sas, rangeOf(0, 512))).status).toBe(403);
  });

  it('answers requests that cannot be met as the service does', async () => {
    await takeSnapshot('refusing');
    const sas = await grant('refusing');
    expect((await get(sas, { ...rangeOf(0, 512), 'if-match': '"0x1"' })).status).toBe(412);
    const beyond = await get(sas, rangeOf(sizeBytes + 512, 512));
    expect(beyond.status).toBe(416);
    expect(beyond.headers['content-range']).toBe(`bytes */${sizeBytes + 512}`);
    const long = await get(sas, { ...rangeOf(0, 5 * MiB), 'x-ms-range-get-content-md5': 'true' });
    expect(long.status).toBe(400);
    expect((await get(sas.replace(/sig=.{8}/, 'sig=AAAAAAAA'), rangeOf(0, 512))).status).toBe(403);
  });

  it('cannot be read any more when its SAS has expired, and again with the next', async () => {
    await takeSnapshot('expiring');
    const sas = await grant('expiring', 1);
    await expect.poll(async () => (await get(sas, rangeOf(0, 512))).status).toBe(403);
    expect((await compute.snapshots.get(resourceGroup, 'expiring')).diskState).toBe('Unattached');
    expect((await get(await grant('expiring'), rangeOf(0, 512))).status).toBe(206);
  });

  it('lists its pages in as many parts as asked for', async () => {
    await takeSnapshot('parts');
    const sas = await grant('parts');
    const one = await pages(sas, {}, '&maxresults=2');
    expect(one.ranges).toHaveLength(2);
    expect(await pages(sas, {}, `&maxresults=2&marker=${one.marker}`)).toEqual({ ranges: [footer] });
  });

  it('tells what changed since an earlier one of the same disk', async () => {
    await takeSnapshot('before');
    await vm.osDisk.content.write(4 * KiB, randomBytes(KiB));
    await vm.osDisk.content.write(40 * MiB, randomBytes(KiB));
    await vm.osDisk.content.clear(32 * MiB, 64 * KiB);
    await takeSnapshot('after');
    await vm.osDisk.content.write(50 * MiB, randomBytes(KiB));
    const [before, after] = [await grant('before'), await grant('after')];
    expect((await pages(after, { 'x-ms-previous-snapshot-url': before })).ranges).toEqual([
      `${4 * KiB}-${5 * KiB - 1}`,
      `cleared ${32 * MiB}-${32 * MiB + 64 * KiB - 1}`,
      `${40 * MiB}-${40 * MiB + KiB - 1}`,
    ]);
    const backwards = await get(`${before}&comp=pagelist`, { 'x-ms-previous-snapshot-url': after });
    expect(backwards.headers['x-ms-error-code']).toBe('PreviousSnapshotCannotBeNewer');
    for (const name of ['before', 'after']) await compute.snapshots.revokeAccess(resourceGroup, name);
  });
});

describe('a disk', () => {
  it('can be filled from a file, of which holes take no pages', async () => {
    const path = join(scratchDirectory(), 'disk.raw');
    const content = Buffer.alloc(9 * MiB);
    randomBytes(64 * KiB).copy(content, 64 * KiB);
    randomBytes(MiB).copy(content, 8 * MiB);
    await writeFile(path, content);
    const { osDisk } = await azure.addVm({
      ...{ name: 'filled', resourceGroup, powerState: 'deallocated' },
      disks: [{ sizeBytes, content: { file: path } }],
    });
    const access = { access: 'Read', durationInSeconds: 300 };
    const { accessSAS: sas = '' } = await compute.disks.grantAccess(resourceGroup, osDisk.name, access);
    expect((await pages(sas)).ranges).toEqual([
      `${64 * KiB}-${128 * KiB - 1}`,
      `${8 * MiB}-${9 * MiB - 1}`,
      footer,
    ]);
    expect((await get(sas, rangeOf(0, 9 * MiB))).body.equals(content)).toBe(true);
    // What is being exported is not started.
    const start = compute.virtualMachines.start(resourceGroup, 'filled');
    await expect(start).rejects.toMatchObject({ statusCode: 409, code: 'OperationNotAllowed' });
    await compute.disks.revokeAccess(resourceGroup, osDisk.name);
    await compute.virtualMachines.start(resourceGroup, 'filled');
  });
});

describe('a restore point', () => {
  it('holds all disks of a machine at one moment, each to be exported or copied', async () => {
    const data = randomBytes(64 * KiB);
    const two = await azure.addVm({
      ...{ name: 'pair', resourceGroup },
      disks: [
        { sizeBytes, content: { extents: [{ offset: 0, data }] } },
        { lun: 3, sizeBytes, content: { extents: [{ offset: MiB, data }] } },
      ],
    });
    await compute.restorePointCollections.createOrUpdate(resourceGroup, 'points', {
      location,
      source: { id: two.id },
    });
    await compute.restorePoints.create(resourceGroup, 'points', 'one', {
      consistencyMode: 'CrashConsistent',
    });
    const point = await compute.restorePoints.get(resourceGroup, 'points', 'one');
    const { osDisk, dataDisks = [] } = point.sourceMetadata?.storageProfile ?? {};
    expect(dataDisks.map(({ lun }) => lun)).toEqual([3]);

    const name = dataDisks[0]?.diskRestorePoint?.id?.split('/').at(-1) ?? '';
    const { accessSAS: sas = '' } = await compute.diskRestorePoint.grantAccess(
      resourceGroup,
      'points',
      'one',
      name,
      {
        access: 'Read',
        durationInSeconds: 300,
      },
    );
    expect((await get(sas, rangeOf(MiB, 64 * KiB))).body.equals(data)).toBe(true);
    const removal = compute.restorePoints.delete(resourceGroup, 'points', 'one');
    await expect(removal).rejects.toMatchObject({ code: 'DiskRestorePointUsedByCustomer' });
    await compute.diskRestorePoint.revokeAccess(resourceGroup, 'points', 'one', name);

    await takeSnapshot('of-point', osDisk?.diskRestorePoint?.id);
    await compute.restorePointCollections.delete(resourceGroup, 'points');
    expect((await get(await grant('of-point'), rangeOf(0, 64 * KiB))).body.equals(data)).toBe(true);
  });
});
