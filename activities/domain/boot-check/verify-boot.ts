import { copyFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LonghaulError } from '../../../contracts/errors.ts';
import type { StepContext } from '../../../contracts/steps.ts';
import type { BootProof, DomainRef, TargetDisk } from '../../../contracts/values.ts';
import type { Host } from '../../host/host.ts';
import { Virsh } from '../../host/libvirt.ts';
import type { StepIo } from '../../host/step-io.ts';
import { WorkDir } from '../../host/work-dir.ts';
import { createOverlay } from '../../image/overlay.ts';
import { writeXml } from '../define.ts';
import type { DomainDisk } from '../domain-xml.ts';
import { uuidOf } from '../uuid.ts';
import { lastLines, readConsole, readSigns } from './console.ts';
import { LoopbackNetwork } from './loopback-network.ts';
import { keepScreenshot } from './screenshot.ts';
import { TransientDomain } from './transient-domain.ts';

const defaultLimitSeconds = { kvm: 180, tcg: 900 } as const;
const pollMs = 500;
const agentEveryMs = 10_000;
/** A clone fits into a host's slot, however large the VM is. */
const maxMemoryMiB = 2048;
/** The network is heard this long after the first sign of life: addresses are claimed around then. */
const listenMs = 2_000;

interface Attempt {
  ctx: StepContext;
  domain: DomainRef;
  disks: TargetDisk[];
  virsh: Virsh;
  work: WorkDir;
  io: StepIo;
}

/**
 * Boots a throwaway clone of the domain and waits for a sign of life from inside: a login prompt on the
 * serial console, systemd at its target, or an answer of the guest agent. The disks are only read; the clone
 * reaches no network. Everything it needed is gone afterwards, whatever happens to this process.
 *
 * @throws LonghaulError BOOT_NOT_SEEN after the time limit, BOOT_PANIC when the guest gave up,
 *   DOMAIN_DEFINE_FAILED when the clone does not start.
 */
export async function verifyBoot(
  ctx: StepContext,
  domain: DomainRef,
  disks: TargetDisk[],
  { host, io }: { host: Pick<Host, 'stateDir' | 'libvirtUri'>; io: StepIo },
): Promise<BootProof> {
  const work = new WorkDir(host.stateDir, ctx.run);
  await work.create();
  const attempt: Attempt = { ctx, domain, disks, virsh: new Virsh(host.libvirtUri), work, io };
  const files = throwawayFiles(attempt);
  const network = await LoopbackNetwork.open(domain.nics.length);
  try {
    const cloneDisks = await createOverlays(attempt, files.overlays);
    await work.note(files.nvram);
    const name = `longhaul-boot-${domain.uuid.slice(0, 8)}-${ctx.run.runId.slice(-6)}`;
    const xml = await writeXml(
      work,
      'boot-check.xml',
      {
        ...domain,
        name,
        uuid: uuidOf(`boot check of ${ctx.run.migrationId}`),
        run: ctx.run,
        memoryMiB: Math.min(domain.memoryMiB, maxMemoryMiB),
        disks: cloneDisks,
        nics: domain.nics.map((nic, index) => ({ ...nic, loopback: network.links[index] })),
        consoleFile: files.console,
        nvramFile: files.nvram,
      },
      io.signal,
    );
    await rm(files.console, { force: true });
    // A clone that a killed attempt left is gone with its virsh; one that lingers is ended here.
    await attempt.virsh.destroy(name);
    const clone = await TransientDomain.start(attempt.virsh, name, xml, io.signal);
    try {
      return await watch(attempt, clone, network, files.console);
    } finally {
      await clone.end();
    }
  } finally {
    network.close();
    for (const path of [...files.overlays, files.nvram, files.console]) await rm(path, { force: true });
  }
}

