import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gate } from '../../support/scripted-host.ts';
import { fail, startCliBench, type CliBench, type Ran } from './cli-bench.ts';

let bench: CliBench;
const directory = mkdtempSync(join(tmpdir(), 'longhaul-cli-'));
beforeAll(async () => {
  bench = await startCliBench();
});
afterAll(async () => {
  await bench.stop();
  rmSync(directory, { recursive: true });
});

const json = ({ stdout }: Ran): Record<string, unknown> => JSON.parse(stdout) as Record<string, unknown>;

/** Asks `status --json` until the migration is in a state, for a minute at most. */
async function until(
  vm: string,
  wanted: (view: Record<string, unknown>) => boolean,
): Promise<Record<string, unknown>> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const ran = await bench.run(['status', vm, '--json']);
    // Nothing is printed when the look was refused.
    const view = ran.stdout === '' ? undefined : json(ran);
    if (view && wanted(view)) return view;
    if (Date.now() > deadline) throw new Error(`still ${ran.stdout}${ran.stderr}`);
    await sleep(200);
  }
}
const isStatus = (status: string) => (view: Record<string, unknown>) => view['status'] === status;

describe('a host that nobody knows', () => {
  it('is not planned on, and waited for aloud, with the one that was meant', async () => {
    const { hostId } = await bench.host();
    const typo = `${hostId}x`;
    const planned = await bench.run(['plan', '/images/lost.vmdk', '--host', typo]);
    expect(planned.code).toBe(3);
    expect(planned.stderr).toContain(`did you mean "${hostId}"?`);
    const started = await bench.run(['migrate', '/images/lost.vmdk', '--host', typo, '--no-wait']);
    expect(started.code).toBe(0);
    expect(started.stderr).toContain(
      `It waits. No worker answers for the host "${typo}"; did you mean "${hostId}"?`,
    );
    await bench.run(['cancel', 'lost', '--no-wait']);
  });
});

