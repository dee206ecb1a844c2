import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BatchView } from '../../../contracts/batch.ts';
import type { ScheduleDetails } from '../../../client/schedules.ts';
import { startCliBench, type CliBench } from './cli-bench.ts';

let bench: CliBench;
let hostId: string;
const directory = mkdtempSync(join(tmpdir(), 'longhaul-schedule-'));
beforeAll(async () => {
  bench = await startCliBench();
  ({ hostId } = await bench.host());
});
afterAll(async () => {
  await bench.stop();
  rmSync(directory, { recursive: true });
});

/** A batch file that takes the images of a directory of its own. */
function nightly(name: string, images: readonly string[], more = ''): string {
  const path = join(directory, `${name}.yaml`);
  for (const image of images) addImage(name, image);
  writeFileSync(
    path,
    `name: ${name}\n${more}\nselect: [{ files: { directory: ${directory}, names: ["${name}-*"] }, host: ${hostId} }]\n`,
  );
  return path;
}
const addImage = (name: string, image: string) =>
  writeFileSync(join(directory, `${name}-${image}.qcow2`), '');

const show = async (name: string) => {
  const { stdout } = await bench.run(['schedule', 'show', name, '--json']);
  return JSON.parse(stdout) as ScheduleDetails;
};
const status = async (name: string) => {
  const { stdout } = await bench.run(['batch', 'status', name, '--json']);
  return JSON.parse(stdout === '' ? '{}' : stdout) as Partial<BatchView>;
};

describe('longhaul schedule', () => {
  it('begins its batch when it is triggered, each time with what is not migrated yet', async () => {
    const file = nightly('night', ['a', 'b']);
    // Ten hours away at least, so that it does not begin by itself: Berlin is one or two hours ahead of UTC.
    const hour = (new Date().getUTCHours() + 12) % 24;
    const cron = `0 ${hour} * * 1-5`;
    const created = await bench.run([
      ...['schedule', 'create', file, '--cron', cron, '--time-zone', 'Europe/Berlin'],
      ...['--jitter', '10m', '--overlap', 'wait', '--note', 'exports of the night'],
    ]);
    expect(created.stderr).toBe('');
    expect(created.stdout).toContain(`${cron} (Europe/Berlin)`);
    expect(created.stdout).toContain('the next waits for its end');
    const [, next] = /To come\n {2}20\d\d-\d\d-\d\d (\d\d):0/.exec(created.stdout) ?? [];
    expect(Number(next)).toBe(hour);

    expect((await bench.run(['schedule', 'trigger', 'night'])).code).toBe(0);
    await expect.poll(() => status('night')).toMatchObject({ status: 'completed', counts: { completed: 2 } });
    const [first] = (await show('night')).recent;
    expect(first?.batch).toMatch(/^night-20\d\d-/);

    addImage('night', 'c');
    await bench.run(['schedule', 'trigger', 'night']);
    await expect
      .poll(() => status('night'))
      .toMatchObject({ status: 'completed', counts: { completed: 1 }, selected: { vms: 1, leftOut: 2 } });
    const { recent, counts } = await show('night');
    expect(recent).toHaveLength(2);
    expect(counts.begun).toBe(2);
    const list = await bench.run(['schedule', 'list']);
    expect(list.stdout.replaceAll(/ +/g, ' ')).toContain(`night on ${cron} (Europe/Berlin)`);
  });

  it('begins by itself at its times', async () => {
    const file = nightly('often', ['a']);
    await bench.run(['schedule', 'create', file, '--every', '3s']);
    await expect.poll(async () => (await show('often')).counts.begun).toBeGreaterThan(1);
    expect((await bench.run(['schedule', 'pause', 'often', '--note', 'enough'])).code).toBe(0);
    expect(await show('often')).toMatchObject({ paused: true, note: 'enough' });
    expect((await bench.run(['schedule', 'list'])).stdout).toMatch(/often +paused/);
    await bench.run(['schedule', 'resume', 'often']);
    expect(await show('often')).toMatchObject({ paused: false });
    expect((await bench.run(['schedule', 'delete', 'often'])).code).toBe(0);
    const gone = await bench.run(['schedule', 'show', 'often']);
    expect(gone.stderr).toContain('SCHEDULE_NOT_FOUND');
    expect(gone.code).not.toBe(0);
  });

  it('is not made twice, but may be replaced, and keeps that it is paused', async () => {
    const file = nightly('twice', []);
    await bench.run(['schedule', 'create', file, '--cron', '@daily', '--paused']);
    const again = await bench.run(['schedule', 'create', file, '--cron', '@weekly']);
    expect(again.stderr).toContain('SCHEDULE_EXISTS');
    expect(again.stderr).toContain('--replace');
    await bench.run(['schedule', 'create', file, '--every', '6h', '--replace']);
    expect(await show('twice')).toMatchObject({ paused: true, when: ['every 6 h'] });
    const said = ['--note', 'after the move'];
    await bench.run(['schedule', 'create', file, '--cron', '@weekly', '--replace', ...said]);
    expect(await show('twice')).toMatchObject({ paused: true, when: ['@weekly'], note: 'after the move' });
    expect((await bench.run(['schedule', 'show', 'none'])).code).toBe(6);
  });

  it.each([
    ['without a time', [], 'OPTION_INVALID'],
    ['with a time that nobody understands', ['--cron', 'whenever'], 'SCHEDULE_INVALID'],
    ['with a time zone that nobody knows', ['--cron', '@daily', '--time-zone', 'Mars'], 'time zone such as'],
  ])('is refused %s', async (_what, args, message) => {
    const { stderr, code } = await bench.run(['schedule', 'create', nightly('bad', []), ...args]);
    expect(stderr).toContain(message);
    expect(code).not.toBe(0);
    expect((await bench.run(['schedule', 'list'])).stdout).not.toContain('bad');
  });

  it('is refused for a batch that is too large to begin without its file', async () => {
    const path = join(directory, 'large.yaml');
    const vms = Array.from(
      { length: 2000 },
      (_one, index) => `  - { source: { disks: [vm${index}.qcow2] } }\n`,
    );
    writeFileSync(path, `name: large\ndefaults: { source: { kind: image } }\nvms:\n${vms.join('')}`);
    const { stderr } = await bench.run(['schedule', 'create', path, '--cron', '@daily']);
    expect(stderr).toContain('SCHEDULE_INVALID');
    expect(stderr).toContain('select');
  });
});
