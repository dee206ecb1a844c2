import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { runLonghaul } from './cli-bench.ts';

const directory = mkdtempSync(join(tmpdir(), 'longhaul-cli-'));
afterAll(() => rmSync(directory, { recursive: true }));
// Port 1 of loopback: nothing listens there.
const nowhere = ['--address', '127.0.0.1:1'];

describe.concurrent('longhaul without a server', () => {
  it('explains itself, with examples and exit codes', async () => {
    const { code, stdout } = await runLonghaul(['--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('longhaul migrate web01.vmdk');
    expect(stdout).toMatch(/^ +4 {2}preflight found problems/m);
  });

  // The others are run in online.test.ts; that all have examples is a unit test.
  it.each(['up', 'worker', 'doctor'])('%s --help has examples', async (command) => {
    const { code, stdout } = await runLonghaul([command, '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain(`Examples:\n  longhaul ${command}`);
  });

  it.each([
    [['lst'], 'Did you mean list?'],
    [['list', '--jsn'], 'Did you mean --json?'],
    [['list', '--state', 'park'], 'Allowed choices are'],
    [['migrate'], 'missing required argument'],
    [['migrate', 'a.img', '--memory', 'lots'], 'Give MiB'],
    [['migrate', 'a.img', '--set', 'target.cpus'], '[OPTION_INVALID]'],
    [['worker', '--slots', '0'], 'whole number from 1'],
    [['list', '--profile', 'nowhere'], "Profile 'nowhere' not found"],
    [['worker', '--profile', 'nowhere'], "Profile 'nowhere' not found"],
    [['doctor', '--profile', 'nowhere'], "Profile 'nowhere' not found"],
  ])('%j is a usage error that helps', async (args, expected) => {
    const { code, stdout, stderr } = await runLonghaul(args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(expected);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  it.each([
    [['list']],
    [['migrate', 'web01.img']],
    [['plan', 'web01.img']],
    [['status', 'web01', '--watch']],
  ])('%j says that the server does not answer and how to start one', async (args) => {
    const { code, stdout, stderr } = await runLonghaul([...args, ...nowhere]);
    expect([code, stdout]).toEqual([3, '']);
    expect(stderr).toContain('No Temporal server answers at 127.0.0.1:1: the connection was refused.');
    expect(stderr).toContain('longhaul up');
  });

  it('puts an error in one JSON document on stderr when asked for JSON', async () => {
    const { stdout, stderr } = await runLonghaul(['list', '--json', ...nowhere]);
    expect(stdout).toBe('');
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'TEMPORAL_UNREACHABLE' } });
  });

  it('ends at once, with the reason, when its own server does not come up', async () => {
    const programs = join(directory, 'programs');
    mkdirSync(programs);
    const crash = 'panic: failed assigning ephemeral port: address already in use';
    const script = `#!/bin/sh
case "$*" in *version*) echo 'temporal version 1.9.1 (Server 1.32.0, UI 2.54.1)';; *) echo '${crash}' >&2; exit 2;; esac
`;
    writeFileSync(join(programs, 'temporal'), script, { mode: 0o755 });
    const PATH = `${programs}:${process.env['PATH']}`;
    const args = ['up', '--port', '0', '--ui-port', '0', '--state-dir', join(directory, 'state')];
    const started = performance.now();
    const { code, stderr } = await runLonghaul(args, { env: { PATH } });
    expect([code, stderr.match(/starting it again/g)?.length]).toEqual([1, 2]);
    expect(stderr.replaceAll(/\s+/g, ' ')).toContain(
      `did not come up: it ended with 2; it last said: ${crash}`,
    );
    expect(performance.now() - started).toBeLessThan(30_000);
  });

  it('shows the stack underneath only with --verbose', async () => {
    const { stderr } = await runLonghaul(['list', '--verbose', ...nowhere]);
    expect(stderr).toMatch(/^ +at /m);
  });

  it('uses colour when it is forced, and never against NO_COLOR', async () => {
    const { stderr: forced } = await runLonghaul(['list', ...nowhere], { env: { FORCE_COLOR: '1' } });
    const { stderr: plain } = await runLonghaul(['list', ...nowhere], {
      env: { FORCE_COLOR: '1', NO_COLOR: '1' },
    });
    expect(forced).toContain('\u001b[31merror:');
    expect(plain).not.toContain('\u001b[');
  });

  it('checks a spec file, from disk and from standard input', async () => {
    const path = join(directory, 'vm.yaml');
    writeFileSync(path, 'source: {kind: image, disks: [web01.img]}\ntarget: {formt: raw}\n');
    const wrong = await runLonghaul(['spec', 'check', path]);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain(
      `${path}:2:10: target.formt: is not a key of the spec; did you mean "format"?`,
    );
    const right = await runLonghaul(['spec', 'check', '-', '--json'], {
      stdin: '{"source":{"kind":"image","disks":["/web01.img"]}}',
    });
    expect(JSON.parse(right.stdout)).toMatchObject({ name: 'web01', target: { format: 'qcow2' } });
  });

  it('prints the JSON Schema of the spec', async () => {
    const { code, stdout } = await runLonghaul(['spec', 'schema']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ properties: { source: {}, target: {} } });
  });

  it('prints a bash completion that knows commands, options and choices', async () => {
    const { stdout } = await runLonghaul(['completion', 'bash']);
    expect(stdout).toContain('complete -o default -F _longhaul longhaul');
    expect(stdout).toContain('"migrate --format") words="qcow2 raw"');
  });

  it.each(['zsh', 'fish'])('prints a %s completion', async (shell) => {
    const { code, stdout } = await runLonghaul(['completion', shell]);
    expect(code).toBe(0);
    expect(stdout).toContain('longhaul');
    expect(stdout).toContain('--target-dir'.slice(2));
  });
});
