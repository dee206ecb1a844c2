import { setTimeout as sleep } from 'node:timers/promises';
import type { Accelerator } from '../../../contracts/values.ts';
import type { StepIo } from '../../host/step-io.ts';
import { ApplianceProcess } from './appliance-process.ts';
import type { Arguments, CallName, Options } from './calls.ts';
import { GuestSession, type TimeLimits } from './guest-session.ts';

export interface SessionOptions {
  /** In guest order: the first is /dev/sda in the appliance. */
  disks: readonly { path: string; format: 'qcow2' | 'raw' }[];
  accelerator: Accelerator;
  /** True: the files are not written; libguestfs keeps changes in `tmpDir`. */
  readOnly: boolean;
  timeLimits?: Partial<TimeLimits>;
  io: StepIo;
  /** An existing directory for libguestfs's temporary files, removed with the run. */
  tmpDir: string;
  /**
   * Told while the appliance starts: a directory that libguestfs makes outside `tmpDir`. `close` removes it;
   * who may be killed before notes it down.
   */
  onSocketDirectory?: (path: string) => Promise<void>;
  /** Memory of the appliance; the default is libguestfs's own (about 1.2 GiB). */
  memoryMiB?: number;
  /** Gives the appliance QEMU's user network, by which it reaches what the host reaches; default: none. */
  network?: boolean;
}

/** Emulation runs 10 to 20 times slower than KVM, and hosts are shared. */
const defaultTimeLimits: Record<Accelerator, TimeLimits> = {
  kvm: { launchMs: 120_000, callMs: 120_000, commandMs: 600_000 },
  tcg: { launchMs: 600_000, callMs: 600_000, commandMs: 3_600_000 },
};

/**
 * Starts an appliance on the given disks. Before: the disks exist and nobody else writes them. After: the
 * session is ready for calls; nothing is mounted or unlocked. guestfs(3), "direct" backend.
 *
 * @throws LonghaulError APPLIANCE_FAILED, TOOL_TIMEOUT, GUESTFS_FAILED (a disk cannot be opened); on abort
 *   the signal's reason. No process is left behind then.
 */
export async function openSession(options: SessionOptions): Promise<GuestSession> {
  const { io, accelerator, tmpDir, readOnly } = options;
  const limits = { ...defaultTimeLimits[accelerator], ...options.timeLimits };
  const started = performance.now();
  const seconds = () => Math.round((performance.now() - started) / 1000);
  const say = () => io.report(`starting the libguestfs appliance (${seconds()} s)`);
  say();
  const heartbeat = setInterval(say, 2_000);
  const process = await ApplianceProcess.start(io.signal, say).catch((error: unknown) => {
    clearInterval(heartbeat);
    throw error;
  });
  const call = <Name extends CallName>(name: Name, args: Arguments<Name>, optional?: Options) =>
    process.call(name, args, { limitMs: limits.launchMs, signal: io.signal }, optional);
  try {
    await call('set_backend', ['direct']);
    if (accelerator === 'tcg') await call('set_backend_setting', ['force_tcg', '1']);
    await call('set_tmpdir', [tmpDir]);
    if (options.memoryMiB !== undefined) await call('set_memsize', [options.memoryMiB]);
    if (options.network === true) await call('set_network', [true]);
    for (const { path, format } of options.disks) {
      await call('add_drive_opts', [path], {
        format,
        // Flushes inside the appliance cost much and gain nothing: after a crash of the host the overlay is
        // made again, and it is flushed as a whole when the fixes are done.
        ...(readOnly ? { readonly: true } : { cachemode: 'unsafe', discard: 'besteffort' }),
      });
    }
    await Promise.all([call('launch', []), tellSockets(process, options.onSocketDirectory)]);
  } catch (error) {
    await process.close();
    throw error;
  } finally {
    clearInterval(heartbeat);
  }
  return new GuestSession(process, limits, io, (performance.now() - started) / 1000);
}

/** The sockets are there a moment after the launch began, long before it ends. */
async function tellSockets(
  process: ApplianceProcess,
  tell: SessionOptions['onSocketDirectory'],
): Promise<void> {
  if (tell === undefined) return;
  for (let tries = 0; tries < 100 && process.alive; tries++) {
    await sleep(100);
    const path = process.socketDirectory;
    if (path !== undefined) return tell(path);
  }
}