describe('a migration that meets no trouble', () => {
  it('is followed to its end, reported, listed, and not started twice', async () => {
    const { hostId } = await bench.host();
    const args = ['migrate', '/images/smooth.vmdk', '--host', hostId];
    const followed = await bench.run([...args, '--wait']);
    expect(followed.stdout).toContain('smooth was migrated and boots');
    expect(followed.code).toBe(0);

    const { stdout } = await bench.run(['report', 'smooth']);
    expect(stdout).toMatch(/^# smooth was migrated and boots\n/);
    expect(json(await bench.run(['report', 'smooth', '--format', 'json']))).toMatchObject({
      status: 'completed',
    });
    const file = join(directory, 'report.md');
    expect((await bench.run(['report', 'smooth', '-o', file])).stdout).toBe('');
    expect(readFileSync(file, 'utf8')).toBe(stdout);

    const listed = await bench.run(['list', '--state', 'completed']);
    expect(listed.stdout).toMatch(/smooth +completed/);
    expect((await bench.run(['list', '--state', 'parked', '--host', hostId])).stdout).toBe(
      'No migration fits.\n',
    );

    const again = await bench.run(args);
    expect(again.code).toBe(6);
    expect(again.stderr).toContain('[MIGRATION_EXISTS]');
    expect(json(await bench.run([...args, '--again', '--wait', '--json']))).toMatchObject({
      status: 'completed',
    });
  });

  it('is planned without a trace in the list', async () => {
    const { hostId } = await bench.host();
    const plan = await bench.run(['plan', '/images/planned.vmdk', '--host', hostId]);
    expect(plan.stdout).toContain('Nothing blocks this migration. Nothing was written.');
    expect(plan.code).toBe(0);
    expect((await bench.run(['status', 'planned'])).code).toBe(6);
  });
});

describe('a migration that runs', () => {
  it('shows its disks, is held and let go by pause and resume', async () => {
    const door = gate();
    const disk = {
      index: 0,
      doneBytes: 2 ** 30,
      totalBytes: 4 * 2 ** 30,
      rateBytesPerSecond: 2 ** 27,
      etaSeconds: 24,
    };
    const { hostId } = await bench.host({
      convertDisk: () => door.wait({ step: 'convert', doing: 'copying', disk }),
    });
    const started = await bench.run(['migrate', '/images/busy.vmdk', '--host', hostId, '--json']);
    expect(json(started)['migrationId']).toMatch(/^migrate-image-busy-/);
    await until('busy', (view) => (view['disks'] as unknown[]).length > 0);
    expect((await bench.run(['status', 'busy'])).stdout).toMatch(
      /disk 1 .* 25 % +1 GiB of 4 GiB +128 MiB\/s +24 s left/,
    );

    expect((await bench.run(['pause', 'busy'])).code).toBe(0);
    expect((await bench.run(['status', 'busy'])).stdout).toContain('pausing after the running step');
    door.open();
    await until('busy', isStatus('paused'));
    expect((await bench.run(['status'])).stdout).toMatch(/busy +paused/);
    expect((await bench.run(['resume', 'busy'])).code).toBe(0);
    await until('busy', isStatus('completed'));
    const late = await bench.run(['pause', 'busy']);
    expect(late.code).toBe(6);
    expect(late.stderr).toContain('[MIGRATION_ENDED]');
  });

  it('goes on when the one who followed it presses Ctrl-C', async () => {
    const door = gate();
    const { hostId } = await bench.host({ convertDisk: () => door.wait() });
    const followed = await bench.run(['migrate', '/images/left.vmdk', '--host', hostId, '--wait'], {
      signalWhen: (printed) => (printed.includes('convert') ? Promise.resolve('SIGINT') : undefined),
    });
    expect(followed.code).toBe(130);
    expect(followed.stderr).toContain('Detached; the migration goes on.');
    door.open();
    await until('left', isStatus('completed'));
  });

  it('is cancelled, undone, and ends what follows it with a code of its own', async () => {
    const door = gate();
    const { hostId, calls } = await bench.host({ convertDisk: () => door.wait() });
    const following = bench.run(['migrate', '/images/unwanted.vmdk', '--host', hostId, '--wait']);
    while (!calls.includes('convertDisk')) await sleep(50);
    expect((await bench.run(['cancel', 'unwanted'])).code).toBe(0);
    expect((await following).code).toBe(7);
    expect(calls).toContain('discardWork');
  });
});

describe('a migration that parks', () => {
  const twoRoots = () =>
    fail('GUEST_MULTIPLE_ROOTS', 'Debian and Fedora were found.', 'Say which: guest.root.');

  it('is shown with what to do, and goes on with an amended spec', async () => {
    const { hostId } = await bench.host({
      inspectGuest: (attempt) => (attempt === 1 ? twoRoots() : undefined),
    });
    const followed = await bench.run(['migrate', '/images/dual.vmdk', '--host', hostId, '--wait']);
    expect(followed.code).toBe(5);
    const parked = await bench.run(['status', 'dual']);
    expect(parked.stdout).toContain(
      'GUEST_MULTIPLE_ROOTS\n  Debian and Fedora were found.\n  Say which: guest.root.',
    );
    expect((await bench.run(['list', '--state', 'parked'])).stdout).toMatch(/dual +parked +inspect/);

    const slip = await bench.run(['retry', 'dual', '--set', 'guest.rot=/dev/sda2']);
    expect([slip.code, slip.stderr]).toEqual([2, expect.stringContaining('did you mean "root"?')]);
    const other = await bench.run(['retry', 'dual', '--set', 'source.disks=[/other.img]']);
    expect([other.code, other.stderr]).toEqual([
      6,
      expect.stringContaining('must keep the name and the source'),
    ]);

    expect((await bench.run(['retry', 'dual', '--set', 'guest.root=/dev/sda2'])).code).toBe(0);
    const view = await until('dual', isStatus('completed'));
    expect(view['spec']).toMatchObject({ guest: { root: '/dev/sda2' } });
  });

  it('goes on without the step when it is skipped', async () => {
    const { hostId } = await bench.host({ verifyBoot: () => fail('BOOT_NOT_SEEN', 'No sign.', 'Look.') });
    expect((await bench.run(['migrate', '/images/mute.vmdk', '--host', hostId, '--wait'])).code).toBe(5);
    expect((await bench.run(['skip', 'mute', '--json'])).stdout).toContain('"asked": "skip"');
    await until('mute', isStatus('completed'));
    expect((await bench.run(['report', 'mute'])).stdout).toMatch(
      /^# mute was migrated, its boot was not checked/,
    );
  });

  it('ends when it is aborted, with a report that says so', async () => {
    const { hostId } = await bench.host({ inspectGuest: twoRoots });
    await bench.run(['migrate', '/images/given-up.vmdk', '--host', hostId, '--wait']);
    expect((await bench.run(['abort', 'given-up'])).code).toBe(0);
    await until('given-up', isStatus('aborted'));
    expect((await bench.run(['report', 'given-up'])).stdout).toMatch(/^# given-up was NOT migrated: aborted/);
    expect((await bench.run(['retry', 'given-up'])).stderr).toContain('[MIGRATION_ENDED]');
  });

  it('is not answered while it runs', async () => {
    const door = gate();
    const { hostId } = await bench.host({ acquire: () => door.wait() });
    await bench.run(['migrate', '/images/fine.vmdk', '--host', hostId]);
    const retry = await bench.run(['retry', 'fine']);
    expect([retry.code, retry.stderr]).toEqual([6, expect.stringContaining('[MIGRATION_NOT_PARKED]')]);
    door.open();
    await until('fine', isStatus('completed'));
  });
});

describe('a migration that fails', () => {
  it('by its policy ends with exit code 1 and the failure on top of its report', async () => {
    const { hostId } = await bench.host({
      convertDisk: () => fail('SPACE_INSUFFICIENT', 'No room on /x.', 'Make room.'),
    });
    const args = ['migrate', '/images/big.vmdk', '--host', hostId, '--on-failure', 'fail', '--wait'];
    expect((await bench.run(args)).code).toBe(1);
    expect((await bench.run(['report', 'big'])).stdout).toContain(
      '**SPACE_INSUFFICIENT** at step convert: No room on /x.',
    );
  });
});

describe('an unknown migration', () => {
  it('gets the nearest known name', async () => {
    const { code, stderr } = await bench.run(['status', 'smoth']);
    expect(code).toBe(6);
    expect(stderr).toContain('Did you mean smooth?');
  });
});

describe('a host that was cut off, and seems to wait for work still', () => {
  it('takes a question along, which another host answers', async () => {
    const { hostId } = await bench.host({
      preflight: (attempt) => {
        if (attempt === 1) fail('SPACE_INSUFFICIENT', 'No room on /x.', 'Make room.');
      },
    });
    await bench.run(['migrate', '/images/asked.vmdk', '--host', hostId]);
    await until('asked', isStatus('parked'));
    await bench.stopWorkflows();
    const [retried] = await Promise.all([
      bench.run(['retry', 'asked']),
      bench.takeUpdatesAlong(2).then(() => bench.startWorkflows()),
    ]);
    expect([retried.code, retried.stderr]).toEqual([
      0,
      'No answer yet. It is asked for again, for a minute or so.\n',
    ]);
    await until('asked', isStatus('completed'));
  });
});

// Last, because it takes the workers away.
describe('a server whose workers are gone', () => {
  it('shows what the server knows within seconds, and gives up what only they know', async () => {
    const door = gate();
    const { hostId } = await bench.host({
      acquire: () => door.wait({ step: 'acquire', doing: 'reading' }),
    });
    await bench.run(['migrate', '/images/alone.vmdk', '--host', hostId]);
    await until('alone', (view) => view['doing'] === 'reading');
    await bench.stopWorkflows();

    const status = await bench.run(['status', 'alone']);
    expect(status.stderr).toBe('');
    expect(status.stdout).toMatch(/^alone {2}running/);
    expect(status.stdout).toMatch(/acquire .* reading/);
    expect(status.stdout).toContain('No worker answers, so this is only what the Temporal server knows.');
    expect((await bench.run(['status', 'smooth', '--json'])).stdout).toContain('"status": "completed"');
    expect((await bench.run(['report', 'smooth'])).code).toBe(0);
    const file = join(directory, 'late.yaml');
    writeFileSync(
      file,
      `name: late\nvms:\n  - { source: { kind: image, disks: [/images/late.vmdk] }, target: { host: ${hostId} } }\n`,
    );
    const refusals = await Promise.all(
      [
        ['retry', 'alone'],
        ['report', 'alone'],
        ['batch', 'start', file],
        ['retry', 'alone', '--json'],
      ].map((args) => bench.run(args)),
    );
    for (const { code, stderr } of refusals)
      expect([code, stderr]).toEqual([3, expect.stringContaining('NO_WORKER')]);
    expect(refusals[0]?.stderr).toContain('It may still be done when one answers');
    expect(JSON.parse(refusals[3]?.stderr ?? '')).toMatchObject({ error: { code: 'NO_WORKER' } });
    door.open();
  });
});
