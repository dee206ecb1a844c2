import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolveEmbeddedOptions, resolveWorkerOptions } from '../../../workers/options.ts';
import { applianceKernelExamination } from '../../../workers/doctor/appliance.ts';
import { examineSafely } from '../../../workers/doctor/check.ts';
import { runDoctor } from '../../../workers/doctor/doctor.ts';
import { accelerationExamination, firmwareExamination } from '../../../workers/doctor/host.ts';
import { libvirtExamination } from '../../../workers/doctor/libvirt.ts';
import { toolExamination } from '../../../workers/doctor/tools.ts';
import { scratchDirectory } from '../../support/scratch.ts';

const nobodyListens = {
  connection: { address: '127.0.0.1:1' },
  address: '127.0.0.1:1',
  namespace: 'default',
};

describe('doctor', () => {
  it('finds everything in place on a host that was set up, each with its version', async () => {
    const options = {
      ...resolveWorkerOptions({ stateDir: scratchDirectory() }),
      acceleration: 'tcg' as const,
    };
    const checks = await runDoctor({ ...options, temporal: nobodyListens });
    expect(checks.filter(({ status }) => status === 'failed')).toEqual([]);
    const found = Object.fromEntries(checks.map((check) => [check.name, check.found]));
    for (const name of ['qemu-img', 'qemu-system-x86_64', 'virsh', 'libguestfs', 'temporal']) {
      expect(found[name], name).toMatch(/^\d+\.\d+/);
    }
    expect(found['acceleration']).toBe('tcg, as configured');
    expect(found['state directory']).toMatch(/[KMGT]iB free/);
  });

  it('goes through all checks when libvirt and Temporal are away, with a remedy for each', async () => {
    const stateDir = join(scratchDirectory(), 'not-made');
    const checks = await runDoctor(
      {
        stateDir,
        defaultTargetDirectory: join(stateDir, 'images'),
        libvirtUri: 'qemu+unix:///system?socket=/nowhere',
        acceleration: 'tcg',
        temporal: nobodyListens,
      },
      { ...resolveEmbeddedOptions(), cacheDir: join(stateDir, 'cache'), searchPath: '' },
    );
    const status = Object.fromEntries(checks.map((check) => [check.name, check.status]));
    expect(status).toMatchObject({
      'qemu-img': 'ok',
      libvirt: 'failed',
      'default network': 'failed',
      temporal: 'failed',
      'Temporal server': 'warning',
    });
    expect(checks.filter((check) => check.status !== 'ok' && !check.remedy)).toEqual([]);
    expect(existsSync(stateDir), 'nothing is made').toBe(false);
  });

  it('names the package of a missing program', async () => {
    const check = await examineSafely(
      toolExamination({ program: 'no-such-program', package: 'some-package', always: true }),
    );
    expect(check).toEqual({
      name: 'no-such-program',
      status: 'failed',
      found: 'not installed',
      remedy: 'Install it: apt-get install some-package',
    });
  });

  it('fails a program that is too old, and says what the later one is needed for', async () => {
    const check = await examineSafely(
      toolExamination({
        program: 'qemu-img',
        package: 'qemu-utils',
        minimum: '999.0',
        because: 'of this',
        always: true,
      }),
    );
    expect(check).toMatchObject({ status: 'failed', found: expect.stringContaining('of this') as string });
  });

  it('turns what a check throws into a failed line', async () => {
    const examine = () => Promise.reject(new Error('the disk is gone'));
    expect(await examineSafely({ name: 'broken', examine })).toMatchObject({
      status: 'failed',
      found: 'the disk is gone',
    });
  });

  it('tells a host without an appliance kernel from one whose kernel has no modules', async () => {
    const [boot, modules] = [scratchDirectory(), scratchDirectory()];
    const look = () => examineSafely(applianceKernelExamination(boot, modules));
    expect(await look()).toMatchObject({
      status: 'failed',
      found: expect.stringContaining('no kernel') as string,
    });
    writeFileSync(join(boot, 'vmlinuz-6.1.0'), '');
    expect(await look()).toMatchObject({
      status: 'failed',
      found: expect.stringContaining('without modules') as string,
    });
    mkdirSync(join(modules, '6.1.0', 'kernel'), { recursive: true });
    expect(await look()).toMatchObject({ status: 'ok', found: 'vmlinuz-6.1.0' });
  });

  it('misses UEFI firmware where there is none', async () => {
    expect(await examineSafely(firmwareExamination(scratchDirectory()))).toMatchObject({
      status: 'failed',
      remedy: 'Install it: apt-get install ovmf',
    });
  });

  it('warns when there is only emulation, and says why', async () => {
    const stateDir = scratchDirectory();
    const examination = accelerationExamination({ acceleration: 'auto', stateDir }, '/dev/no-kvm');
    expect(await examineSafely(examination)).toMatchObject({
      status: 'warning',
      found: expect.stringContaining('/dev/no-kvm does not exist') as string,
    });
  });

  it('finds the daemon of libvirt', async () => {
    expect(await examineSafely(libvirtExamination('qemu:///system'))).toEqual({
      name: 'libvirt',
      status: 'ok',
      found: 'answers at qemu:///system',
    });
  });
});
