import { expectedAddresses } from './addresses.ts';
import { code, fenceFor, plain, table, text, time } from './markdown.ts';
import type { MigrationReport, MigrationStatus, StepState } from './steps.ts';
import type {
  AcquiredDisk,
  AddressCheck,
  BootProof,
  ConfiguredAddress,
  FixOutcome,
  TargetDisk,
} from './values.ts';
import { formatBytes, formatDuration, secondsBetween } from './units.ts';

/**
 * A report as Markdown for an operator who was not there: the outcome first, then what to do, then the
 * particulars. Text that came from a guest or an image is escaped, so that it can neither form markup nor
 * move a terminal's cursor.
 */
export function renderReportMarkdown(report: MigrationReport): string {
  const sections = [
    outcome(report),
    nextSteps(report),
    domain(report),
    disks(report.disks),
    fetched(report.acquired ?? []),
    atSource(report),
    boot(report),
    network(report),
    guest(report),
    fixes(report.fixes),
    warnings(report),
    steps(report),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

const outcomes: Record<MigrationStatus, string> = {
  running: 'is still being migrated',
  paused: 'is paused on its way',
  parked: 'waits for a decision',
  completed: 'was migrated',
  failed: 'was NOT migrated',
  cancelled: 'was NOT migrated: cancelled',
  aborted: 'was NOT migrated: aborted',
};

function outcome(report: MigrationReport): string {
  const proof =
    report.status !== 'completed'
      ? ''
      : report.boot === undefined
        ? ', its boot was not checked'
        : ' and boots';
  const where = report.hostId === undefined ? '' : ` on host ${code(report.hostId)}`;
  const took = formatDuration(secondsBetween(report.startedAt, report.endedAt));
  const lines = [
    `# ${text(report.vm)} ${outcomes[report.status]}${proof}`,
    '',
    `${time(report.startedAt)} to ${time(report.endedAt)} (${took})${where}. Migration ${code(report.migrationId)}.`,
  ];
  if (report.failure !== undefined) {
    const failedAt = report.steps.find(({ state }) => state.status === 'failed')?.name;
    lines.push(
      '',
      `**${report.failure.code}**${failedAt === undefined ? '' : ` at step ${failedAt}`}: ${text(report.failure.found)}`,
      '',
      `**What to do:** ${text(report.failure.remedy)}`,
    );
  }
  return lines.join('\n');
}

function nextSteps(report: MigrationReport): string {
  const id = report.migrationId;
  const items = ((): string[] => {
    switch (report.status) {
      case 'completed':
        return completedSteps(report);
      case 'parked':
        return [
          `When the cause is gone: ${code(`longhaul retry ${id}`)}.`,
          `To go on without this step: ${code(`longhaul skip ${id}`)}. To give up and undo: ${code(`longhaul abort ${id}`)}.`,
        ];
      case 'paused':
        return [`Go on with ${code(`longhaul resume ${id}`)}.`];
      case 'running':
        return [`Watch it with ${code(`longhaul status ${id} --watch`)}.`];
      case 'failed':
      case 'cancelled':
      case 'aborted':
        return [
          'The source was not changed; it can be started where it was.',
          report.kept.some(isDisk)
            ? 'To try again, move or remove the kept disks below, then start the migration with the same spec.'
            : 'To try again, start the migration with the same spec.',
        ];
    }
  })();
  const kept = report.kept.map((what) =>
    isDisk(what)
      ? `Kept on purpose, remove it when it is not wanted: ${code(what)}`
      : `Left behind, ${text(what)}. The worker of the host tries again when it starts.`,
  );
  return section('What to do next', list([...items, ...kept]));
}

/** Among what was kept, finished disks stand by their path; the rest says in words what could not be undone. */
const isDisk = (kept: string) => kept.startsWith('/');

function completedSteps(report: MigrationReport): string[] {
  const items: string[] = [];
  if (report.domain !== undefined) {
    const { uri, name } = report.domain;
    items.push(
      `Start it: ${code(`virsh -c ${uri} start ${name}`)}; its serial console: ${code(`virsh -c ${uri} console ${name}`)}.`,
    );
    if (report.domain.accelerator === 'tcg')
      items.push('It is defined for emulation (TCG), which is slow: this host has no KVM that works.');
  }
  if (report.boot === undefined) items.push('Its boot was not proven: watch the first start on its console.');
  items.push(
    'Keep the source stopped, so that two machines do not use one address, and delete it when you are sure.',
  );
  return items;
}

function domain({ domain: ref }: MigrationReport): string {
  if (ref === undefined) return '';
  const rows = [
    `Name ${code(ref.name)}, UUID ${code(ref.uuid)}, at ${code(ref.uri)}`,
    `${ref.cpus} ${ref.cpus === 1 ? 'CPU' : 'CPUs'}, ${formatBytes(ref.memoryMiB * 1024 * 1024)} of memory, ${ref.firmware.toUpperCase()} firmware, ${ref.accelerator === 'kvm' ? 'KVM' : 'emulation (TCG)'}, disks on ${ref.diskBus ?? 'virtio'}`,
    ...ref.nics.map((nic) => `NIC ${code(nic.mac)} (${nic.model}) on ${code(nic.target)}`),
  ];
  return section('Domain', list(rows));
}

function disks(all: TargetDisk[]): string {
  if (all.length === 0) return '';
  const rows = all.map((disk) => [
    String(disk.index + 1),
    code(disk.path),
    disk.format,
    formatBytes(disk.virtualSizeBytes),
    formatBytes(disk.dataBytes),
    formatBytes(disk.allocatedBytes),
    saving(disk),
    formatDuration(disk.seconds),
    disk.verified ? 'yes' : 'no',
  ]);
  return section(
    'Disks',
    table(['Disk', 'File', 'Format', 'Size', 'Data', 'On disk', 'Saved', 'Took', 'Compared'], rows),
  );
}

/** How disks came that did not lie on the host. */
function fetched(all: AcquiredDisk[]): string {
  const rows = all.flatMap(({ index, transfer }) =>
    transfer === undefined
      ? []
      : [
          [
            String(index + 1),
            code(transfer.from),
            formatBytes(transfer.dataBytes),
            formatBytes(transfer.fetchedBytes),
            formatDuration(transfer.seconds),
            code(transfer.sha256),
          ],
        ],
  );
  if (rows.length === 0) return '';
  const head = ['Disk', 'From', 'Data', 'In the last attempt', 'Took', 'SHA-256 over its chunks'];
  return section('Fetched', table(head, rows));
}

/** Disks that were to be fetched and did not all come: whoever looks into that needs their names there. */
function atSource({ preflight, acquired }: MigrationReport): string {
  const all = preflight?.remoteDisks ?? [];
  if (all.length === 0 || acquired !== undefined) return '';
  const rows = all.map(({ index, name, id, virtualSizeBytes }) => [
    String(index + 1),
    code(name),
    id === undefined ? '' : code(id),
    formatBytes(virtualSizeBytes),
  ]);
  return section('Disks at the source', table(['Disk', 'Name', 'Id', 'Size'], rows));
}

/** What not writing the empty parts saved, against a copy of the whole virtual disk. */
function saving(disk: TargetDisk): string {
  if (disk.virtualSizeBytes === 0) return '';
  const saved = Math.max(0, disk.virtualSizeBytes - disk.allocatedBytes);
  return `${Math.floor((100 * saved) / disk.virtualSizeBytes)} %`;
}

const signs: Record<BootProof['sign'], string> = {
  'login-prompt': 'a login prompt on the serial console',
  'guest-agent': 'an answer of the guest agent',
  'systemd-target': 'systemd reached its default target',
};

function boot({ boot: proof }: MigrationReport): string {
  if (proof === undefined) return '';
  const items = [
    `Sign of life after ${formatDuration(proof.seconds)} (${proof.accelerator === 'kvm' ? 'KVM' : 'TCG'}): ${signs[proof.sign]}, ${code(proof.evidence)}`,
    ...proof.addresses.map(({ mac, address }) => `Address seen: ${code(address)} on ${code(mac)}`),
    `Console log: ${code(proof.consoleLog)}`,
    ...(proof.screenshot === undefined ? [] : [`Screenshot: ${code(proof.screenshot)}`]),
    'It was booted on a throwaway overlay with an isolated network; the disks above were not written.',
  ];
  return section('Proof of boot', list(items));
}

const verdicts: Record<AddressCheck['verdict'], string> = {
  seen: 'as at the source',
  answered: 'as at the source (it answers for it)',
  lease: 'asks by DHCP and takes what it is offered',
  elsewhere: '**on another card**',
  missing: '**missing**',
};

/** The addresses of the source's configuration, and what the boot check saw of each. */
function network({ boot: proof, fixes: all, domain: ref }: MigrationReport): string {
  const unchecked: (ConfiguredAddress & Partial<AddressCheck>)[] =
    ref === undefined ? [] : expectedAddresses(all);
  const expected = proof?.checks ?? unchecked;
  if (expected.length === 0) return '';
  const rows = expected.map(({ macs, interface: name, address, seen = [], seenOn, verdict }) => [
    macs.map(code).join(' or '),
    code(name),
    address === undefined ? 'DHCP' : code(address),
    [...seen.map(code), ...(seenOn === undefined ? [] : [`${code(address ?? '')} on ${code(seenOn)}`])].join(
      ', ',
    ),
    verdict === undefined ? 'not checked' : verdicts[verdict],
  ]);
  const head = ['NIC', 'Interface', 'Address at the source', 'Seen in the boot check', 'Verdict'];
  return section('Addresses', table(head, rows));
}

function guest({ facts }: MigrationReport): string {
  if (facts === undefined) return '';
  if (facts.os === 'none')
    return section('Guest', 'No operating system on the disks; they were passed through as they are.');
  const root =
    facts.root === undefined ? '' : `, root ${code(facts.root.device)} (${text(facts.root.fsType)})`;
  const bootable = facts.kernels.filter((kernel) => kernel.bootable).map(({ version }) => code(version));
  const kernels = [...new Set(bootable)];
  const items = [
    `${text(facts.distro?.prettyName ?? 'Linux')}${facts.hostname === undefined ? '' : `, host name ${code(facts.hostname)}`}${root}`,
    `${facts.firmware.toUpperCase()}${facts.bootloader === undefined ? '' : `, boot loader ${facts.bootloader}`}${kernels.length === 0 ? '' : `, kernels ${kernels.join(', ')}`}`,
  ];
  return section('Guest', list(items));
}

function fixes(all: FixOutcome[]): string {
  if (all.length === 0) return '';
  const changed = all.filter((fix) => fix.changes.length > 0);
  const untouched = all.filter((fix) => fix.changes.length === 0);
  const blocks = changed.map((fix) => {
    const changes = fix.changes.map(
      (change) => `${code(change.path)}: ${text(change.what)}${beforeAfter(change)}`,
    );
    return `**${text(fix.title)}** (${formatDuration(fix.seconds)})\n\n${list(changes)}`;
  });
  if (untouched.length > 0)
    blocks.push(`Nothing to do for: ${untouched.map((fix) => text(fix.title)).join('; ')}.`);
  return section('What was fixed in the guest', blocks.join('\n\n'));
}

/** What a change took away and what it put there, as a diff under its list item; nothing when it has neither. */
function beforeAfter(change: { before?: string; after?: string }): string {
  const marked = (mark: string, lines: string | undefined) =>
    (lines?.split('\n') ?? [])
      .map(plain)
      .filter((line) => line !== '')
      .map((line) => `${mark} ${line}`);
  const lines = [...marked('-', change.before), ...marked('+', change.after)];
  if (lines.length === 0) return '';
  const fence = fenceFor(lines.join('\n'), 3);
  return ['', `${fence}diff`, ...lines, fence].join('\n  ');
}

function warnings(report: MigrationReport): string {
  const findings = [
    ...(report.preflight?.findings ?? []),
    ...(report.acquired ?? []).flatMap((disk) => disk.findings ?? []),
  ];
  const all = [
    ...findings
      .filter((finding) => finding.severity !== 'info')
      .map((finding) => text(`${finding.found.replace(/\.$/, '')}. ${finding.remedy}`)),
    ...(report.facts?.warnings ?? []).map(text),
    ...(report.domain?.warnings ?? []).map(text),
    ...report.fixes.flatMap((fix) => fix.warnings.map((warning) => `${text(fix.title)}: ${text(warning)}`)),
  ];
  return all.length === 0 ? '' : section('Warnings', list([...new Set(all)]));
}

function steps(report: MigrationReport): string {
  const rows = report.steps.map(({ name, state }) => [name, stepText(state), stepTime(state)]);
  return section('Steps', table(['Step', 'State', 'Took'], rows));
}

function stepText(state: StepState): string {
  switch (state.status) {
    case 'pending':
      return 'not reached';
    case 'running':
      return 'running';
    case 'done':
      return state.note === undefined ? 'done' : `done: ${text(state.note)}`;
    case 'skipped':
      return `skipped: ${text(state.reason)}`;
    case 'failed':
      return `failed: ${state.failure.code}`;
  }
}

function stepTime(state: StepState): string {
  if (state.status !== 'done' && state.status !== 'failed') return '';
  return formatDuration(secondsBetween(state.startedAt, state.endedAt));
}

const section = (title: string, body: string) => `## ${title}\n\n${body}`;
const list = (items: string[]) => items.map((item) => `- ${item}`).join('\n');
