import { expectedAddresses } from '../../contracts/addresses.ts';
import { placeOfImage } from '../../contracts/image-place.ts';
import { formatBytes } from '../../contracts/units.ts';
import type { MigrationPlan } from '../../contracts/steps.ts';
import type { Finding, FixOutcome } from '../../contracts/values.ts';
import type { Paint } from '../options.ts';
import { alignColumns, safeLine, wrap } from './text.ts';

export function isBlocked(plan: MigrationPlan): boolean {
  return plan.preflight.findings.some((finding) => finding.severity === 'blocker');
}

/** A plan on a screen: what comes in, what preflight found, what each fix would change, the verdict. */
export function planText(
  name: string,
  plan: MigrationPlan,
  style: { paint: Paint; columns: number },
): string {
  const blocked = isBlocked(plan);
  const blockers = plan.preflight.findings.filter(({ severity }) => severity === 'blocker').length;
  const verdict = blocked
    ? style.paint.red(`Blocked: ${blockers === 1 ? 'one problem' : `${blockers} problems`} to solve first.`)
    : style.paint.green('Nothing blocks this migration.');
  const sections = [
    summary(name, plan, style.paint),
    findings(plan.preflight.findings, style),
    guest(plan),
    fixes(plan, style),
    addresses(plan, style.paint),
    `${verdict} Nothing was written.`,
  ];
  return sections.filter((section) => section !== '').join('\n\n');
}

function summary(name: string, { preflight }: MigrationPlan, paint: Paint): string {
  const here = preflight.disks.map(({ index, image, virtualSizeBytes, allocatedBytes }) =>
    diskRow(
      index,
      placeOfImage(image),
      image.format,
      virtualSizeBytes,
      `${formatBytes(allocatedBytes)} of data`,
    ),
  );
  const elsewhere = (preflight.remoteDisks ?? []).map(({ index, name, virtualSizeBytes, dataBytes }) => {
    const data = dataBytes === undefined ? 'to fetch' : `${formatBytes(dataBytes)} to fetch`;
    return diskRow(index, name, '', virtualSizeBytes, data);
  });
  const disks = [...here, ...elsewhere].sort((a, b) => a.index - b.index).map(({ cells }) => cells);
  const nics = preflight.vm.nics.map((nic, index) => [
    `NIC ${index + 1}`,
    nic.mac,
    `on ${safeLine(nic.network)}`,
  ]);
  const { neededBytes, freeBytes } = preflight.space;
  const lines = [
    paint.bold(safeLine(name)),
    alignColumns(disks, '  '),
    alignColumns(nics, '  '),
    `  target  ${safeLine(preflight.targetDirectory)}: needs at most ${formatBytes(neededBytes)}, ${formatBytes(freeBytes)} are free`,
    `  runs under ${preflight.accelerator === 'kvm' ? 'KVM' : 'emulation (TCG): slow, this host has no KVM that works'}`,
  ];
  return lines.filter((line) => line !== '').join('\n');
}

function diskRow(index: number, place: string, format: string, sizeBytes: number, data: string) {
  return { index, cells: [`disk ${index + 1}`, safeLine(place), format, formatBytes(sizeBytes), data] };
}

function findings(all: readonly Finding[], { paint, columns }: { paint: Paint; columns: number }): string {
  if (all.length === 0) return `${paint.bold('Preflight')}\n  no findings`;
  const colour = { blocker: paint.red, warning: paint.yellow, info: paint.dim };
  const order = ['blocker', 'warning', 'info'];
  const room = Math.max(60, Math.min(columns, 110));
  const blocks = all
    .toSorted((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity))
    .map(({ severity, code, found, remedy }) =>
      [
        `  ${colour[severity](severity)}  ${code}`,
        wrap(safeLine(found), room, '    '),
        ...(remedy === '' ? [] : [wrap(safeLine(remedy), room, '    ')]),
      ].join('\n'),
    );
  return `${paint.bold('Preflight')}\n${blocks.join('\n')}`;
}

function guest({ facts, preflight }: MigrationPlan): string {
  if (facts === undefined)
    return (preflight.remoteDisks ?? []).length === 0
      ? ''
      : 'The guest is looked into once its disks are on the host: what would be fixed in it is not known before.';
  if (facts.os === 'none')
    return 'No operating system on the disks: they would be passed through as they are.';
  const system = safeLine(facts.distro?.prettyName ?? 'Linux');
  const warnings = facts.warnings.map((warning) => `\n  ${safeLine(warning)}`).join('');
  return `Guest: ${system}, ${facts.firmware.toUpperCase()}${facts.hostname === undefined ? '' : `, host name ${safeLine(facts.hostname)}`}${warnings}`;
}

function fixes(plan: MigrationPlan, { paint, columns }: { paint: Paint; columns: number }): string {
  if (plan.fixes.length === 0) return '';
  const telling = plan.fixes.filter((fix) => fix.changes.length > 0 || fix.warnings.length > 0);
  if (telling.length === 0) return `${paint.bold('Fixes')}\n  nothing to change in the guest`;
  const room = Math.max(60, Math.min(columns, 110));
  return `${paint.bold('Fixes')}\n${telling.map((fix) => fixText(fix, room, paint)).join('\n')}`;
}

/** What the guest is to come up with: the boot check asks for it, and fails without. */
function addresses(plan: MigrationPlan, paint: Paint): string {
  const rows = expectedAddresses(plan.fixes).map(({ macs, interface: name, address }) => [
    safeLine(name),
    safeLine(address ?? 'by DHCP'),
    `on ${safeLine(macs.join(' or '))}`,
  ]);
  return rows.length === 0 ? '' : `${paint.bold('Addresses it keeps')}\n${alignColumns(rows, '  ')}`;
}

function fixText(fix: FixOutcome, room: number, paint: Paint): string {
  const changes = fix.changes.flatMap((change) => [
    wrap(`${safeLine(change.path)}: ${safeLine(change.what)}`, room, '    '),
    ...(change.before === undefined ? [] : [paint.red(`      - ${safeLine(change.before)}`)]),
    ...(change.after === undefined ? [] : [paint.green(`      + ${safeLine(change.after)}`)]),
  ]);
  const warnings = fix.warnings.map((warning) => paint.yellow(wrap(safeLine(warning), room, '    ')));
  return [`  ${safeLine(fix.title)}`, ...changes, ...warnings].join('\n');
}
