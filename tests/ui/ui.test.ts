import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hostWorkflowIdOf } from '../../contracts/hosts.ts';
import { gateIdOf } from '../../contracts/gates.ts';
import { sees, startBrowser, type Browser } from './browser.ts';
import { columnsScript, filters } from './docs.ts';
import { exportsServer, startSite, type Site } from './site.ts';

let site: Site;
let ui: Browser;
beforeAll(async () => {
  site = await startSite();
  ui = await startBrowser(site.uiUrl, columnsScript);
});
afterAll(async () => {
  await ui.close();
  await site.stop();
});

/** Opens the page of a workflow that tells of it. */
const detailsOf = async (workflowId: string) =>
  ui.openDetails(await site.runOf(`WorkflowId = '${workflowId}'`));
const detailsOfVm = async (vm: string) => ui.openDetails(await site.runOf(`LonghaulVm = '${vm}'`));

describe('in the Temporal UI a person who never saw the command line', () => {
  it('sees which VMs of a batch run, are parked, have failed, and where', async () => {
    const query = 'LonghaulBatch = "batch-night" AND WorkflowType = "migrateVm"';
    await ui.open(`workflows?query=${encodeURIComponent(query)}`);
    await sees(ui.page, ...['LonghaulState', 'LonghaulStep', 'LonghaulHost']);
    await sees(ui.page, ['parked', 'inspect', 'kvm2'], ['running', 'convert', 'kvm1']);
    await sees(
      ui.page,
      ['running', 'convert', 'kvm3'],
      ['failed', 'preflight', 'kvm1'],
      ['completed', 'kvm2'],
    );
    await ui.picture('list', 880);
  });

  it('sees how far a running VM is, and that it moves', async () => {
    const details = await detailsOfVm('app01');
    await sees(ui.summary, 'app01: disk images to any KVM host');
    await sees(details, 'app01', 'running on kvm1');
    await sees(details, ['inspect', '✓ done', 'Red Hat Enterprise Linux 9.4 (Plow)']);
    await sees(details, ['convert', '▶ running', 'write the new disks'], ['verify-boot', 'to come']);
    await sees(details, ['1', '231 MiB/s'], ['2', '231 MiB/s']);
    await ui.picture('running', 830);
    const before = await details.getByRole('table').last().innerText();
    expect(before).toMatch(/1\s+\d\d %\s+\d+(\.\d)? GiB of 20 GiB\s+231 MiB\/s\s+\d+ s/);
    await expect
      .poll(
        async () => {
          await ui.page.keyboard.press('r');
          return details.getByRole('table').last().innerText();
        },
        { interval: 1_000 },
      )
      .not.toBe(before);
  });

  it('sees why a VM is parked, what to do, and the commands that answer it', async () => {
    const details = await detailsOfVm('erp01');
    const { workflowId: id } = await site.runOf("LonghaulVm = 'erp01'");
    await sees(details, /waits for a decision: step/, 'GUEST_LOCKED', /LUKS container 6c1e8d3b/);
    await sees(details, /Add the right passphrase to guest\.luksKeys/);
    await sees(details, `longhaul retry ${id}`, `longhaul skip ${id}`, `longhaul abort ${id}`);
    await sees(details, ['inspect', '✗ failed', 'GUEST_LOCKED']);
    await ui.picture('parked', 1140);
  });

  it('sees that a VM waits for its host, and how to go on without it', async () => {
    const details = await detailsOfVm('ldap01');
    await sees(details, /waits for kvm3, gone since \d{4}-\d\d-\d\d \d\d:\d\d UTC/);
    await sees(details, /^longhaul reassign migrate-image-ldap01-/);
  });

  it('sees that no host takes a VM, and which would', async () => {
    await sees(await detailsOfVm('gpu01'), /waits for a host with the label gpu/);
  });

  it('sees the waves of a batch, and how to find what needs somebody', async () => {
    const details = await detailsOf('batch-night');
    await sees(ui.summary, 'batch night: 8 VMs at once');
    await sees(details, /running, 5 of 15 VMs ended, 8 at once/);
    await sees(details, ['pilot', '2', '1'], ['applications', '7', '1', '2'], ['databases', '2']);
    await sees(details, 'LonghaulBatch = "batch-night" AND LonghaulState = "parked"');
    await ui.picture('batch', 860);
  });

  it('sees what a wave waits for that needs an approval', async () => {
    await sees(await detailsOf('batch-weekend'), 'longhaul batch approve weekend warehouse');
  });

  it('sees which VMs a page of a batch has', async () => {
    const details = await detailsOf('batch-night-page-0001');
    await sees(details, ['www01', 'completed'], ['legacy01', 'failed: DOMAIN_EXISTS']);
  });

  it('sees when a schedule begins its batches, and what became of the last', async () => {
    await ui.open('schedules/longhaul-prod');
    await sees(ui.page, 'At 20:00 on weekdays', 'Europe/Berlin', 'exports of the day, every evening');
    await sees(ui.page, /batch-prod-\d{4}-/, '5 Upcoming Runs');
    await ui.picture('schedule', 890);
  });

  it('sees what a host is like, and that it is gone', async () => {
    const details = await detailsOf(hostWorkflowIdOf('kvm3'));
    await sees(details, /gone since/, ['Labels', 'zone=b'], ['Steps at once', '8']);
    await ui.picture('host', 860);
  });

  it('sees who fetches from a place that bears only so much, and who waits', async () => {
    const details = await detailsOf(gateIdOf(exportsServer));
    await sees(details, /2 of at most 2 disks are fetched at once; 2 migrations wait/);
    await sees(details, ['batch-night', '2']);
    // Who of the four came first is chance.
    expect(await details.getByText(/^migrate-image-(ci|git|shop|wiki)01-/).count()).toBe(2);
    await sees(details, `longhaul limit set ${exportsServer} N`);
    await ui.picture('gate', 780);
  });

  it('needs no other machine for that', () => expect(ui.askedOutside).toEqual([]));
});

