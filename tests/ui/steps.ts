import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { guestLocked } from '../../activities/guest/luks-handler.ts';
import type { StepIo } from '../../activities/host/step-io.ts';
import type { LonghaulError } from '../../contracts/errors.ts';
import type { HostActivities, StepContext, StepName } from '../../contracts/steps.ts';
import type { AcquiredDisk, Finding } from '../../contracts/values.ts';
import { runActivity } from '../../workers/activity-io.ts';
import { scriptedHost, type ScriptedHost } from '../support/scripted-host.ts';

const gib = 1024 ** 3;
const mib = 1024 ** 2;

/** What is told of the VMs of the site: where each is, what it runs, what becomes of it. */
interface Story {
  host?: string;
  os?: string;
  /** Sizes of its disks, in GiB. */
  disks?: number[];
  /** The step that does not end. */
  lasts?: 'acquire' | 'convert';
  finding?: Finding;
  isLocked?: true;
}

const nameTaken: Finding = {
  severity: 'blocker',
  code: 'DOMAIN_EXISTS',
  found: 'a domain named legacy01 exists in qemu:///system',
  remedy:
    'Choose another name in the spec, or rename or undefine that domain (virsh domrename, virsh undefine).',
};

const debian = 'Debian GNU/Linux 12 (bookworm)';
const ubuntu = 'Ubuntu 24.04.1 LTS';
const rhel = 'Red Hat Enterprise Linux 9.4 (Plow)';

const stories: Readonly<Record<string, Story>> = {
  www01: { host: 'kvm2', os: ubuntu },
  mail01: { os: debian },
  erp01: { host: 'kvm2', isLocked: true },
  legacy01: { finding: nameTaken },
  app01: { os: rhel, disks: [40, 200], lasts: 'convert' },
  ldap01: { host: 'kvm3', os: debian, disks: [20], lasts: 'convert' },
  ci01: { lasts: 'acquire', disks: [80] },
  git01: { lasts: 'acquire', disks: [60] },
  shop01: { lasts: 'acquire', disks: [30] },
  wiki01: { lasts: 'acquire', disks: [20] },
};

function locked(): LonghaulError {
  const tried = ['cred:luks-erp'];
  return guestLocked([
    { device: '/dev/sda3', uuid: '6c1e8d3b-9f64-4f0a-8d0e-5b7f1f0a2c11', tried, reasons: [] },
  ]);
}

/** A host of the site: its steps take a moment, and fare as the stories say. */
export function siteHost(hostId: string, client: Client): ScriptedHost {
  const plain = scriptedHost(hostId).activities;
  const run = <T>(step: StepName, work: (io: StepIo) => Promise<T>) =>
    runActivity(step, () => Promise.resolve(), work);
  const activities: HostActivities = {
    ...plain,
    preflight: (ctx) =>
      run('preflight', async () => {
        const result = await plain.preflight(ctx);
        const { finding } = storyOf(ctx);
        const findings = finding ? [finding] : [];
        return { ...result, findings, disks: disksOf(ctx), vm: { ...result.vm, name: ctx.spec.name } };
      }),
    acquire: (ctx) =>
      run('acquire', async () => {
        if (storyOf(ctx).lasts === 'acquire') await copies(client, 'acquire', disksOf(ctx));
        return disksOf(ctx);
      }),
    inspectGuest: (ctx, disks) =>
      run('inspect', async () => {
        await moment(1_200);
        if (storyOf(ctx).isLocked) throw locked();
        const facts = await plain.inspectGuest(ctx, disks);
        const prettyName = storyOf(ctx).os ?? debian;
        return { ...facts, distro: { id: 'linux', versionId: '1', prettyName } };
      }),
    convertDisk: (ctx, disk, directory) =>
      run('convert', async () => {
        await moment(400);
        if (storyOf(ctx).lasts === 'convert') await copies(client, 'convert', [disk]);
        const made = await plain.convertDisk(ctx, disk, directory);
        return { ...made, dataBytes: disk.allocatedBytes, virtualSizeBytes: disk.virtualSizeBytes };
      }),
  };
  return {
    ...scriptedHost(hostId),
    activities,
    placement: { placeVm: (ctx) => Promise.resolve({ hostId: storyOf(ctx).host ?? 'kvm1' }) },
  };
}

const storyOf = ({ spec }: StepContext): Story => stories[spec.name] ?? {};

const disksOf = (ctx: StepContext): AcquiredDisk[] =>
  (storyOf(ctx).disks ?? [10]).map((size, index) => ({
    index,
    image: {
      path: `/exports/${ctx.spec.name}-${index}.vmdk`,
      format: 'vmdk',
      virtualSizeBytes: size * gib,
      extents: [],
    },
    virtualSizeBytes: size * gib,
    allocatedBytes: (size * gib) / 2,
    files: [],
  }));

const moment = (ms: number, signal?: AbortSignal) =>
  sleep(ms, undefined, { ...(signal ? { signal } : {}) }).catch(() => undefined);

/** Copies until it is stopped: the progress that a long step tells its workflow, only sooner and more often. */
async function copies(
  client: Client,
  step: 'acquire' | 'convert',
  disks: readonly AcquiredDisk[],
): Promise<void> {
  const { cancellationSignal, info } = Context.current();
  const workflow = client.workflow.getHandle(info.workflowExecution?.workflowId ?? '');
  const rateBytesPerSecond = 231 * mib;
  for (let second = 0; !cancellationSignal.aborted; second += 5) {
    for (const { index, allocatedBytes: totalBytes } of disks) {
      // It stays on its way however long the site stands.
      const doneBytes = totalBytes * (0.4 + 0.1 * index + Math.min(0.3, second / 1000));
      const etaSeconds = (totalBytes - doneBytes) / rateBytesPerSecond;
      const disk = { index, doneBytes, totalBytes, rateBytesPerSecond, etaSeconds };
      const doing = step === 'acquire' ? `fetching disk ${index + 1}` : `copying disk ${index + 1}`;
      await workflow.signal('step-progress', { step, doing, disk }).catch(() => undefined);
    }
    await moment(5_000, cancellationSignal);
  }
  cancellationSignal.throwIfAborted();
}
