import { run } from './run.ts';

export interface LogicalVolume {
  name: string;
  sizeBytes: number;
}

/** Bytes from the start of the physical volume to the volume's first byte, by name. */
export type VolumeOffsets = ReadonlyMap<string, number>;

/**
 * Makes a region of a disk file an LVM physical volume with one volume group and linear volumes. Only metadata
 * is written, no volume is activated: it needs a loop device and no device mapper. lvm.conf(5) settings keep
 * the host's own volumes, backups and udev out of it.
 */
export async function makeVolumeGroup(
  disk: string,
  region: { offsetBytes: number; sizeBytes: number },
  group: string,
  volumes: readonly LogicalVolume[],
): Promise<VolumeOffsets> {
  const { stdout } = await run('losetup', [
    ...['--find', '--show', '--offset', String(region.offsetBytes)],
    ...['--sizelimit', String(region.sizeBytes), disk],
  ]);
  const device = stdout.trim();
  try {
    const lvm = lvmOn(device);
    await lvm('pvcreate', device);
    await lvm('vgcreate', group, device);
    for (const { name, sizeBytes } of volumes) {
      const quiet = ['--activate', 'n', '--zero', 'n', '--wipesignatures', 'n'];
      await lvm('lvcreate', ...quiet, '--name', name, '--size', `${sizeBytes}b`, group);
    }
    return offsetsOf(await lvm('pvs', ...segmentReport, device));
  } finally {
    await run('losetup', ['--detach', device]);
  }
}

const segmentReport = [
  ...['--noheadings', '--units', 'b', '--nosuffix', '--segments', '--separator', ','],
  ...['--options', 'lv_name,pe_start,vg_extent_size,pvseg_start'],
];

function lvmOn(device: string): (command: string, ...args: string[]) => Promise<string> {
  const config = [
    `devices { filter=["a|^${device}$|", "r|.*|"] use_devicesfile=0 hints="none" obtain_device_list_from_udev=0 }`,
    'activation { udev_sync=0 udev_rules=0 } backup { backup=0 archive=0 }',
  ].join(' ');
  return async (command, ...args) => {
    const { stdout } = await run('lvm', [command, '--config', config, '--driverloaded', 'n', ...args]);
    return stdout;
  };
}

function offsetsOf(report: string): VolumeOffsets {
  const offsets = new Map<string, number>();
  for (const line of report.split('\n')) {
    const [name = '', start, extent, firstExtent] = line.trim().split(',');
    if (name !== '') offsets.set(name, Number(start) + Number(extent) * Number(firstExtent));
  }
  return offsets;
}
