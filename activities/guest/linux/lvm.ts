import type { DiskBus } from '../../../contracts/spec.ts';
import { diskKind, diskName, readDeviceMap, type DeviceMap } from './device-map.ts';
import type { Fix, PlannedChange } from './fix.ts';
import { planText, readGuestText, type GuestText } from './guest-text.ts';
import { editDevicesFile, editLvmFilters, hasFilters, type PhysicalVolume } from './lvm-text.ts';

const devicesFile = '/etc/lvm/devices/system.devices';
const places = '/etc/lvm/{lvm.conf,lvmlocal.conf,devices/system.devices}';

/** LVM looks only at devices it is told of: by what their hardware said of itself, or by their old names. */
export const lvmFix: Fix = {
  id: 'lvm',
  title: 'Let LVM find its volumes on the new disks',
  critical: true,
  applies: (facts) => facts.os === 'linux',
  async plan({ guest, facts, diskBus }) {
    const changes: PlannedChange[] = [];
    const warnings: string[] = [];
    const plan = (file: GuestText, text: string, what: string) => {
      const change = planText(file, text, what);
      if (change !== undefined) changes.push(change);
    };
    for (const path of await guest.glob(places)) {
      const file = await readGuestText(guest, path, warnings);
      if (file === undefined || (path !== devicesFile && !hasFilters(file.text))) continue;
      const volumes = physicalVolumes(await readDeviceMap(guest, facts), diskBus);
      if (path === devicesFile) {
        const { text, missing } = editDevicesFile(file.text, volumes);
        plan(file, text, 'LVM finds its physical volumes by their UUID, on the devices that hold them now.');
        if (missing.length > 0)
          warnings.push(
            `${path} lists ${missing.slice(0, 4).join(', ')}, which lies on no disk of this VM; its volumes will be missing.`,
          );
      } else {
        const { text, unclear } = editLvmFilters(file.text, volumes);
        plan(file, text, 'The filter of LVM lets its physical volumes through by their new names, too.');
        if (volumes.length > 0)
          for (const setting of unclear)
            warnings.push(
              `${setting} of ${path} was not understood and was left alone; LVM may not find volumes that it lets through by an old name.`,
            );
      }
    }
    return { changes, warnings };
  },
};

/** Physical volumes that lie directly on partitions or disks, by the names they have in the new VM. */
export function physicalVolumes(map: DeviceMap, bus: DiskBus | undefined): PhysicalVolume[] {
  return map.volumes
    .filter(({ fsType, uuid }) => fsType === 'LVM2_member' && uuid !== undefined)
    .map(({ disk, partition, uuid = '', partUuid }) => ({
      pvid: uuid.replaceAll('-', ''),
      name: `${diskName(diskKind(bus), disk)}${partition ?? ''}`,
      aliases: [
        `/dev/disk/by-id/lvm-pv-uuid-${uuid}`,
        ...(partUuid === undefined ? [] : [`/dev/disk/by-partuuid/${partUuid}`]),
      ],
      ...(partition === undefined ? {} : { partition }),
    }));
}
