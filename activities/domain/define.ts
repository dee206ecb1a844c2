import { constants } from 'node:fs';
import { access, open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LonghaulError } from '../../contracts/errors.ts';
import { chooseFirmware } from '../../contracts/firmware.ts';
import type { DefineInput, StepContext } from '../../contracts/steps.ts';
import type { DomainRef, RunRef, TargetDisk } from '../../contracts/values.ts';
import type { Host } from '../host/host.ts';
import { type ListedDomain, Virsh } from '../host/libvirt.ts';
import type { Log, StepIo } from '../host/step-io.ts';
import { runTool } from '../host/tool.ts';
import { WorkDir } from '../host/work-dir.ts';
import { completeOverlay } from '../image/overlay.ts';
import { chooseDiskBus } from './disk-bus.ts';
import { type DomainDisk, domainXml } from './domain-xml.ts';
import { domainUuid, ownerOf, sameRun } from './identity.ts';
import { mapNics } from './nics.ts';
import { parseDomain, textOf } from './xml.ts';

export interface DomainDependencies {
  host: Pick<Host, 'stateDir' | 'libvirtUri'>;
}

/** What a VM gets whose source did not say. */
const defaults = { cpus: 2, memoryMiB: 2048 };

/**
 * Body of `HostActivities.defineDomain`. After it, libvirt has the domain, shut off. Doing it again gives the
 * same domain.
 *
 * @throws LonghaulError DOMAIN_EXISTS when somebody else's domain has the name or the UUID (it is left alone),
 *   DOMAIN_XML_INVALID, DOMAIN_DEFINE_FAILED, NETWORK_UNMAPPED, LIBVIRT_UNREACHABLE.
 */
export async function defineDomain(
  ctx: StepContext,
  input: DefineInput,
  { host }: DomainDependencies,
  io: StepIo,
): Promise<DomainRef> {
  const virsh = new Virsh(host.libvirtUri, io.signal);
  const work = new WorkDir(host.stateDir, ctx.run);
  const fixed = (await completeOverlay(work.scratch, 0)) !== undefined;
  const ref = describe(ctx, input, host.libvirtUri, fixed);
  io.report(`defining the domain ${ref.name}`);
  await refuseForeign(virsh, ctx, ref);

  const sorted = [...input.disks].sort((a, b) => a.index - b.index);
  const disks = await Promise.all(sorted.map(domainDisk));
  const xml = domainXml({ ...ref, owner: ctx.run, disks, os: input.facts?.os ?? 'none' });
  await define(virsh, await writeDefinition(xml, work, io.signal), ref);
  if (ctx.spec.target.autostart) await virsh.setAutostart(ref.uuid);
  for (const warning of ref.warnings) io.log.warn({ domain: ref.name }, warning);
  io.log.info({ domain: ref.name, uuid: ref.uuid }, 'domain defined');
  return ref;
}

/**
 * Body of `HostActivities.undefineDomain`: undefines the domain when this run defined it, NVRAM included.
 * Anybody else's is left alone. Idempotent.
 *
 * @throws LonghaulError DOMAIN_ACTIVE when it runs, LIBVIRT_UNREACHABLE.
 */
export async function undefineDomain(
  ctx: StepContext,
  { host }: DomainDependencies,
  io: StepIo,
): Promise<void> {
  const virsh = new Virsh(host.libvirtUri, io.signal);
  const uuid = domainUuid(ctx.run.migrationId);
  const xml = await virsh.xml(uuid);
  if (xml === undefined) return;
  if (!sameRun(ownerOf(xml), ctx.run)) {
    io.log.warn({ uuid }, 'the domain was not defined by this run; it stays');
    return;
  }
  await requireShutOff(virsh, { name: ctx.spec.name, uuid });
  await virsh.undefine(uuid);
  io.log.info({ uuid }, 'domain undefined');
}

/** Where libvirt's system instance logs what its machines say; made at a domain's first start. */
const machineLogs = '/var/log/libvirt/qemu';

/**
 * Undefines the domain of a run that was given up, on behalf of a compensation that could not be made. One
 * that was ever started stays: somebody took it into use.
 *
 * @throws LonghaulError LIBVIRT_UNREACHABLE, and what virsh refuses.
 */
