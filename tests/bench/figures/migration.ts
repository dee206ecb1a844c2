import { copyFile, mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { guestDisks } from '../../guests/guests.ts';
import { run, type Say } from '../../guests/lib/run.ts';
import { LonghaulHost } from '../../support/longhaul-host.ts';
import { writeOva } from '../../support/ova.ts';
import { oneDiskOvf } from '../../support/ovf-texts.ts';
import { rounded, type Figure } from '../figure.ts';
import { inRounds, ratio } from '../rounds.ts';

const rounds = 3;
const bound = 0.35;
const name = 'longhaul-bench';
/** virt-v2v rebuilds the initramfs under emulation, which takes minutes. */
const v2vMs = 3_600_000;

/** What both are given. */
interface Subject {
  what: string;
  path: string;
  /** How virt-v2v calls it: `disk`, `ova`. */
  input: string;
}

/** Whole migrations of the BIOS guest, from the command line to the defined domain, against virt-v2v. */
export async function migrationFigures(scratch: string, say: Say): Promise<Figure[]> {
  const [path = ''] = await guestDisks('debian-bios', 'qcow2', say);
  return wholeMigration({ what: 'whole migration', path, input: 'disk' }, scratch, say);
}

/** The same guest in an OVA as VMware exports it. */
export async function ovaMigrationFigures(scratch: string, say: Say): Promise<Figure[]> {
  const [disk = ''] = await guestDisks('debian-bios', 'vmdk-stream', say);
  const [raw = ''] = await guestDisks('debian-bios', 'raw', say);
  const directory = join(scratch, 'export');
  const [path, vmdk] = [join(scratch, 'web01.ova'), 'web01-disk1.vmdk'];
  await mkdir(directory);
  await copyFile(disk, join(directory, vmdk));
  const descriptor = oneDiskOvf(vmdk, (await stat(raw)).size);
  await writeOva(path, { directory, descriptor, files: [vmdk] });
  await rm(directory, { recursive: true });
  return wholeMigration({ what: 'whole migration of an OVA', path, input: 'ova' }, scratch, say);
}

async function wholeMigration(subject: Subject, scratch: string, say: Say): Promise<Figure[]> {
  const host = await LonghaulHost.start(join(scratch, 'host'));
  const migrated = async (options: string[]) => {
    const wishes = ['--memory', '1G', ...options];
    const { status, failure } = await host.migrate(name, [subject.path], wishes, [1, 4]);
    if (status !== 'completed') throw new Error(`${name} ${status}: ${failure?.message ?? 'without a word'}`);
  };
  try {
    // Once for nothing, on both sides: the appliance of libguestfs is built at its first use.
    await migrated(['--no-verify-boot']);
    await host.remove(name);
    say(`${subject.what}, ${rounds} rounds of three; virt-v2v takes minutes`);
    const costs = await inRounds(rounds, {
      plain: () => migrated(['--no-verify-boot']).finally(() => host.remove(name)),
      booted: () => migrated([]).finally(() => host.remove(name)),
      v2v: () => virtV2v(subject, join(scratch, 'v2v')),
    });
    const seconds = (contender: keyof typeof costs) => costs[contender].map((cost) => cost.seconds);
    const readings = {
      plainSeconds: rounded(seconds('plain')),
      bootedSeconds: rounded(seconds('booted')),
      virtV2vSeconds: rounded(seconds('v2v')),
    };
    const measured = `\`virt-v2v -i ${subject.input} -o local\` on the same file, both emulated`;
    return [
      {
        name: `${subject.what}, without boot check`,
        measured,
        value: ratio(seconds('plain'), seconds('v2v')),
        unit: '×',
        bound,
        readings,
      },
      {
        name: `${subject.what}, booted and seen`,
        measured: `${measured}; virt-v2v boots nothing`,
        value: ratio(seconds('booted'), seconds('v2v')),
        unit: '×',
        readings,
      },
    ];
  } finally {
    await host.stop();
  }
}

async function virtV2v({ path, input }: Subject, target: string): Promise<void> {
  await mkdir(target);
  const args = ['-i', input, path, '-o', 'local', '-os', target, '-of', 'qcow2', '-on', name];
  const env = { LIBGUESTFS_BACKEND: 'direct', LIBGUESTFS_BACKEND_SETTINGS: 'force_tcg' };
  try {
    await run('virt-v2v', args, { env, wallMs: v2vMs });
  } finally {
    await rm(target, { recursive: true });
  }
}
