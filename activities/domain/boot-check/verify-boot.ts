import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { LonghaulError } from '../../../contracts/errors.ts';
import type { StepContext } from '../../../contracts/steps.ts';
import type { BootProof, ConfiguredAddress, DomainRef, TargetDisk } from '../../../contracts/values.ts';
import { Virsh } from '../../host/libvirt.ts';
import type { StepIo } from '../../host/step-io.ts';
import { WorkDir } from '../../host/work-dir.ts';
import { type DomainDependencies, requireShutOff } from '../define.ts';
import { ownerOf, sameRun } from '../identity.ts';
import { cloneXml } from './clone.ts';
import { Console } from './console.ts';
import { addressFailure, watchAddresses } from './expected-addresses.ts';
import { bootFailure, type Ending } from './failure.ts';
import { keepScreenshot } from './screenshot.ts';
import { createThrowaways, type ThrowawayFiles } from './throwaway.ts';
import { TransientDomain } from './transient-domain.ts';
import { watchBoot } from './watch.ts';
import { Wires } from './wires.ts';

const defaultLimitSeconds = { kvm: 180, tcg: 900 } as const;
/** A clone fits into one slot of the host, however large the VM is. */
const maxMemoryMiB = 2048;

/**
 * Body of `HostActivities.verifyBoot`: boots a throwaway clone of the defined domain and waits for a sign of
 * life from inside: a login prompt on the serial console, systemd at its target, or an answer of the guest
 * agent. The disks are only read, and no packet of the guest's leaves this process. Console log and
 * screenshot are kept; everything else is gone afterwards, the clone also when this process is killed.
 *
 * @param expected addresses it is to show, each on the NIC of its MAC
 * @throws LonghaulError BOOT_ADDRESS_MISSING when it does not show them and the policy wants it, BOOT_NOT_SEEN after the time limit, BOOT_PANIC when the guest gave up, HOST_IO when
 *   QEMU paused it for a failing disk, DOMAIN_ACTIVE when the domain itself runs, DOMAIN_DEFINE_FAILED when
 *   the clone does not start; on abort, the signal's reason.
 */
export async function verifyBoot(
  ctx: StepContext,
  domain: DomainRef,
  disks: readonly TargetDisk[],
  { host }: DomainDependencies,
  io: StepIo,
  expected: readonly ConfiguredAddress[] = [],
): Promise<BootProof> {
  const virsh = new Virsh(host.libvirtUri, io.signal);
  const workDir = new WorkDir(host.stateDir, ctx.run);
  await workDir.create();
  io.report('preparing the boot check');
  await requireShutOff(virsh, domain);
  const definedXml = await virsh.xml(domain.uuid);
  if (definedXml === undefined) throw notDefined(domain);
  const prefix = `longhaul-boot-${domain.uuid.slice(0, 8)}-`;
  await endLeftovers(virsh, prefix, ctx);

  const files = await createThrowaways(domain.uuid, disks, workDir, io.signal);
  try {
    const check: Check = { ctx, domain, definedXml, files, workDir, virsh, io, expected };
    return await bootClone(check, `${prefix}${randomUUID().slice(0, 8)}`, host.libvirtUri);
  } finally {
    await files.remove();
  }
}

interface Check {
  ctx: StepContext;
  domain: DomainRef;
  definedXml: string;
  files: ThrowawayFiles;
  workDir: WorkDir;
  virsh: Virsh;
  io: StepIo;
  expected: readonly ConfiguredAddress[];
}

async function bootClone(check: Check, name: string, uri: string): Promise<BootProof> {
  const { domain, definedXml, files, workDir, io } = check;
  const wires = await Wires.open(domain.nics.length);
  const consoleLog = workDir.kept('console.log');
  const serial = await Console.open(consoleLog).catch((error: unknown) => {
    wires.close();
    throw error;
  });
  // What must be done at the end must not be stopped by an abort.
  const steady = new Virsh(uri);
  let clone: TransientDomain | undefined;
  try {
    const uuid = randomUUID();
    const shape = {
      ...files,
      ...{ name, uuid, maxMemoryMiB, maxCpus: availableParallelism() },
      ...{ wires: wires.ports, consolePort: serial.port },
    };
    const definition = { directory: workDir.scratch, xmlName: 'boot-check.xml' };
    const xml = cloneXml(definedXml, shape);
    await writeFile(join(definition.directory, definition.xmlName), xml, { mode: 0o600 });
    io.report(`starting a clone of ${domain.name}`);
    clone = await TransientDomain.start(steady, uuid, definition, io.signal);
    return await proofOf(check, uuid, serial, wires, consoleLog);
  } finally {
    await clone?.end();
    wires.close();
    await serial.close();
  }
}

async function proofOf(
  { ctx, domain, workDir, virsh, io, expected }: Check,
  uuid: string,
  serial: Console,
  wires: Wires,
  consoleLog: string,
): Promise<BootProof> {
  const limitSeconds = ctx.spec.policy.bootTimeoutSeconds ?? defaultLimitSeconds[domain.accelerator];
  const ending: Ending = await watchBoot({ virsh, uuid, reader: serial.reader, limitSeconds, io });
  const { reader } = serial;
  const network =
    ending.kind === 'alive'
      ? await watchAddresses({ virsh, uuid, domain, wires, reader, expected, io })
      : { addresses: [], checks: [] };
  const draft = join(workDir.scratch, 'screen');
  const screenshot = await keepScreenshot(virsh, uuid, draft, workDir.kept('screen.png'));
  const kept = { consoleLog, ...(screenshot === undefined ? {} : { screenshot }) };
  if (ending.kind !== 'alive') {
    throw bootFailure(domain, ending, { ...kept, tail: serial.reader.tail(20), limitSeconds });
  }
  const { sign, evidence, seconds } = ending;
  const { addresses, checks } = network;
  const missing = ctx.spec.policy.verifyAddresses ? addressFailure(domain.name, network, kept) : undefined;
  if (missing !== undefined) throw missing;
  io.log.info({ domain: domain.name, sign, seconds, addresses }, 'the migrated VM boots');
  return { sign, evidence, seconds, accelerator: domain.accelerator, addresses, checks, ...kept };
}

/** Ends clones that an earlier attempt of this run left, should libvirt have missed its end. */
async function endLeftovers(virsh: Virsh, prefix: string, ctx: StepContext): Promise<void> {
  for (const { name, uuid } of await virsh.domains()) {
    if (!name.startsWith(prefix)) continue;
    const xml = await virsh.xml(uuid);
    if (xml !== undefined && sameRun(ownerOf(xml), ctx.run)) await virsh.destroy(uuid);
  }
}

function notDefined({ name, uuid }: DomainRef): LonghaulError {
  return new LonghaulError('DOMAIN_DEFINE_FAILED', {
    found: `The domain ${name} (${uuid}) is not defined (any more)`,
    remedy: 'Somebody undefined it; abort, or start the migration again.',
  });
}
