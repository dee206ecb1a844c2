import type { StepContext } from '../../contracts/steps.ts';
import type { Finding, PreflightResult, SourceVm } from '../../contracts/values.ts';
import type { StepIo } from '../host/step-io.ts';
import { freeSpace } from '../host/space.ts';
import { type Described, sourceRequest } from '../sources/source.ts';
import { type Check, findingsOf, type PreflightDeps, type Subject } from './check.ts';
import { checkGuestFiles } from './guest-files-check.ts';
import { checkDomainName, checkNetworks } from './libvirt-checks.ts';
import { checkSpace, neededBytes } from './space-check.ts';
import { checkTargetDirectory, checkTargetFiles, resolveTargetDirectory } from './target.ts';
import { checkAccelerator, checkCapacity, checkDrained, checkSecrets, checkTools } from './tool-checks.ts';

/** In the order an operator wants to read about them. */
const checks: readonly { doing: string; check: Check }[] = [
  { doing: 'looking whether this host takes VMs', check: checkDrained },
  { doing: 'looking for the programs', check: checkTools },
  { doing: 'looking for a domain of that name', check: checkDomainName },
  { doing: 'looking at the target directory', check: checkTargetDirectory },
  { doing: 'looking for files in the way', check: checkTargetFiles },
  { doing: 'measuring the free space', check: checkSpace },
  { doing: 'looking for the networks', check: checkNetworks },
  { doing: 'resolving the secrets', check: checkSecrets },
  { doing: 'looking at the files for the guest', check: checkGuestFiles },
  { doing: 'looking at the accelerator', check: checkAccelerator },
  { doing: 'comparing the VM with the host', check: checkCapacity },
];

/**
 * Body of the `preflight` activity: everything cheap that could stop the migration later, all of it, not only
 * the first. Creates nothing; may be repeated. A check that cannot be made is itself a blocker.
 *
 * @throws only the signal's reason, on abort: everything else is a finding.
 */
export async function preflight(ctx: StepContext, deps: PreflightDeps, io: StepIo): Promise<PreflightResult> {
  const { spec } = ctx;
  const findings: Finding[] = [];
  const learn = async <T>(doing: string, fallback: T, ask: () => Promise<T>): Promise<T> => {
    io.report(doing);
    let answer = fallback;
    const found = await findingsOf(async () => {
      answer = await ask();
      return [];
    }, io);
    findings.push(...found);
    return answer;
  };

  const unknown: SourceVm = { name: spec.name, nics: [] };
  const described = await learn<Described>('reading the source', { vm: unknown, disks: [] }, () =>
    deps.sourceOf(spec.source.kind).describe(sourceRequest(ctx), io),
  );
  const { vm, disks, remoteDisks = [] } = described;
  findings.push(...(described.findings ?? []));
  const targetDirectory = await learn<string | undefined>('resolving the target', undefined, () =>
    resolveTargetDirectory(spec.target, deps, io.signal),
  );
  const accelerator =
    spec.target.accelerator === 'auto'
      ? await learn('finding out what KVM can do here', 'tcg' as const, () => deps.host.accelerator())
      : spec.target.accelerator;

  const subject: Subject = {
    run: ctx.run,
    spec,
    vm,
    disks,
    remoteDisks,
    targetDirectory,
    accelerator,
    deps,
    io,
  };
  for (const { doing, check } of checks) {
    io.report(doing);
    findings.push(...(await findingsOf(() => check(subject), io)));
  }

  const directory = targetDirectory ?? deps.host.defaultTargetDirectory;
  const freeBytes = await freeSpace(directory).then(
    (space) => space.freeBytes,
    () => 0, // checkSpace has told
  );
  const space = { neededBytes: neededBytes([...disks, ...remoteDisks], spec.target.format), freeBytes };
  return {
    findings: withoutRepeats(findings),
    vm,
    disks: [...disks],
    ...(remoteDisks.length === 0 ? {} : { remoteDisks }),
    targetDirectory: directory,
    accelerator,
    space,
  };
}

/** libvirt being away is found by every check that asks it, and worth one line. */
function withoutRepeats(findings: readonly Finding[]): Finding[] {
  const seen = new Set<string>();
  return findings.filter(({ code, found }) => {
    const key = `${code} ${found}`;
    return !seen.has(key) && seen.add(key);
  });
}
