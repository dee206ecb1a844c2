import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { scratchDirectory } from '../../support/scratch.ts';

const script = fileURLToPath(new URL('../../../scripts/setup.sh', import.meta.url));

function setup(args: string[], cache = scratchDirectory()) {
  return spawnSync('bash', [script, ...args], {
    cwd: '/',
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: '/nonexistent', XDG_CACHE_HOME: cache, CI: 'true' },
  });
}

describe('scripts/setup.sh --host', () => {
  it('changes nothing on a host that has everything, from anywhere and without a terminal', () => {
    const cache = scratchDirectory();
    const { status, stdout, stderr } = setup(['--host'], cache);
    expect({ status, stdout, stderr }).toEqual({
      status: 0,
      stdout: 'setup: everything is in place\n',
      stderr: '',
    });
    expect(readdirSync(join(cache, 'longhaul')).sort()).toEqual(['setup.lock', 'setup.log']);
  });

  it('explains itself', () => {
    const { status, stdout } = setup(['--help']);
    expect(status).toBe(0);
    expect(stdout).toContain('scripts/setup.sh --host');
  });

  it('refuses an option it does not know', () => {
    const { status, stderr } = setup(['--hsot']);
    expect(status).toBe(2);
    expect(stderr).toContain('scripts/setup.sh --host');
  });
});
