import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { run } from '../guests/lib/run.ts';
import { composeCheck } from '../support/site/programs.ts';
import { scratchDirectory } from '../support/scratch.ts';

const deploy = fileURLToPath(new URL('../../deploy', import.meta.url));

describe('the other files of deploy/', () => {
  it('compose.yaml is what the Compose Specification allows, and names files that are there', async () => {
    const program = await composeCheck();
    const { stdout } = await run('env', [`--chdir=${deploy}`, program, '--format', 'json', 'compose.yaml']);
    const { configs = {}, services } = JSON.parse(stdout) as {
      configs?: Record<string, { file?: string }>;
      services: Record<string, { image: string; ports?: { host_ip?: string }[] }>;
    };
    for (const { file } of Object.values(configs)) if (file !== undefined) await readFile(file);
    for (const { image, ports = [] } of Object.values(services)) {
      expect(image).toMatch(/:\d+\.\d+/);
      expect(ports.map(({ host_ip: ip }) => ip)).toEqual(ports.map(() => '127.0.0.1'));
    }
  });

  it('systemd takes the units as they are', async () => {
    const directory = scratchDirectory();
    await mkdir(join(directory, 'units'));
    const units = await readdir(join(deploy, 'systemd'));
    for (const unit of units) {
      const text = await readFile(join(deploy, 'systemd', unit), 'utf8');
      // systemd looks whether the program is there, which it is not on this machine.
      await writeFile(
        join(directory, 'units', unit),
        text.replaceAll(/^ExecStart=\S+/gm, 'ExecStart=/bin/true'),
      );
    }
    const paths = units.map((unit) => join(directory, 'units', unit));
    const { stderr, stdout } = await run('systemd-analyze', ['verify', '--man=no', ...paths]);
    expect(stdout + stderr).toBe('');
    for (const path of paths)
      await run('systemd-analyze', ['security', '--offline=true', '--threshold=50', path]);
  });
});
