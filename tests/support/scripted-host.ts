import { Context } from '@temporalio/activity';
import type { GateNeed } from '../../contracts/gates.ts';
import type { HostActivities, PlacementActivities, StepName, StepProgress } from '../../contracts/steps.ts';
import type {
  AcquiredDisk,
  Finding,
  GuestFacts,
  PreflightResult,
  RemoteDisk,
} from '../../contracts/values.ts';

/** What happens in one activity besides its ordinary answer: throw to fail, wait to take time. */
export type Script = Partial<Record<keyof HostActivities, (attempt: number) => Promise<void> | void>> & {
  /** Disks of the VM that lie elsewhere, in place of the one that lies here. */
  remoteDisks?: RemoteDisk[];
  /** What preflight finds when it is asked for the nth time. */
  findings?: (attempt: number) => Finding[];
  /** Gates of the target, as preflight asks for them. */
  targetGates?: () => Promise<GateNeed[]>;
  /** The guest on the disks. */
  os?: GuestFacts['os'];
};

export interface ScriptedHost {
  activities: HostActivities;
  placement: PlacementActivities;
  /** Names of the activities in the order they were called. */
  calls: string[];
  /** Ids of the runs that they were called for. */
  runIds: string[];
}

const disk: AcquiredDisk = {
  index: 0,
  image: { path: '/images/web01.qcow2', format: 'qcow2', virtualSizeBytes: 1 << 30, extents: [] },
  virtualSizeBytes: 1 << 30,
  allocatedBytes: 1 << 20,
  files: [],
};

const preflight: PreflightResult = {
  findings: [],
  vm: { name: 'web01', nics: [{ mac: '52:54:00:00:00:01', network: 'default' }] },
  disks: [disk],
  targetDirectory: '/target',
  accelerator: 'tcg',
  space: { neededBytes: 1 << 20, freeBytes: 1 << 30 },
};

/**
 * Activities that touch nothing and answer at once, for tests of what workflows and clients make of answers
 * and failures: the control plane alone. The steps themselves are tested with real disks elsewhere.
 */
export function scriptedHost(hostId: string, script: Script = {}): ScriptedHost {
  const calls: string[] = [];
  const runIds: string[] = [];
  const attempts = new Map<string, number>();
  const scripted = async <T>(
    name: keyof HostActivities,
    answer: T | ((attempt: number) => T),
  ): Promise<T> => {
    const attempt = (attempts.get(name) ?? 0) + 1;
    attempts.set(name, attempt);
    calls.push(name);
    await script[name]?.(attempt);
    return answer instanceof Function ? answer(attempt) : answer;
  };
  const facts = {
    os: script.os ?? ('linux' as const),
    distro: { id: 'debian', versionId: '12', prettyName: 'Debian GNU/Linux 12 (bookworm)' },
    firmware: 'bios' as const,
    mountpoints: [],
    kernels: [],
    warnings: [],
    timings: { launchSeconds: 0, inspectSeconds: 0 },
  };
  const target = {
    index: 0,
    path: '/target/web01-disk1.qcow2',
    format: 'qcow2' as const,
    virtualSizeBytes: 1 << 30,
    allocatedBytes: 1 << 20,
    dataBytes: 1 << 20,
    seconds: 0,
    verified: false,
  };
  return {
    calls,
    runIds,
    placement: { placeVm: async () => Promise.resolve({ hostId }) },
    activities: {
      preflight: async ({ run }) => {
        runIds.push(run.runId);
        const targetGates = await script.targetGates?.();
        return scripted('preflight', (attempt) => ({
          ...preflight,
          findings: script.findings?.(attempt) ?? [],
          ...(script.remoteDisks ? { disks: [], remoteDisks: script.remoteDisks } : {}),
          ...(targetGates ? { targetGates } : {}),
        }));
      },
      acquire: () => scripted('acquire', [disk]),
      inspectGuest: () => scripted('inspectGuest', facts),
      fixGuest: () => scripted('fixGuest', []),
      listAzureVms: () => scripted('listAzureVms', { vms: [], gaps: [] }),
      planGuest: () => scripted('planGuest', { facts, fixes: [] }),
      convertDisk: () => scripted('convertDisk', target),
      defineDomain: ({ spec }) =>
        scripted('defineDomain', {
          name: spec.name,
          uuid: '00000000-0000-5000-8000-000000000000',
          uri: 'qemu:///system',
          firmware: spec.target.firmware === 'uefi' ? ('uefi' as const) : ('bios' as const),
          accelerator: 'tcg' as const,
          cpus: 2,
          memoryMiB: 2048,
          nics: [],
        }),
      verifyBoot: () =>
        scripted('verifyBoot', {
          sign: 'login-prompt' as const,
          evidence: 'web01 login:',
          seconds: 1,
          accelerator: 'tcg' as const,
          addresses: [],
          consoleLog: '/state/console.log',
        }),
      finish: () => scripted('finish', { reportPath: '/state/report.md' }),
      resyncSource: () => scripted('resyncSource', [disk]),
      releaseSource: () => scripted('releaseSource', undefined),
      undefineDomain: () => scripted('undefineDomain', undefined),
      discardWork: () => scripted('discardWork', { kept: [] }),
    },
  };
}

/** The steps in the order a migration that meets no trouble runs them. */
export const undisturbed: readonly (keyof HostActivities)[] = [
  'preflight',
  'acquire',
  'inspectGuest',
  'fixGuest',
  'convertDisk',
  'defineDomain',
  'verifyBoot',
  'finish',
];

/** The state of one step in a view. */
export function stateOf(
  view: { steps: { name: StepName; state: { status: string } }[] },
  step: StepName,
): string | undefined {
  return view.steps.find(({ name }) => name === step)?.state.status;
}

/** Waits in a step until `open` is called, or the step is cancelled, with heartbeats as a real step has them. */
export function gate(): { wait: (progress?: StepProgress) => Promise<void>; open: () => void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  const wait = async (progress?: StepProgress) => {
    const context = Context.current();
    const timer = setInterval(() => context.heartbeat(progress), 200);
    try {
      await Promise.race([opened, context.cancelled]);
    } finally {
      clearInterval(timer);
    }
  };
  return { wait, open: () => open() };
}

/** A step that was told to stop and takes a second for it, as one does that has a QEMU to end. */
export async function stopsSlowly(): Promise<void> {
  try {
    await gate().wait();
  } finally {
    await new Promise((done) => setTimeout(done, 1_000));
  }
}
