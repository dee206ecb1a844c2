import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApplicationFailure } from '@temporalio/activity';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BatchView, VmOutcome } from '../../../contracts/batch.ts';
import { gate } from '../../support/scripted-host.ts';
import { startCliBench, type CliBench } from './cli-bench.ts';

let bench: CliBench;
const directory = mkdtempSync(join(tmpdir(), 'longhaul-batch-'));
beforeAll(async () => {
  bench = await startCliBench();
});
afterAll(async () => {
  await bench.stop();
  rmSync(directory, { recursive: true });
});

/** A batch file of a name with VMs of the names that follow. */
function fileOf(name: string, hostId: string, vms: readonly string[], more = ''): string {
  const path = join(directory, `${name}.yaml`);
  const list = vms.map((vm) => `  - { source: { disks: [/images/${vm}.qcow2] } }`).join('\n');
  writeFileSync(
    path,
    `name: ${name}\n${more}\ndefaults:\n  source: { kind: image }\n  target: { host: ${hostId} }\n  policy: { onFailure: fail }\nvms:\n${list}\n`,
  );
  return path;
}

const status = async (name: string) => {
  const { stdout } = await bench.run(['batch', 'status', name, '--json']);
  return JSON.parse(stdout) as BatchView & { vms: VmOutcome[] };
};

describe('longhaul batch', () => {
  it('checks a file without a server, starts it, follows it, and writes its report', async () => {
    const { hostId } = await bench.host();
    const file = fileOf('good', hostId, ['g1', 'g2', 'g3']);
    const checked = await bench.run(['batch', 'check', file], { env: { TEMPORAL_ADDRESS: '127.0.0.1:1' } });
    expect(checked.stdout).toContain('3 VMs, 10 at once');

    const followed = await bench.run(['batch', 'start', file, '--watch']);
    expect(followed.stdout).toContain('completed, 3 of 3 VMs');
    expect(followed.code).toBe(0);

    const page = join(directory, 'good.html');
    expect((await bench.run(['batch', 'report', 'good', '-o', page])).code).toBe(0);
    expect(readFileSync(page, 'utf8')).toContain('<td>g2</td>');
    const { stdout: csv } = await bench.run(['batch', 'report', 'good', '--format', 'csv']);
    expect(csv.split('\r\n')[0]).toContain('vm,migrationId,status');
    expect(csv).toContain('\ng3,');
    expect((await bench.run(['batch', 'list'])).stdout).toMatch(/good\s+completed/);
  });

  it('says what failed and what to do, and begins that once more', async () => {
    let isBroken = true;
    const { hostId } = await bench.host({
      defineDomain: () => {
        if (isBroken)
          throw ApplicationFailure.nonRetryable('x', 'DOMAIN_EXISTS', {
            found: 'it is there',
            remedy: 'rename it',
          });
      },
    });
    const followed = await bench.run(['batch', 'start', fileOf('bad', hostId, ['b1', 'b2']), '--watch']);
    expect(followed.code).toBe(1);
    expect(followed.stdout).toMatch(/b1 {2}DOMAIN_EXISTS\n {4}it is there\n {4}rename it/);

    isBroken = false;
    expect((await bench.run(['batch', 'retry', 'bad', '--failed'])).stdout).toContain(
      'begins 2 VMs once more',
    );
    const again = await bench.run(['batch', 'status', 'bad', '--watch', '--json']);
    expect(again.code).toBe(0);
    const { vms } = JSON.parse(again.stdout) as { vms: VmOutcome[] };
    expect(vms.map((vm) => [vm.vm, vm.status])).toEqual([
      ['b1', 'completed'],
      ['b2', 'completed'],
    ]);
    expect((await bench.run(['batch', 'retry', 'bad'])).stdout).toContain('nothing to retry');
  });

  it('waits for approval, is paused, edited and cancelled by a word', async () => {
    const held = gate();
    const { hostId } = await bench.host({ acquire: () => held.wait() });
    const waves = 'atOnce: 1\nwaves: [{ name: all, approval: true }]';
    const file = fileOf('slow', hostId, ['s1', 's2', 's3', 's4'], waves);
    expect((await bench.run(['batch', 'start', file])).code).toBe(0);
    expect((await bench.run(['batch', 'start', file])).code).toBe(6);
    expect((await bench.run(['batch', 'status', 'slow'])).stdout).toContain(
      'longhaul batch approve slow all',
    );
    expect((await bench.run(['batch', 'approve', 'slow', 'none'])).stderr).toContain('there is no wave none');
    expect((await bench.run(['batch', 'approve', 'slow', 'all'])).code).toBe(0);
    await expect.poll(async () => (await status('slow')).counts.running).toBe(1);

    expect((await bench.run(['batch', 'drop', 'slow', 's2'])).code).toBe(0);
    expect((await bench.run(['batch', 'drop', 'slow', 's1'])).stderr).toContain('no VM s1 waits');
    expect((await bench.run(['batch', 'first', 'slow', 's4'])).code).toBe(0);
    await bench.run(['batch', 'pause', 'slow']);
    await expect.poll(async () => (await status('slow')).status).toBe('paused');
    await bench.run(['batch', 'resume', 'slow']);
    expect((await bench.run(['batch', 'cancel', 'slow'])).code).toBe(0);
    const ended = await bench.run(['batch', 'status', 'slow', '--watch', '--json']);
    expect(ended.code).toBe(7);
    expect(JSON.parse(ended.stdout)).toMatchObject({
      status: 'cancelled',
      counts: { running: 0, waiting: 0 },
    });
  });

  it('says which host is not there that is to look for VMs', async () => {
    await bench.host();
    const file = join(directory, 'away.yaml');
    writeFileSync(file, 'name: away\nselect:\n  - { files: { directory: /exports }, host: kvm-away }\n');
    const begun = await bench.run(['batch', 'start', file]);
    expect(begun.stderr).toMatch(/No worker answers for the host "kvm-away".* VMs are looked up there when/);
    const shown = await bench.run(['batch', 'status', 'away']);
    expect(shown.stdout).toMatch(/filling[^]*Looks through the files in \/exports on kvm-away/);
    expect(shown.stderr).toContain('No worker answers for the host "kvm-away"');
    expect((await bench.run(['batch', 'cancel', 'away'])).code).toBe(0);
  });

  it('knows batches by name, and says so when there is none', async () => {
    const { code, stderr } = await bench.run(['batch', 'status', 'nobody']);
    expect(code).toBe(6);
    expect(stderr).toContain('there is no batch nobody');
  });
});
