import { constants } from 'node:fs';
import { access, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import { hasErrno, LonghaulError, messageOf } from '../../contracts/errors.ts';
import type { Accelerator } from '../../contracts/values.ts';
import type { Log } from './step-io.ts';
import { runTool } from './tool.ts';

export interface Acceleration {
  accelerator: Accelerator;
  /** One sentence: what was found out. */
  reason: string;
}

export interface ProbeOptions {
  /** Where the answer is remembered: `acceleration.json`. */
  stateDir: string;
  signal: AbortSignal;
  log: Log;
  /** The emulator; `qemu-system-x86_64` when left out. */
  qemu?: string;
  /** `/dev/kvm` when left out. */
  kvmDevice?: string;
  /** Where stock kernels lie; `/boot` when left out. */
  bootDir?: string;
  /** Time a kernel gets to reach its root file system; it needs about one second under KVM. */
  limitMs?: number;
}

const defaultLimitMs = 15_000;
/** What a kernel without a root file system says last: it ran through its whole initialisation. */
const proof = 'Kernel panic - not syncing: VFS';

/**
 * Finds out whether KVM really runs a stock kernel here. That `/dev/kvm` opens proves little: with some
 * nested hypervisors QEMU then hangs without a word, or aborts on `-cpu host`. A probe takes a second where
 * KVM works and `limitMs` where it hangs; its outcome is remembered until the host boots again or its
 * kernel or QEMU change. Anything but TCG by choice is warned about.
 *
 * @throws the signal's reason on abort. Every other failure is the answer `tcg`.
 */
export async function probeAcceleration(options: ProbeOptions): Promise<Acceleration> {
  const found = await probe(options);
  const { log } = options;
  if (found.accelerator === 'kvm') log.info({ ...found }, 'guests run under KVM');
  else log.warn({ ...found }, `guests are emulated (TCG), many times slower than KVM: ${found.reason}`);
  return found;
}

async function probe(options: ProbeOptions): Promise<Acceleration> {
  const { qemu = 'qemu-system-x86_64', kvmDevice = '/dev/kvm', bootDir = '/boot' } = options;
  try {
    await access(kvmDevice, constants.R_OK | constants.W_OK);
  } catch (error) {
    const why = hasErrno(error, 'ENOENT') ? 'does not exist' : `cannot be opened: ${messageOf(error)}`;
    return tcg(`${kvmDevice} ${why}`);
  }
  const kernel = await newestKernel(bootDir);
  if (kernel === undefined) return tcg(`no readable kernel in ${bootDir} to try KVM with`);

  try {
    const key = await keyOf(qemu, kernel, options.signal);
    const file = join(options.stateDir, 'acceleration.json');
    const remembered = await recall(file, key);
    if (remembered) return remembered;
    const found = await bootKernel(qemu, kernel, options);
    await remember(options.stateDir, file, { key, ...found });
    return found;
  } catch (error) {
    options.signal.throwIfAborted();
    return tcg(`KVM could not be tried: ${messageOf(error)}`);
  }
}

const tcg = (reason: string): Acceleration => ({ accelerator: 'tcg', reason });

async function bootKernel(qemu: string, kernel: string, options: ProbeOptions): Promise<Acceleration> {
  const { limitMs = defaultLimitMs, signal } = options;
  try {
    const { stdout } = await runTool({
      program: qemu,
      args: [
        ...['-machine', 'q35', '-accel', 'kvm', '-cpu', 'host', '-m', '256', '-no-reboot'],
        ...['-nodefaults', '-no-user-config', '-nographic', '-serial', 'stdio', '-net', 'none'],
        ...['-kernel', kernel, '-append', 'console=ttyS0 panic=-1'],
      ],
      limits: { wallMs: limitMs },
      signal,
    });
    if (stdout.includes(proof)) return { accelerator: 'kvm', reason: `${kernel} boots under KVM` };
    return tcg(`${kernel} ended early under KVM; it last said: ${lastLine(stdout)}`);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof LonghaulError)) throw error;
    if (error.code === 'TOOL_TIMEOUT') {
      return tcg(`QEMU hangs under KVM: ${kernel} did not boot within ${Math.round(limitMs / 1000)} s`);
    }
    if (error.code === 'TOOL_KILLED') {
      return tcg(`QEMU dies under KVM with -cpu host (${String(error.details['signal'])})`);
    }
    return tcg(`QEMU does not start under KVM: ${error.found}`);
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.trim().slice(0, 200) || 'nothing';
}

/** The readable kernel with the highest version, for example `/boot/vmlinuz-6.1.0-30-amd64`. */
async function newestKernel(bootDir: string): Promise<string | undefined> {
  const names = await readdir(bootDir).catch(() => []);
  const byVersion = new Intl.Collator('en', { numeric: true });
  const kernels = names.filter((name) => name.startsWith('vmlinuz-')).sort(byVersion.compare);
  for (const name of kernels.reverse()) {
    const path = join(bootDir, name);
    const readable = await access(path, constants.R_OK).then(
      () => true,
      () => false,
    );
    if (readable) return path;
  }
  return undefined;
}

/** What the answer depends on. */
async function keyOf(qemu: string, kernel: string, signal: AbortSignal): Promise<string> {
  const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  const { stdout } = await runTool({
    program: qemu,
    args: ['--version'],
    limits: { wallMs: 10_000 },
    signal,
  });
  return [bootId, release(), kernel, qemu, stdout.split('\n')[0]?.trim()].join(' | ');
}

/** An unreadable or foreign file is no memory. */
async function recall(file: string, key: string): Promise<Acceleration | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(file, 'utf8'));
    if (typeof value !== 'object' || value === null) return undefined;
    const { key: rememberedKey, accelerator, reason } = value as Record<string, unknown>;
    if (rememberedKey !== key || typeof reason !== 'string') return undefined;
    return accelerator === 'kvm' || accelerator === 'tcg' ? { accelerator, reason } : undefined;
  } catch {
    return undefined;
  }
}

async function remember(stateDir: string, file: string, value: object): Promise<void> {
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const partial = `${file}.${process.pid}`;
  await writeFile(partial, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  await rename(partial, file);
}
