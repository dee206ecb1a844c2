import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Batches } from '../../client/batch/batches.ts';
import { Gates } from '../../client/gates.ts';
import { Hosts } from '../../client/hosts.ts';
import { Schedules } from '../../client/schedules.ts';
import { parseBatchFile } from '../../contracts/batch-file.ts';
import type { HostFacts } from '../../contracts/hosts.ts';
import { startEmbeddedServer } from '../../workers/embedded/embedded-server.ts';
import { askUntil, startControlPlane } from '../support/control-plane.ts';
import { silentLog } from '../support/io.ts';
import { startKeptHost } from '../support/kept-host.ts';
import { temporalBinary } from '../support/temporal.ts';
import { siteHost } from './steps.ts';

/** A web server that disks are fetched from, two at once. */
export const exportsServer = 'https://exports.example.com';

const nightFile = `
name: night
atOnce: 8
onFailure: { then: stop-batch, failures: 5 }
waves:
  - name: pilot
  - name: applications
  - name: databases
    approval: true
defaults: { target: { pool: vms, networks: { default: 'bridge:br0' } } }
vms:
  - { name: www01, source: { kind: archive, path: /exports/www01.ova } }
  - { name: mail01, source: { kind: image, disks: [/exports/mail01.vmdk] } }
  - { name: legacy01, source: { kind: archive, path: /exports/legacy01.ova }, policy: { onFailure: fail } }
  - { name: app01, source: { kind: image, disks: [/exports/app01.vmdk, /exports/app01-data.vmdk] }, wave: applications }
  - { name: erp01, source: { kind: archive, path: /exports/erp01.ova }, guest: { luksKeys: [{ device: all, key: 'cred:luks-erp' }] }, wave: applications }
  - { name: ldap01, source: { kind: image, disks: [/exports/ldap01.vhdx] }, wave: applications }
  - { name: ci01, source: { kind: image, disks: ['${exportsServer}/ci01.vmdk'] }, wave: applications }
  - { name: git01, source: { kind: image, disks: ['${exportsServer}/git01.vmdk'] }, wave: applications }
  - { name: shop01, source: { kind: image, disks: ['${exportsServer}/shop01.vmdk'] }, wave: applications }
  - { name: wiki01, source: { kind: image, disks: ['${exportsServer}/wiki01.vmdk'] }, wave: applications }
  - { name: gpu01, source: { kind: archive, path: /exports/gpu01.ova }, target: { labels: [gpu] }, wave: applications }
  - { name: jobs01, source: { kind: archive, path: /exports/jobs01.ova }, wave: applications }
  - { name: jobs02, source: { kind: archive, path: /exports/jobs02.ova }, wave: applications }
  - { name: db01, source: { kind: image, disks: [/exports/db01.vmdk] }, wave: databases }
  - { name: db02, source: { kind: image, disks: [/exports/db02.vmdk] }, wave: databases }
`;

const weekendFile = `
name: weekend
waves: [{ name: warehouse, approval: true }]
vms: [{ name: dwh01, source: { kind: archive, path: /exports/dwh01.ova } }]
`;

const prodFile = (directory: string) => `
name: prod
atOnce: 10
select: [{ files: { directory: ${directory} }, host: kvm1 }]
`;

interface Run {
  workflowId: string;
  runId: string;
}

export interface Site {
  uiUrl: string;
  /** The one workflow that a list filter finds. */
  runOf(query: string): Promise<Run>;
  /** Whom a list filter finds, sorted: VMs by their names, batches of a schedule by its own, all else by their ids. */
  names(query: string): Promise<string[]>;
  stop(): Promise<void>;
}

/**
 * A site in the middle of its night, on a real server with its web UI: a batch that runs, with VMs of several kinds in
 * every state; a host that is gone; a schedule.
 */
export async function startSite(): Promise<Site> {
  const directory = mkdtempSync(join(tmpdir(), 'longhaul-ui-'));
  const server = await startEmbeddedServer({
    binary: await temporalBinary(),
    stateDir: join(directory, 'temporal'),
    port: 0,
    uiPort: 0,
    log: silentLog,
  });
  const plane = await startControlPlane({ ...server, connectionOptions: {} });
  const { client, connection } = plane.environment;
  const link = { client, connection, namespace: server.namespace };
  const call = <T>(work: () => Promise<T>) => work();

  const host = (hostId: string, labels: string[]) =>
    startKeptHost(plane, {
      labels,
      named: { hostId, host: siteHost(hostId, client), facts: factsOf(directory) },
    });
  const hosts = await Promise.all([
    host('kvm1', ['ssd', 'zone=a']),
    host('kvm2', ['ssd', 'zone=b']),
    host('kvm3', ['zone=b']),
  ]);

  const schedules = new Schedules(client, call);
  for (const name of ['crm01.ova', 'pim01.ova']) writeFileSync(join(directory, name), '');
  await schedules.create(
    parseBatchFile(prodFile(directory), 'prod.yaml', '/'),
    {
      cron: ['0 20 * * 1-5'],
      timeZone: 'Europe/Berlin',
      jitterMs: 600_000,
      overlap: 'skip',
      catchUpMs: 3_600_000,
    },
    { note: 'exports of the day, every evening' },
  );
  await schedules.trigger('prod');

  await new Gates(client, call).setLimit(exportsServer, 2);
  const batches = new Batches(client, call);
  await batches.start(parseBatchFile(weekendFile, 'weekend.yaml', '/'));
  await batches.start(parseBatchFile(nightFile, 'night.yaml', '/'));
  // As far as it comes by itself: what is left copies, fetches, is parked, or waits.
  const comesTo = (count: number, query: string) =>
    askUntil(
      async () => (await client.workflow.count(query)).count,
      (now) => now === count,
    );
  await comesTo(2, "LonghaulStep = 'convert' AND ExecutionStatus = 'Running'");
  await comesTo(4, "LonghaulStep = 'acquire' AND ExecutionStatus = 'Running'");
  await comesTo(1, "LonghaulStep = 'placement' AND ExecutionStatus = 'Running'");
  await comesTo(6, "LonghaulState = 'completed' AND WorkflowType = 'migrateVm'");
  await askUntil(
    async () => (await batches.view('night')).counts,
    ({ parked, completed }) => parked === 1 && completed === 4,
  );
  await hosts[2].lose();
  await askUntil(
    async () => (await new Hosts(link, call).view('kvm3')).state,
    (state) => state === 'gone',
  );
  const listed = async (query: string) => {
    const found: Run[] = [];
    for await (const { workflowId, runId } of client.workflow.list({ query }))
      found.push({ workflowId, runId });
    return found;
  };
  return {
    uiUrl: server.uiUrl,
    runOf: async (query) => {
      const [run, ...more] = await listed(query);
      if (run === undefined || more.length > 0) throw new Error(`not one workflow: ${query}`);
      return run;
    },
    names: async (query) => (await listed(query)).map(({ workflowId }) => shortName(workflowId)).sort(),
    stop: async () => {
      for (const each of hosts) await each.lose();
      await plane.stop();
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

const shortName = (workflowId: string) =>
  workflowId.replace(/^migrate-[a-z]+-(.+)-[0-9a-f]{8}$/, '$1').replace(/^(batch-prod)-.*/, '$1');

const factsOf = (directory: string): Partial<HostFacts> => ({
  slots: 8,
  targetDirectory: '/var/lib/libvirt/images',
  stateDirectory: directory,
  libvirtUri: 'qemu:///system',
  memoryBytes: 128 * 1024 ** 3,
});
