import { describe, expect, it } from 'vitest';
import { renderReportMarkdown } from '../../../contracts/report-markdown.ts';
import type { AddressCheck, ConfiguredAddress } from '../../../contracts/values.ts';
import type { MigrationReport } from '../../../contracts/steps.ts';

const done = { status: 'done', startedAt: '2026-11-23T07:00:00Z', endedAt: '2026-11-23T07:00:30Z' } as const;
const migrated: MigrationReport = {
  migrationId: 'migrate-image-web01-1a2b3c4d',
  vm: 'web01',
  status: 'completed',
  hostId: 'kvm7',
  startedAt: '2026-11-23T07:00:00Z',
  endedAt: '2026-11-23T07:06:40Z',
  steps: [
    { name: 'convert', state: { ...done, note: 'one disk' } },
    { name: 'verify-boot', state: { status: 'skipped', reason: 'the spec says so' } },
  ],
  fixes: [
    {
      fix: 'fstab',
      title: 'Boot devices by UUID',
      changes: [
        {
          path: '/etc/fstab',
          what: 'names the root by its UUID',
          before: '/dev/sda1 / ext4',
          after: 'UUID=12ab / ext4\n# a fence of ``` in the file ends nothing',
        },
      ],
      warnings: ['swap on /dev/sdb1 was left as it is'],
      seconds: 0.4,
    },
    { fix: 'virtio', title: 'Virtio drivers', changes: [], warnings: [], seconds: 0.1 },
  ],
  disks: [
    {
      index: 0,
      path: '/var/lib/libvirt/images/web01-disk1.qcow2',
      format: 'qcow2',
      virtualSizeBytes: 10 * 2 ** 30,
      allocatedBytes: 1.5 * 2 ** 30,
      dataBytes: 1.6 * 2 ** 30,
      seconds: 33,
      verified: true,
    },
  ],
  domain: {
    name: 'web01',
    uuid: '6c2f3cf0-0000-5000-8000-000000000000',
    uri: 'qemu:///system',
    firmware: 'bios',
    accelerator: 'kvm',
    cpus: 2,
    memoryMiB: 2048,
    nics: [{ mac: '52:54:00:11:22:33', model: 'virtio', target: 'default' }],
  },
  boot: {
    sign: 'login-prompt',
    evidence: 'web01 login:',
    seconds: 41,
    accelerator: 'kvm',
    addresses: [{ mac: '52:54:00:11:22:33', address: '10.0.2.15' }],
    consoleLog: '/var/lib/longhaul/reports/console.log',
  },
  kept: [],
};
const unproven: MigrationReport = { ...migrated };
delete unproven.boot;
const failure = {
  code: 'GUEST_MULTIPLE_ROOTS',
  message: 'More than one operating system was found',
  found: 'Debian 12 on /dev/sda1, Fedora 40 on /dev/sda2',
  remedy: 'Say which is meant: guest.root',
} as const;
const failed: MigrationReport = {
  ...unproven,
  status: 'failed',
  failure,
  steps: [{ name: 'inspect', state: { ...done, status: 'failed', failure } }],
  kept: ['/target/web01-disk1.qcow2'],
};

