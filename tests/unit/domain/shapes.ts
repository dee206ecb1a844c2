import type { DomainShape } from '../../../activities/domain/domain-xml.ts';

/** A small Linux guest to vary in tests. */
export const plainShape: DomainShape = {
  name: 'web01',
  uuid: '11111111-2222-5333-8444-555555555555',
  owner: { migrationId: 'image-web01', runId: 'run-1' },
  accelerator: 'tcg',
  firmware: 'bios',
  cpus: 4,
  memoryMiB: 4096,
  disks: [{ path: '/var/lib/libvirt/images/web01.qcow2', format: 'qcow2', directIo: true }],
  diskBus: 'virtio',
  nics: [{ mac: '52:54:00:12:34:56', model: 'virtio', target: 'default' }],
  os: 'linux',
};
