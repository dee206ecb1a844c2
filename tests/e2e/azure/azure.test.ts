import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MigrationSpecInput } from '../../../contracts/spec.ts';
import type { MigrationReport } from '../../../contracts/steps.ts';
import { runningActivity, Site, untilInside } from '../../chaos/site.ts';
import { guestDisks, type GuestName } from '../../guests/guests.ts';
import { bootRetries } from '../../guests/machine.ts';
import { startAzure, type Azure } from '../../simulators/azure/azure.ts';
import { runLonghaul } from '../cli/cli-bench.ts';
import { newSite, startTemporal, type TemporalServer } from '../../chaos/temporal-server.ts';

const group = 'home';
const connections = 4;
const mebibyte = 1024 ** 2;

let azure: Azure;
let serverSite: Site;
let server: TemporalServer;
let client: Client;

beforeAll(async () => {
  azure = await startAzure();
  serverSite = await Site.create();
  server = await startTemporal(join(serverSite.directory, 'server'));
  ({ client } = server);
});
afterAll(async () => {
  await server.stop();
  await serverSite.remove();
  await azure.close();
});

/** A worker as an operator of Azure has it, and as talkative as it gets. */
const workerOf = (site: Site) =>
  site.worker(server.address, {
    AZURE_AUTHORITY_HOST: azure.authorityHost,
    LONGHAUL_AZURE_RESOURCE_MANAGER: azure.resourceManager,
    NODE_EXTRA_CA_CERTS: azure.caPath,
    AZURE_LOG_LEVEL: 'verbose',
    AZURE_SECRET: azure.clientSecret,
    LONGHAUL_CONNECTIONS: String(connections),
    LONGHAUL_LOG_LEVEL: 'trace',
  });

const sourceOf = (vm: string): MigrationSpecInput['source'] => ({
  kind: 'azure',
  subscription: azure.subscription,
  resourceGroup: group,
  vm,
  login: { tenant: azure.tenant, client: azure.clientId, secret: 'env:AZURE_SECRET' },
  whenRunning: 'stop',
});

/** A VM with the guest's disk, and one without anything on it. */
async function addVm(name: string, guest: GuestName) {
  const [file = ''] = await guestDisks(guest, 'raw', console.log);
  const { size } = statSync(file);
  return azure.addVm({
    name,
    resourceGroup: group,
    size: 'Standard_B1s',
    generation: 'V1',
    disks: [
      { sizeBytes: size, content: { file } },
      { sizeBytes: 64 * mebibyte, lun: 0 },
    ],
    nics: [{ mac: '52-54-00-C4-A0-05' }],
  });
}

/** Bytes that were asked for of disks, page lists not counted. */
const askedBytes = () =>
  azure.requests
    .of('blob', 'GET')
    .filter(({ comp, status }) => comp === null && status === 206)
    .map(({ range }) => /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? ['', 0, -1])
    .reduce((sum, [, first, last]) => sum + Number(last) - Number(first) + 1, 0);

/** Nothing of these may be in a file or in what a process printed. */
const secrets = () => [
  azure.clientSecret,
  // The head of every token, and a signature in an address.
  Buffer.from('{"typ":"JWT"').toString('base64url').slice(0, 15),
  /sig=[A-Za-z0-9%+/]{16}/,
];

/** Files of the host and of the Temporal server, its database included. */
function placesWithSecrets(site: Site, printed: readonly string[]): string[] {
  const files = [site, serverSite]
    .flatMap(({ directory }) =>
      readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) => join(directory, name)),
    )
    .filter((path) => statSync(path).isFile() && statSync(path).size < 256 * mebibyte);
  const texts = [
    ...files.map((path) => ({ where: path, text: readFileSync(path, 'latin1') })),
    ...printed.map((text, index) => ({ where: `what worker ${index + 1} printed`, text })),
  ];
  return texts
    .filter(({ text }) =>
      secrets().some((secret) => (typeof secret === 'string' ? text.includes(secret) : secret.test(text))),
    )
    .map(({ where }) => where);
}

