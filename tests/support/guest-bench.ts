import { inspectGuest, type Inspection } from '../../activities/guest/inspector.ts';
import { unlockContainers } from '../../activities/guest/luks-handler.ts';
import type { GuestSession } from '../../activities/guest/session/guest-session.ts';
import { openSession } from '../../activities/guest/session/open-session.ts';
import { LonghaulError } from '../../contracts/errors.ts';
import { migrationSpec, type MigrationSpecInput } from '../../contracts/spec.ts';
import { quietIo } from './guest-trees.ts';

export interface Given<Name extends string> {
  /** The VM's disks in guest order. */
  disks: readonly Name[];
  guest?: MigrationSpecInput['guest'];
  /** What references stand for; any other stands for a wrong key. */
  secrets?: Readonly<Record<string, string | Buffer>>;
  /** Volume groups and arrays that are this VM's; all others belong to its neighbours. */
  groups?: readonly string[];
  arrays?: boolean;
}

/** One appliance that holds the disks of many VMs; each test looks at its own. */
export class GuestBench<Name extends string> {
  readonly session: GuestSession;
  readonly dir: string;
  private readonly order: readonly Name[];

  private constructor(session: GuestSession, dir: string, order: readonly Name[]) {
    this.session = session;
    this.dir = dir;
    this.order = order;
  }

  /** The files are not written: changes stay in the appliance. */
  static async start<Name extends string>(
    dir: string,
    paths: Readonly<Record<Name, string>>,
  ): Promise<GuestBench<Name>> {
    const order = Object.keys(paths) as Name[];
    const format = (path: string) => (path.endsWith('.qcow2') ? ('qcow2' as const) : ('raw' as const));
    const session = await openSession({
      disks: order.map((name) => ({ path: paths[name], format: format(paths[name]) })),
      accelerator: 'tcg',
      readOnly: true,
      io: quietIo(),
      tmpDir: dir,
    });
    return new GuestBench(session, dir, order);
  }

  device(name: Name): string {
    const index = this.order.indexOf(name);
    const letter = (number: number) => String.fromCharCode(97 + number);
    return `/dev/sd${index < 26 ? letter(index) : `${letter(Math.floor(index / 26) - 1)}${letter(index % 26)}`}`;
  }

  /** Unlocks and inspects as for a VM that has only the given disks, then hands the open guest over. */
  async open<T>(
    given: Given<Name>,
    then: (inspection: Inspection, guest: GuestSession) => Promise<T>,
  ): Promise<T> {
    const options = migrationSpec.shape.guest.parse(given.guest ?? {});
    const guest = this.view(given);
    await this.session.umountAll();
    const secret = (reference: string) => Buffer.from(given.secrets?.[reference] ?? 'wrong');
    const unlocked = await unlockContainers(guest, options.luksKeys, (reference) =>
      Promise.resolve(secret(reference)),
    );
    try {
      const inspection = await inspectGuest({
        guest,
        launchSeconds: 1,
        unlocked,
        ...(options.root === undefined ? {} : { root: options.root }),
        passthrough: options.passthrough,
        lockedDisks: options.lockedDisks,
        scratchDir: this.dir,
        signal: new AbortController().signal,
        report: () => undefined,
      });
      return await then(inspection, guest);
    } finally {
      await this.session.umountAll();
      for (const { mapped } of unlocked.opened.toReversed()) await this.close(mapped);
    }
  }

  inspect(given: Given<Name>): Promise<Inspection> {
    return this.open(given, (inspection) => Promise.resolve(inspection));
  }

  private view({ disks, groups = [], arrays = false }: Given<Name>): GuestSession {
    const { session } = this;
    const devices = disks.map((name) => this.device(name));
    return Object.assign(Object.create(session) as GuestSession, {
      listDevices: () => Promise.resolve(devices),
      listPartitions: async () =>
        (await session.listPartitions()).filter((name) =>
          devices.some((disk) => name.startsWith(disk) && /^\d+$/.test(name.slice(disk.length))),
        ),
      lvs: async () =>
        (await session.lvs()).filter((name) => groups.some((group) => name.startsWith(`/dev/${group}/`))),
      listMdDevices: () => (arrays ? session.listMdDevices() : Promise.resolve([])),
    });
  }

  /** A volume group on a container holds it open, and stays for the rest of the tests. */
  private async close(mapped: string): Promise<void> {
    await this.session.cryptsetupClose(mapped).catch((error: unknown) => {
      if (!(error instanceof LonghaulError) || error.code !== 'GUESTFS_FAILED') throw error;
    });
  }
}
