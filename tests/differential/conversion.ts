import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspectGuest } from '../../activities/guest/inspector.ts';
import { linuxFixes } from '../../activities/guest/linux/index.ts';
import { unlockContainers } from '../../activities/guest/luks-handler.ts';
import { fixOffline } from '../../activities/guest/offline-fixer.ts';
import { openSession } from '../../activities/guest/session/open-session.ts';
import { migrationSpec } from '../../contracts/spec.ts';
import type { FixOutcome, GuestFacts } from '../../contracts/values.ts';
import { runTool } from '../../activities/host/tool.ts';
import { run } from '../guests/lib/run.ts';
import { quietIo } from '../support/guest-trees.ts';

/** What a conversion of one guest cost. */
export interface Conversion {
  /** From the start of the appliance to everything unmounted. */
  seconds: number;
}

export interface OurConversion extends Conversion {
  facts: GuestFacts;
  outcomes: FixOutcome[];
}

/** The address of the guest's only card, as QEMU gives it. */
const mac = '52:54:00:12:34:56';
/** virt-v2v-in-place rebuilds the initramfs under emulation, on a busy machine for an hour. */
const v2vMs = 3 * 3_600_000;

/** An overlay over a disk, so that the disk stays what it is. */
export async function overlayOn(disk: string, path: string): Promise<string> {
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', disk, '-F', 'raw', path]);
  return path;
}

/** virt-v2v-in-place(1) on a disk, which it changes; its messages go to `say`. */
export async function convertWithV2v(disk: string, say: (line: string) => void): Promise<Conversion> {
  const started = performance.now();
  await runTool({
    program: 'virt-v2v-in-place',
    args: ['-i', 'disk', disk],
    env: { LIBGUESTFS_BACKEND: 'direct', LIBGUESTFS_BACKEND_SETTINGS: 'force_tcg' },
    limits: { wallMs: v2vMs },
    onLine: (line) => say(`virt-v2v: ${line}`),
  });
  return { seconds: (performance.now() - started) / 1000 };
}

/** Longhaul's inspection and fixes on an overlay over the disk, in one appliance, as in a migration. */
export async function convertWithLonghaul(name: string, overlay: string): Promise<OurConversion> {
  const scratchDir = await mkdtemp(join(tmpdir(), 'conversion-'));
  const io = quietIo();
  const started = performance.now();
  const guest = await openSession({
    disks: [{ path: overlay, format: 'qcow2' }],
    accelerator: 'tcg',
    readOnly: false,
    io,
    tmpDir: scratchDir,
  });
  try {
    const unlocked = await unlockContainers(guest, [], () => Promise.resolve(Buffer.alloc(0)));
    const { launchSeconds } = guest;
    const { facts, mounted } = await inspectGuest({ guest, launchSeconds, unlocked, scratchDir, ...io });
    if (mounted === undefined) throw new Error(`${name} holds no system`);
    const spec = migrationSpec.parse({ name, source: { kind: 'image', disks: [overlay] } });
    const vm = { name, nics: [{ mac, network: 'default' }] };
    const context = { guest, facts, vm, options: spec.guest, scratchDir, ...io };
    const outcomes = await fixOffline({ fixes: linuxFixes, mounted, context });
    return { seconds: (performance.now() - started) / 1000, facts, outcomes };
  } finally {
    await guest.close();
    await rm(scratchDir, { recursive: true, force: true });
  }
}
