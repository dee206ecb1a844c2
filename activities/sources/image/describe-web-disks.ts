import { LonghaulError } from '../../../contracts/errors.ts';
import type { Finding, RemoteDisk } from '../../../contracts/values.ts';
import type { StepIo } from '../../host/step-io.ts';
import type { Described, SourceDeps } from '../source.ts';
import { WebDisk, type WebDiskSpec } from '../web-disk.ts';

/** Asks for all disks that lie on web servers. What is wrong with one is a finding, and the others are looked at. */
export async function describeWebDisks(
  specs: readonly WebDiskSpec[],
  deps: Pick<SourceDeps, 'resolveSecret' | 'transfer'>,
  io: StepIo,
): Promise<Pick<Described, 'remoteDisks' | 'findings'>> {
  if (specs.length === 0) return {};
  io.report('asking for the disks on web servers');
  const answers = await Promise.all(specs.map((spec) => describe(spec, deps, io)));
  return {
    remoteDisks: answers.flatMap(({ remoteDisk }) => remoteDisk ?? []),
    findings: answers.flatMap(({ findings }) => findings),
  };
}

async function describe(
  spec: WebDiskSpec,
  deps: Pick<SourceDeps, 'resolveSecret' | 'transfer'>,
  io: StepIo,
): Promise<{ remoteDisk?: RemoteDisk; findings: Finding[] }> {
  const findings: Finding[] = [];
  try {
    const disk = await WebDisk.of(spec.url, deps);
    findings.push(...disk.findings);
    return { remoteDisk: await disk.describe(spec, io.signal), findings };
  } catch (error) {
    io.signal.throwIfAborted();
    if (!(error instanceof LonghaulError)) throw error;
    const { code, found, remedy } = error;
    return { findings: [...findings, { severity: 'blocker', code, found, remedy }] };
  }
}