/** Whom each filter of docs/ui.md finds: VMs by their names, other workflows by their ids. */
const found: Readonly<Record<string, string[]>> = {
  'Migrations under way': ['app01', 'ci01', 'erp01', 'git01', 'gpu01', 'ldap01', 'shop01', 'wiki01'],
  'Parked: somebody has to decide': ['erp01'],
  'Failed since last evening': ['legacy01'],
  'No host takes them yet': ['gpu01'],
  'Hosts that are gone': ['host-kvm3'],
  'On one host, or waiting for it': ['ldap01'],
  'The VMs of one batch': [
    ...['app01', 'ci01', 'erp01', 'git01', 'gpu01', 'jobs01', 'jobs02', 'ldap01', 'legacy01', 'mail01'],
    ...['shop01', 'wiki01', 'www01'],
  ],
  'At one step': ['app01', 'ldap01'],
  'All migrations of one VM': ['erp01'],
  'From one kind of source': ['erp01', 'gpu01'],
  'Batches under way': ['batch-night', 'batch-weekend'],
  'Batches that wait for approval': ['batch-weekend'],
  'The batches of one schedule': ['batch-prod'],
  Hosts: ['host-kvm1', 'host-kvm2', 'host-kvm3'],
  'Limits where somebody fetches, or waits': [gateIdOf(exportsServer)],
  'Still to be removed from hosts': [],
};

describe('the filters of docs/ui.md', () => {
  it('are those that are tried here', () => expect([...filters.keys()]).toEqual(Object.keys(found)));

  it.each(Object.keys(found))('find what they say: %s', async (what) => {
    const evening = new Date(Date.now() - 3_600_000).toISOString();
    const query = filters.get(what)?.replace(/(?<=CloseTime > ")[^"]+/, evening);
    expect(await site.names(query ?? 'none')).toEqual(found[what]);
  });
});
