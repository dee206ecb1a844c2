import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cloneXml } from '../../../activities/domain/boot-check/clone.ts';
import { type DomainShape, domainXml } from '../../../activities/domain/domain-xml.ts';
import { plainShape } from '../../unit/domain/shapes.ts';

const run = promisify(execFile);
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'longhaul-xml-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function validate(xml: string): Promise<void> {
  const file = join(dir, 'domain.xml');
  await writeFile(file, xml);
  await run('virt-xml-validate', [file, 'domain']);
}

const disk = (index: number) => ({ path: `/d/disk${index}`, format: 'qcow2' as const, directIo: true });
const nic = (index: number, target = 'default') => ({
  mac: `52:54:00:00:00:${index.toString(16).padStart(2, '0')}`,
  model: 'virtio' as const,
  target,
});

const shapes: [string, Partial<DomainShape>][] = [
  ['a plain Linux guest', {}],
  ['a UEFI guest', { firmware: 'uefi' }],
  ['a KVM guest', { accelerator: 'kvm' }],
  ['a Windows guest under KVM', { os: 'windows', accelerator: 'kvm', firmware: 'uefi' }],
  ['disks without an operating system', { os: 'none', nics: [] }],
  ['64 disks', { disks: Array.from({ length: 64 }, (_, index) => disk(index)) }],
  ['a guest without virtio', { diskBus: 'sata' }],
  ['64 SCSI disks', { diskBus: 'scsi', disks: Array.from({ length: 64 }, (_, index) => disk(index)) }],
  ['raw disks without O_DIRECT', { disks: [{ path: '/d/a.raw', format: 'raw', directIo: false }] }],
  [
    '16 NICs on networks and bridges',
    { nics: Array.from({ length: 16 }, (_, at) => nic(at, at % 2 ? 'n' : 'bridge:br0')) },
  ],
  [
    'every NIC model',
    { nics: (['virtio', 'e1000e', 'e1000', 'rtl8139'] as const).map((model, at) => ({ ...nic(at), model })) },
  ],
  [
    'markup in every outside string',
    {
      disks: [{ path: `/d/<a&b>'"]]>.qcow2`, format: 'qcow2', directIo: true }],
      nics: [nic(0, `n<&>'"`)],
      owner: { migrationId: `m<&>'"`, runId: '-->' },
    },
  ],
];

describe('the domain definition', () => {
  it.each(shapes)("of %s passes libvirt's schema, and so does its boot-check clone", async (_, change) => {
    const shape = { ...plainShape, ...change };
    const xml = domainXml(shape);
    await expect(validate(xml)).resolves.toBeUndefined();
    const clone = cloneXml(xml, {
      name: 'longhaul-boot-x',
      uuid: '22222222-2222-4222-8222-222222222222',
      overlays: shape.disks.map(({ path, format }, at) => ({
        diskPath: path,
        diskFormat: format,
        overlayPath: `/o/${at}`,
      })),
      nvramPath: '/o/nvram.fd',
      wires: shape.nics.map((_nic, at) => ({ ourPort: 40_000 + at, guestPort: 41_000 + at })),
      ...{ consolePort: 4000, maxCpus: 2, maxMemoryMiB: 2048 },
    });
    await expect(validate(clone)).resolves.toBeUndefined();
  });
});