export async function undefineAbandoned(run: RunRef, { host }: DomainDependencies, log: Log): Promise<void> {
  const virsh = new Virsh(host.libvirtUri);
  const uuid = domainUuid(run.migrationId);
  const xml = await virsh.xml(uuid);
  if (xml === undefined || !sameRun(ownerOf(xml), run)) return;
  const name = textOf(parseDomain(xml), 'name') ?? '';
  const state = await virsh.state(uuid);
  // libvirt remembers how a machine ended until it is restarted itself; the log stays.
  if (state !== 'shut off (unknown)' || (await isThere(join(machineLogs, `${name}.log`)))) {
    log.warn(
      { domain: name, uuid, state },
      'the domain of a run that was given up has been started; it stays',
    );
    return;
  }
  await virsh.undefine(uuid);
  log.info({ domain: name, uuid }, 'undefined the domain of a run that was given up');
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** @throws LonghaulError DOMAIN_ACTIVE while the domain runs, is paused, or is being shut down. */
export async function requireShutOff(virsh: Virsh, { name, uuid }: ListedDomain): Promise<void> {
  const state = await virsh.state(uuid);
  if (state === undefined || /^(shut off|crashed)/.test(state)) return;
  throw new LonghaulError('DOMAIN_ACTIVE', {
    found: `The domain ${name} (${uuid}) is ${state}`,
    remedy: 'Shut it down, then retry.',
    details: { name, uuid, state },
  });
}

function describe(
  ctx: StepContext,
  { vm, facts, accelerator }: DefineInput,
  uri: string,
  fixed: boolean,
): Required<DomainRef> {
  const { target } = ctx.spec;
  const { bus, warning } = chooseDiskBus(target.diskBus, facts, fixed);
  return {
    name: ctx.spec.name,
    uuid: domainUuid(ctx.run.migrationId),
    uri,
    firmware: chooseFirmware(target, vm, facts),
    accelerator,
    cpus: target.cpus ?? vm.cpus ?? defaults.cpus,
    memoryMiB: target.memoryMiB ?? vm.memoryMiB ?? defaults.memoryMiB,
    nics: mapNics(vm.nics, target),
    diskBus: bus,
    warnings: warning === undefined ? [] : [warning],
  };
}

/** Whether the domain of this name was defined by this run. */
export async function ownsDomain(virsh: Virsh, name: string, run: RunRef): Promise<boolean> {
  const uuid = domainUuid(run.migrationId);
  const ours = (await virsh.domains()).some((domain) => domain.name === name && domain.uuid === uuid);
  const xml = ours ? await virsh.xml(uuid) : undefined;
  return xml !== undefined && sameRun(ownerOf(xml), run);
}

async function refuseForeign(virsh: Virsh, ctx: StepContext, ref: DomainRef): Promise<void> {
  const taken = (await virsh.domains()).filter(({ name, uuid }) => name === ref.name || uuid === ref.uuid);
  for (const other of taken) {
    const same = other.name === ref.name && other.uuid === ref.uuid;
    const xml = same ? await virsh.xml(other.uuid) : undefined;
    if (xml === undefined || !sameRun(ownerOf(xml), ctx.run)) throw domainExists(other, ref);
  }
}

function domainExists(other: ListedDomain, ref: DomainRef, cause?: unknown): LonghaulError {
  return new LonghaulError(
    'DOMAIN_EXISTS',
    {
      found: `The domain ${other.name} (${other.uuid}) is there already and was not defined by this run`,
      remedy: `Rename or undefine it, or give the migration another name than ${ref.name}.`,
      details: { existing: other, wanted: { name: ref.name, uuid: ref.uuid } },
    },
    cause,
  );
}

async function domainDisk({ path, format }: Pick<TargetDisk, 'path' | 'format'>): Promise<DomainDisk> {
  return { path, format, directIo: await takesDirectIo(path) };
}

/** Some file systems (tmpfs, some network ones) refuse O_DIRECT; QEMU would then not start. */
async function takesDirectIo(path: string): Promise<boolean> {
  try {
    await (await open(path, constants.O_RDONLY | constants.O_DIRECT)).close();
    return true;
  } catch {
    return false;
  }
}

/**
 * Writes a definition to the work directory and validates it against libvirt's schema; gives the file's path.
 *
 * @throws LonghaulError DOMAIN_XML_INVALID
 */
async function writeDefinition(
  xml: string,
  work: WorkDir,
  signal: AbortSignal,
  fileName = 'domain.xml',
): Promise<string> {
  await work.create();
  const path = join(work.scratch, fileName);
  try {
    await rm(path, { force: true });
    await writeFile(path, xml, { mode: 0o600, flag: 'wx' });
    await runTool({
      program: 'virt-xml-validate',
      args: [path, 'domain'],
      limits: { wallMs: 60_000 },
      signal,
    });
    return path;
  } catch (error) {
    if (!(error instanceof LonghaulError) || error.code !== 'TOOL_FAILED') throw error;
    throw new LonghaulError(
      'DOMAIN_XML_INVALID',
      {
        found: error.found,
        remedy: 'See the names, networks and overrides in the spec; if they are in order, report a defect.',
        details: error.details,
      },
      error,
    );
  }
}

async function define(virsh: Virsh, xmlPath: string, ref: DomainRef): Promise<void> {
  try {
    await virsh.define(xmlPath);
  } catch (error) {
    if (!(error instanceof LonghaulError) || error.code !== 'TOOL_FAILED') throw error;
    // Somebody was quicker between our look and our call.
    if (/already (exists|defined) with uuid/.test(error.found))
      throw domainExists({ name: ref.name, uuid: 'another UUID' }, ref, error);
    throw new LonghaulError(
      'DOMAIN_DEFINE_FAILED',
      { found: error.found, remedy: "The message is libvirt's own; mend what it names and retry." },
      error,
    );
  }
}