async function watch(
  attempt: Attempt,
  clone: TransientDomain,
  network: LoopbackNetwork,
  consoleFile: string,
): Promise<BootProof> {
  const { ctx, domain, virsh, work, io } = attempt;
  const limitSeconds = ctx.spec.policy.bootTimeoutSeconds ?? defaultLimitSeconds[domain.accelerator];
  const started = performance.now();
  const elapsed = () => Math.round((performance.now() - started) / 100) / 10;
  let askAgentAt = agentEveryMs;
  const keep = async () => {
    const screenshot = await keepScreenshot(
      virsh,
      clone.name,
      join(work.scratch, 'screen'),
      work.kept('screen.png'),
    );
    await copyFile(consoleFile, work.kept('console.log')).catch(() => undefined);
    return screenshot;
  };

  for (;;) {
    io.signal.throwIfAborted();
    const text = await readConsole(consoleFile);
    const seconds = elapsed();
    const sign =
      readSigns(text) ??
      (seconds * 1000 >= askAgentAt && (await virsh.agentAnswers(clone.name)) ? agentSign : undefined);
    if (seconds * 1000 >= askAgentAt) askAgentAt = seconds * 1000 + agentEveryMs;
    if (sign?.kind === 'alive') {
      await sleep(listenMs, undefined, { signal: io.signal });
      const screenshot = await keep();
      io.log.info({ sign: sign.sign, seconds }, 'the guest booted');
      return {
        sign: sign.sign,
        evidence: sign.evidence,
        seconds,
        accelerator: domain.accelerator,
        addresses: network.addresses,
        consoleLog: work.kept('console.log'),
        ...(screenshot === undefined ? {} : { screenshot }),
      };
    }
    const last = lastLines(text, 5);
    const state = await virsh.domainState(clone.name);
    const ended = state === undefined || state === 'shut off' || state === 'crashed';
    if (sign || ended || seconds > limitSeconds) {
      if (!ended) await keep();
      throw bootFailure(attempt, { died: sign?.evidence, ended, limitSeconds, last });
    }
    io.report(
      `booting for ${Math.round(seconds)} s of at most ${limitSeconds} s: ${last.at(-1) ?? 'nothing on the console yet'}`,
    );
    await sleep(pollMs, undefined, { signal: io.signal });
  }
}

const agentSign = {
  kind: 'alive',
  sign: 'guest-agent',
  evidence: 'the guest agent answered guest-ping',
} as const;

function bootFailure(
  { domain, work }: Attempt,
  how: { died: string | undefined; ended: boolean; limitSeconds: number; last: string[] },
): LonghaulError {
  const details = {
    console: how.last,
    consoleLog: work.kept('console.log'),
    screenshot: work.kept('screen.png'),
  };
  const lastWords = how.last.at(-1) ?? 'nothing';
  if (how.died !== undefined || how.ended) {
    return new LonghaulError('BOOT_PANIC', {
      found: `${domain.name} ${how.died === undefined ? 'switched itself off' : `said "${how.died}"`}; its console ended with: ${lastWords}`,
      remedy: `See ${details.consoleLog} and ${details.screenshot}; mend the cause in the spec and retry, or skip the boot check to keep the VM as it is.`,
      details,
    });
  }
  return new LonghaulError('BOOT_NOT_SEEN', {
    found: `${domain.name} gave no sign of life within ${how.limitSeconds} s under ${domain.accelerator}; its console ended with: ${lastWords}`,
    remedy: `See ${details.screenshot} and ${details.consoleLog}. If it only needs longer, retry with policy.bootTimeoutSeconds raised; skip to keep the VM as it is.`,
    details,
  });
}

/** Files outside of the work directory: qemu's user must reach them, as it reaches the disks. */
function throwawayFiles({ ctx, disks, work }: Attempt) {
  const directory = dirname(disks[0]?.path ?? work.scratch);
  const prefix = join(directory, `.longhaul-${ctx.run.migrationId}-${ctx.run.runId.slice(0, 8)}-boot`);
  return {
    overlays: disks.map(({ index }) => `${prefix}-disk${index}.qcow2`),
    nvram: `${prefix}.nvram`,
    console: join(work.scratch, 'boot-console.log'),
  };
}

async function createOverlays({ disks, work, io }: Attempt, paths: string[]): Promise<DomainDisk[]> {
  const overlays: DomainDisk[] = [];
  for (const [position, disk] of disks.entries()) {
    const path = paths[position] ?? '';
    await work.note(path);
    const { format, virtualSizeBytes } = disk;
    await createOverlay(path, { path: disk.path, format, virtualSizeBytes, extents: [] }, io.signal);
    overlays.push({ path, format: 'qcow2' });
  }
  return overlays;
}
