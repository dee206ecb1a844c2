import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../guests/lib/run.ts';

/**
 * Gives the only physical volume of a volume group another UUID, as vgcfgrestore(8) has it: the group's
 * metadata is written out, edited and put back. The volumes stay where they are.
 *
 * @param uuid in LVM's groups, `xxxxxx-xxxx-xxxx-xxxx-xxxx-xxxx-xxxxxx`
 */
export async function setPvUuid(
  disk: string,
  region: { offsetBytes: number; sizeBytes: number },
  group: string,
  uuid: string,
): Promise<void> {
  const place = ['--offset', String(region.offsetBytes), '--sizelimit', String(region.sizeBytes)];
  const device = (await run('losetup', ['--find', '--show', ...place, disk])).stdout.trim();
  const dir = await mkdtemp(join(tmpdir(), 'pv-uuid-'));
  const config = [
    `devices { filter=["a|^${device}$|", "r|.*|"] use_devicesfile=0 hints="none" obtain_device_list_from_udev=0 }`,
    'activation { udev_sync=0 udev_rules=0 } backup { backup=0 archive=0 }',
  ].join(' ');
  const lvm = (command: string, ...args: string[]) =>
    run('lvm', [command, '--config', config, '--driverloaded', 'n', ...args]);
  try {
    const metadata = join(dir, 'metadata');
    await lvm('vgcfgbackup', '--file', metadata, group);
    const { stdout: old } = await lvm('pvs', '--noheadings', '--options', 'pv_uuid', device);
    await writeFile(metadata, (await readFile(metadata, 'utf8')).replaceAll(old.trim(), uuid));
    await lvm('pvcreate', '--force', '--force', '--yes', '--uuid', uuid, '--restorefile', metadata, device);
    await lvm('vgcfgrestore', '--file', metadata, group);
  } finally {
    await run('losetup', ['--detach', device]);
    await rm(dir, { recursive: true });
  }
}
