import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defineDomain, undefineDomain } from '../../../activities/domain/define.ts';
import { Virsh } from '../../../activities/host/libvirt.ts';
import { DomainBench, libvirtUri, virsh } from './bench.ts';
import { writeBootSectorDisk } from './boot-sector.ts';

let bench: DomainBench;
beforeEach(async () => {
  bench = await DomainBench.create();
  await writeBootSectorDisk(bench.diskPath(), 'tiny login: ');
});
afterEach(() => bench.remove());

const foreign = (name: string, uuid: string) => `<domain type='qemu'><name>${name}</name><uuid>${uuid}</uuid>
  <memory unit='MiB'>64</memory><os><type arch='x86_64' machine='q35'>hvm</type></os></domain>`;

async function defineForeign(uuid: string): Promise<void> {
  const file = join(bench.dir, 'foreign.xml');
  await writeFile(file, foreign(bench.name, uuid));
  await virsh('define', file);
}

describe('defining the domain', () => {
  it('gives libvirt a shut-off domain with what the VM had', async () => {
    const ref = await defineDomain(bench.context(), await bench.input(), bench.deps, bench.io());
    expect(ref).toMatchObject({
      name: bench.name,
      uuid: bench.uuid,
      firmware: 'bios',
      cpus: 1,
      memoryMiB: 256,
    });
    expect((await virsh('domstate', bench.name)).trim()).toBe('shut off');
    expect(await virsh('domblklist', bench.name)).toContain(bench.diskPath());
    expect(await virsh('domiflist', bench.name)).toMatch(/network\s+default\s+virtio\s+52:54:00:aa:bb:01/);
    expect(await virsh('dominfo', bench.name)).toMatch(/Autostart:\s+disable/);
  });

  it('gives the same domain when it is done again, as after a kill', async () => {
    const first = await defineDomain(bench.context(), await bench.input(), bench.deps, bench.io());
    const xml = await virsh('dumpxml', bench.name);
    const again = await defineDomain(bench.context(), await bench.input(), bench.deps, bench.io());
    expect(again).toEqual(first);
    expect(await virsh('dumpxml', bench.name)).toBe(xml);
  });

  it.each(['sata', 'scsi'] as const)('puts seven disks on %s when the spec says so', async (diskBus) => {
    const disks = await Promise.all(
      Array.from({ length: 7 }, (_, index) => bench.disk(bench.diskPath(), 'raw', index)),
    );
    const input = await bench.input(disks, { facts: undefined });
    const ref = await defineDomain(bench.context({}, { diskBus }), input, bench.deps, bench.io());
    expect(ref).toMatchObject({ diskBus, warnings: [] });
    const xml = await virsh('dumpxml', bench.name);
    expect(xml.match(new RegExp(`<target dev='sd[a-g]' bus='${diskBus}'/>`, 'g'))).toHaveLength(7);
    expect(xml).not.toContain('lsilogic');
  });

  it('warns when nobody knows whether the guest can start from its disks', async () => {
    const ref = await defineDomain(
      bench.context(),
      await bench.input(undefined, { facts: undefined }),
      bench.deps,
      bench.io(),
    );
    expect(ref.diskBus).toBe('virtio');
    expect(ref.warnings).toEqual([expect.stringContaining('set target.diskBus to sata') as string]);
  });

  it('refuses a name that somebody has, and leaves their domain as it is', async () => {
    const uuid = '11111111-2222-4333-8444-555555555555';
    await defineForeign(uuid);
    try {
      const before = await virsh('dumpxml', bench.name);
      await expect(
        defineDomain(bench.context(), await bench.input(), bench.deps, bench.io()),
      ).rejects.toMatchObject({ code: 'DOMAIN_EXISTS', found: expect.stringContaining(uuid) as string });
      await undefineDomain(bench.context(), bench.deps, bench.io());
      expect(await virsh('dumpxml', bench.name)).toBe(before);
    } finally {
      await virsh('undefine', uuid);
    }
  });

  it('refuses and keeps a domain of the same name and UUID that it did not mark, or that another run made', async () => {
    await defineForeign(bench.uuid);
    await expect(
      defineDomain(bench.context(), await bench.input(), bench.deps, bench.io()),
    ).rejects.toMatchObject({ code: 'DOMAIN_EXISTS' });
    await undefineDomain(bench.context(), bench.deps, bench.io());
    await virsh('undefine', bench.uuid);

    await defineDomain(bench.context(), await bench.input(), bench.deps, bench.io());
    const later = { ...bench.context(), run: { ...bench.run, runId: 'run-2' } };
    await expect(defineDomain(later, await bench.input(), bench.deps, bench.io())).rejects.toMatchObject({
      code: 'DOMAIN_EXISTS',
    });
    await undefineDomain(later, bench.deps, bench.io());
    expect((await virsh('domstate', bench.name)).trim()).toBe('shut off');
  });

  it('undoes itself, twice if asked, but not under a running guest', async () => {
    const noNics = { vm: { name: bench.name, memoryMiB: 64, nics: [] } };
    await defineDomain(bench.context(), await bench.input(undefined, noNics), bench.deps, bench.io());
    await virsh('start', bench.name);
    await expect(undefineDomain(bench.context(), bench.deps, bench.io())).rejects.toMatchObject({
      code: 'DOMAIN_ACTIVE',
    });
    await virsh('destroy', bench.name);
    await undefineDomain(bench.context(), bench.deps, bench.io());
    await undefineDomain(bench.context(), bench.deps, bench.io());
    await expect(virsh('domstate', bench.name)).rejects.toThrow(/failed to get domain/);
    expect((await stat(bench.diskPath())).size).toBe(1024 * 1024);
  });

  it('starts from disks that only root can read, in a directory nobody can list', async () => {
    const noNics = { vm: { name: bench.name, memoryMiB: 64, nics: [] } };
    await defineDomain(bench.context(), await bench.input(undefined, noNics), bench.deps, bench.io());
    expect((await stat(bench.diskPath())).mode & 0o777).toBe(0o600);
    await virsh('start', bench.name);
    expect((await virsh('domstate', bench.name)).trim()).toBe('running');
  });

  it('sets autostart when the spec asks for it', async () => {
    const ctx = bench.context({}, { autostart: true });
    await defineDomain(ctx, await bench.input(), bench.deps, bench.io());
    expect(await virsh('dominfo', bench.name)).toMatch(/Autostart:\s+enable/);
  });

  it("fails with libvirt's words when libvirt refuses", async () => {
    const input = await bench.input(undefined, { vm: { name: bench.name, cpus: 512, nics: [] } });
    await expect(defineDomain(bench.context(), input, bench.deps, bench.io())).rejects.toMatchObject({
      code: 'DOMAIN_DEFINE_FAILED',
      found: expect.stringMatching(/vCPUs|CPUs/i) as string,
    });
    expect(await virsh('list', '--all', '--name')).not.toContain(bench.name);
  });

  it('does not hand libvirt what its schema forbids', async () => {
    const nics = [{ mac: '53:54:00:aa:bb:01', network: 'default' }]; // a multicast address
    const input = await bench.input(undefined, { vm: { name: bench.name, nics } });
    await expect(defineDomain(bench.context(), input, bench.deps, bench.io())).rejects.toMatchObject({
      code: 'DOMAIN_XML_INVALID',
    });
  });
});

describe('libvirt', () => {
  it('answers with versions, networks and pools', async () => {
    const libvirt = new Virsh(libvirtUri);
    expect(await libvirt.version()).toMatchObject({ libvirt: expect.stringMatching(/^\d+\.\d+/) as string });
    expect(await libvirt.pool('--help')).toBeUndefined();
    const pool = `lh-test-${bench.run.migrationId}`;
    await virsh('pool-create-as', pool, 'dir', '--target', join(bench.dir, 'disks'));
    try {
      const found = await libvirt.pool(pool);
      expect(found).toMatchObject({ type: 'dir', active: true, targetPath: join(bench.dir, 'disks') });
      expect(found?.availableBytes).toBeGreaterThan(0);
    } finally {
      await virsh('pool-destroy', pool);
    }
  });

  it('is told apart from a refusal when it does not answer', async () => {
    await expect(new Virsh('qemu+unix:///system?socket=/nonexistent').domains()).rejects.toMatchObject({
      code: 'LIBVIRT_UNREACHABLE',
    });
  });
});