describe('the report of a migration that succeeded', () => {
  const text = renderReportMarkdown(migrated);

  it('says in its first line that the VM was migrated and boots', () => {
    expect(text.split('\n')[0]).toBe('# web01 was migrated and boots');
  });

  it('says what to do next before any particulars', () => {
    expect(text.indexOf('virsh -c qemu:///system start web01')).toBeLessThan(text.indexOf('## Disks'));
  });

  it('has a row for each disk with sizes, what sparse copying saved, and whether it was compared', () => {
    expect(text).toContain(
      '| 1 | `/var/lib/libvirt/images/web01-disk1.qcow2` | qcow2 | 10 GiB | 1.6 GiB | 1.5 GiB | 85 % | 33 s | yes |',
    );
  });

  it('says where fetched disks came from, how much came, and their digest', () => {
    const image = { path: '/f', format: 'raw' as const, virtualSizeBytes: 2 ** 30, extents: [] };
    const disk = { image, virtualSizeBytes: 2 ** 30, allocatedBytes: 2 ** 30, files: [] };
    const transfer = {
      from: 'https://h.example/a`|b.raw',
      identity: '"1"',
      ...{ dataBytes: 2 ** 30, fetchedBytes: 2 ** 20, sha256: 'ab'.repeat(32), seconds: 90 },
    };
    const fetched = renderReportMarkdown({
      ...migrated,
      acquired: [
        { index: 0, ...disk },
        { index: 1, ...disk, transfer },
      ],
    });
    expect(fetched).toContain(
      `| 2 | \`\`https://h.example/a\`\\|b.raw\`\` | 1 GiB | 1 MiB | 1 min 30 s | \`${transfer.sha256}\` |`,
    );
    expect(text).not.toContain('## Fetched');
  });

  it('warns of what was found once the disks were here, and of nothing twice', () => {
    const image = { path: '/f', format: 'raw' as const, virtualSizeBytes: 2 ** 30, extents: [] };
    const disk = { index: 0, image, virtualSizeBytes: 2 ** 30, allocatedBytes: 2 ** 30, files: [] };
    const known = { severity: 'warning' as const, code: 'known', found: 'seen before', remedy: 'Look.' };
    const findings = [
      known,
      { ...known, found: 'seen later' },
      { ...known, severity: 'info' as const, found: 'fine' },
    ];
    const warned = renderReportMarkdown({
      ...migrated,
      preflight: {
        ...{ findings: [known], vm: { name: 'web01', nics: [] }, disks: [], targetDirectory: '/target' },
        ...{ accelerator: 'kvm', space: { neededBytes: 0, freeBytes: 0 } },
      },
      acquired: [{ ...disk, findings }],
    });
    expect(warned.split('seen before. Look.')).toHaveLength(2);
    expect(warned).toContain('seen later. Look.');
    expect(warned).not.toContain('fine. Look.');
  });

  it('names disks that were to be fetched and did not all come as their source does', () => {
    const id = '/subscriptions/1/resourceGroups/shop/providers/Microsoft.Compute/disks/web01-os';
    const remoteDisks = [{ index: 0, name: 'web01-os', id, virtualSizeBytes: 30 * 2 ** 30 }];
    const failed = renderReportMarkdown({
      ...migrated,
      status: 'failed',
      preflight: {
        ...{ findings: [], vm: { name: 'web01', nics: [] }, disks: [], remoteDisks },
        ...{ targetDirectory: '/target', accelerator: 'kvm', space: { neededBytes: 0, freeBytes: 0 } },
      },
    });
    expect(failed).toContain(`## Disks at the source`);
    expect(failed).toContain(`| 1 | \`web01-os\` | \`${id}\` | 30 GiB |`);
    expect(text).not.toContain('## Disks at the source');
  });

  it('shows the proof of boot with its evidence', () => {
    expect(text).toContain(
      'Sign of life after 41 s (KVM): a login prompt on the serial console, `web01 login:`',
    );
    expect(text).toContain('`10.0.2.15`');
  });

  it('shows what was fixed, what needed nothing, and what a fix warned of', () => {
    expect(text).toContain(
      [
        '- `/etc/fstab`: names the root by its UUID',
        '  ```diff',
        '  - /dev/sda1 / ext4',
        '  + UUID=12ab / ext4',
        '  + # a fence of ``` in the file ends nothing',
        '  ```',
      ]
        .join('\n')
        .replaceAll(/^ {2}```(diff)?$/gm, '  ````$1'),
    );
    expect(text).toContain('Nothing to do for: Virtio drivers.');
    expect(text).toContain('- Boot devices by UUID: swap on /dev/sdb1 was left as it is');
  });
});

describe('the addresses in a report', () => {
  const macs = ['52:54:00:11:22:33'];
  const fixed: ConfiguredAddress = { macs, interface: 'ens192', method: 'static', address: '10.0.2.15/24' };
  const dhcp: ConfiguredAddress = { macs: ['52:54:00:11:22:44'], interface: 'ens224', method: 'dhcp' };
  const rows = (report: MigrationReport) =>
    renderReportMarkdown(report)
      .split('\n')
      .filter((line) => line.startsWith('| `52:54'));

  it('stand beside what was seen of them, with a verdict for each card', () => {
    const { boot } = migrated;
    if (boot === undefined) throw new TypeError('no boot in the sample');
    const checks: AddressCheck[] = [
      { ...fixed, seen: ['10.0.2.15'], verdict: 'seen' },
      {
        ...fixed,
        address: '10.0.3.15/24',
        seen: ['10.0.2.15'],
        verdict: 'elsewhere',
        seenOn: '52:54:00:11:22:44',
      },
      { ...dhcp, seen: [], verdict: 'missing' },
    ];
    expect(rows({ ...migrated, boot: { ...boot, checks } })).toEqual([
      '| `52:54:00:11:22:33` | `ens192` | `10.0.2.15/24` | `10.0.2.15` | as at the source |',
      '| `52:54:00:11:22:33` | `ens192` | `10.0.3.15/24` | `10.0.2.15`, `10.0.3.15/24` on `52:54:00:11:22:44` | **on another card** |',
      '| `52:54:00:11:22:44` | `ens224` | DHCP |  | **missing** |',
    ]);
  });

  it('are said not to have been checked when the boot was not', () => {
    const fix = {
      fix: 'network',
      title: 'Network',
      changes: [],
      warnings: [],
      seconds: 1,
      addresses: [fixed],
    };
    expect(rows({ ...unproven, fixes: [fix] })).toEqual([
      '| `52:54:00:11:22:33` | `ens192` | `10.0.2.15/24` |  | not checked |',
    ]);
  });
});

describe('the report of a migration without proof or success', () => {
  it('does not claim a boot that was not checked', () => {
    const text = renderReportMarkdown(unproven);
    expect(text).toMatch(/^# web01 was migrated, its boot was not checked\n/);
    expect(text).toContain('Its boot was not proven');
    expect(text).not.toContain('## Proof of boot');
  });

  it('puts the failure and its remedy at the top, and names what was kept', () => {
    const text = renderReportMarkdown(failed);
    expect(text).toMatch(/^# web01 was NOT migrated\n/);
    expect(text).toContain('**GUEST_MULTIPLE_ROOTS** at step inspect: Debian 12 on /dev/sda1');
    expect(text).toContain('**What to do:** Say which is meant: guest.root');
    expect(text).toContain('Kept on purpose, remove it when it is not wanted: `/target/web01-disk1.qcow2`');
  });

  it('says that kept disks are in the way of another try, and only then', () => {
    expect(renderReportMarkdown(failed)).toContain(
      'To try again, move or remove the kept disks below, then start the migration with the same spec.',
    );
    expect(renderReportMarkdown({ ...failed, kept: [] })).toContain(
      'To try again, start the migration with the same spec.',
    );
  });

  it('does not call on purpose what could not be undone', () => {
    const text = renderReportMarkdown({ ...failed, kept: ['not undone: domain: libvirt does not answer'] });
    expect(text).toContain('Left behind, not undone: domain: libvirt does not answer.');
    expect(text).not.toContain('on purpose');
  });

  it('tells how to answer one that waits for a decision', () => {
    expect(renderReportMarkdown({ ...failed, status: 'parked' })).toContain(
      '`longhaul skip migrate-image-web01-1a2b3c4d`',
    );
  });
});

describe('hostile text from a guest', () => {
  it('forms no markup, no table cell and no terminal sequence', () => {
    const evil = '\u001b[2J<script>`x` | *b* \u202e[a](http://x)\n# head';
    const text = renderReportMarkdown({
      ...migrated,
      facts: {
        os: 'linux',
        distro: { id: 'x', versionId: '1', prettyName: evil },
        firmware: 'bios',
        mountpoints: [],
        kernels: [],
        warnings: [evil],
        timings: { launchSeconds: 1, inspectSeconds: 1 },
      },
      steps: [{ name: 'inspect', state: { ...done, note: evil } }],
      boot: {
        sign: 'login-prompt',
        evidence: evil,
        seconds: 1,
        accelerator: 'tcg',
        addresses: [],
        consoleLog: '/c',
      },
    });
    expect(text).not.toMatch(/[^\P{C}\n]/u);
    expect(text).not.toMatch(/\n# head/);
    expect(text).toContain('\\<script\\>');
    expect(text).toContain('done: \\[2J\\<script\\>\\`x\\` \\| \\*b\\*');
    expect(text).toContain('``[2J<script>`x` | *b* [a](http://x) # head``');
  });
});