describe('a VM of Azure', { retry: bootRetries }, () => {
  it('comes home and boots although its worker was killed in the middle of the download', async () => {
    const name = `debian-${Date.now()}`;
    const vm = await addVm(name, 'debian-bios');
    azure.requests.clear();
    const site = await newSite();
    const victim = workerOf(site);
    const handle = await site.migrateFrom(client, {
      source: sourceOf(name),
      // Slow enough to be caught at it.
      policy: { maxMiBPerSecond: 24 },
    });
    await untilInside(handle, 'acquire', 0);
    while (askedBytes() < 64 * mebibyte) await sleep(50);
    await site.kill(victim);
    const before = askedBytes();
    const second = workerOf(site);
    while ((await runningActivity(handle)) !== 'ended') await sleep(200);
    const report = (await handle.result()) as MigrationReport;

    expect(report.status).toBe('completed');
    expect(report.boot).toMatchObject({
      sign: 'login-prompt',
      evidence: expect.stringContaining('debian-bios login:') as string,
    });
    expect(report.facts?.distro).toMatchObject({ id: 'debian', versionId: '12' });
    expect(report.disks).toHaveLength(2);
    const [transfer] = (report.acquired ?? []).map((disk) => disk.transfer);
    const dataBytes = transfer?.dataBytes ?? 0;
    expect(before).toBeLessThan(dataBytes);
    // Of the chunks that were under way, one for each connection, some may come twice.
    expect(askedBytes()).toBeLessThanOrEqual(dataBytes + connections * 4 * mebibyte);
    expect(azure.world.snapshots.list()).toEqual([]);
    expect(vm.powerState).toBe('stopped');
    expect(placesWithSecrets(site, [victim.printed, second.printed])).toEqual([]);
    await second.stop();
  });

  it('is started again when the migration fails, and no secret is in anything that tells of it', async () => {
    const name = `tiny-${Date.now()}`;
    const vm = await addVm(name, 'tiny');
    azure.faults.add({
      service: 'blob',
      method: 'GET',
      times: 500,
      effect: { kind: 'status', status: 403, code: 'AuthenticationFailed' },
    });
    const site = await newSite();
    const talkative = workerOf(site);
    const handle = await site.migrateFrom(client, { source: sourceOf(name), policy: {} });
    await expect(handle.result()).rejects.toThrow();
    azure.faults.clear();
    const report = await handle.query<MigrationReport>('report');

    expect(report.failure).toMatchObject({ code: 'TRANSFER_DENIED' });
    expect(report.failure?.found).toMatch(/disk [12] of tiny-/);
    // Whoever looks for the disk in Azure finds it by that.
    expect(report.preflight?.remoteDisks).toMatchObject([
      { id: vm.osDisk.id },
      { id: vm.dataDisks[0]?.disk.id },
    ]);
    expect(vm.powerState).toBe('running');
    expect(azure.world.snapshots.list()).toEqual([]);
    // That there is something to be found.
    expect(talkative.printed).toContain('TRANSFER_DENIED');
    await talkative.stop();
    expect(placesWithSecrets(site, [talkative.printed])).toEqual([]);
  });
});

describe('longhaul inventory azure --host', () => {
  const list = (site: Site, args: readonly string[]) => {
    const { subscription, tenant, clientId } = azure;
    const login = ['--tenant', tenant, '--client', clientId, '--secret', 'env:AZURE_SECRET'];
    const what = ['inventory', 'azure', '--subscription', subscription, ...login, '--host', site.hostId];
    return runLonghaul([...what, ...args], { env: { TEMPORAL_ADDRESS: server.address } });
  };

  it('lists what the worker of the host sees, with a login that only it has', async () => {
    await addVm('listed', 'tiny');
    const site = await newSite();
    const worker = workerOf(site);
    await worker.untilPrinted(/worker is ready/);
    const { code, stdout, stderr } = await list(site, ['--all', '--name', 'listed', '--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject([{ name: 'listed', resourceGroup: group, disks: [{}, {}] }]);

    const whole = await list(site, []);
    expect(whole.code).toBe(2);
    expect(whole.stderr).toContain('[OPTION_INVALID]');
    await worker.stop();
    expect(placesWithSecrets(site, [worker.printed])).toEqual([]);
  });
});
