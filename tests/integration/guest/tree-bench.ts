import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findKernels } from '../../../activities/guest/inspector/kernels.ts';
import type { FixContext } from '../../../activities/guest/linux/fix.ts';
import type { GuestSession } from '../../../activities/guest/session/guest-session.ts';
import { openSession } from '../../../activities/guest/session/open-session.ts';
import { migrationSpec, type MigrationSpecInput } from '../../../contracts/spec.ts';
import type { FixOutcome } from '../../../contracts/values.ts';
import { quietIo } from '../../support/guest-trees.ts';
import { writeTreesDisk, type SystemTree } from './fixes-trees.ts';

/** One appliance on disks of trees. Changes are kept from the files: they live as long as the appliance. */
export class TreeBench {
  readonly guest: GuestSession;
  readonly dir: string;
  private readonly sets: readonly (readonly SystemTree[])[];

  private constructor(guest: GuestSession, dir: string, sets: readonly (readonly SystemTree[])[]) {
    this.guest = guest;
    this.dir = dir;
    this.sets = sets;
  }

  /** @param sets the trees of each disk */
  static async start(...sets: (readonly SystemTree[])[]): Promise<TreeBench> {
    const dir = await mkdtemp(join(tmpdir(), 'fixes-'));
    const disks = sets.map((_set, index) => join(dir, `disk${index}.raw`));
    for (const [index, trees] of sets.entries()) await writeTreesDisk(disks[index] ?? '', trees);
    const guest = await openSession({
      disks: disks.map((path) => ({ path, format: 'raw' })),
      accelerator: 'tcg',
      readOnly: true,
      io: quietIo(),
      tmpDir: dir,
    });
    return new TreeBench(guest, dir, sets);
  }

  async close(): Promise<void> {
    await this.guest.close();
    await rm(this.dir, { recursive: true, force: true });
  }

  /** Mounts one of the systems, writable, and says what the inspector would. */
  async open(
    tree: SystemTree,
    options: MigrationSpecInput['guest'] = {},
    hostname?: string,
  ): Promise<Omit<FixContext, 'earlier'>> {
    const io = quietIo();
    const disk = this.sets.findIndex((set) => set.includes(tree));
    const device = `/dev/sd${'abcdefgh'.charAt(disk)}${tree.partition}`;
    await this.guest.umountAll();
    await this.guest.mount(device, '/', 'rw');
    const root = { device, fsType: 'ext4', uuid: tree.uuid };
    const spec = migrationSpec.parse({
      name: 'vm',
      source: { kind: 'image', disks: ['/vm.raw'] },
      guest: options,
    });
    const { guest, dir } = this;
    return {
      guest,
      facts: {
        os: 'linux',
        arch: 'x86_64',
        root,
        firmware: 'bios',
        mountpoints: [{ path: '/', ...root }],
        kernels: await findKernels({ guest, scratchDir: dir, warnings: [], ...io }),
        initramfsTool: 'initramfs-tools',
        warnings: [],
        timings: { launchSeconds: 0, inspectSeconds: 0 },
        ...(hostname === undefined ? {} : { hostname }),
      },
      vm: { name: 'vm', nics: [{ mac: '52:54:00:00:00:01', network: 'default' }] },
      options: spec.guest,
      scratchDir: dir,
      ...io,
    };
  }
}

/** What people are told of a run of fixes, without the seconds. */
export const told = (outcomes: readonly FixOutcome[]) =>
  outcomes.map(({ fix: id, changes, warnings }) => ({
    id,
    changes: changes.map(({ path, what }) => `${path}: ${what}`),
    warnings,
  }));
