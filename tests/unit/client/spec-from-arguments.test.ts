import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseSetting } from '../../../client/settings.ts';
import { specFromArguments } from '../../../client/spec-from-arguments.ts';
import { settingsOf } from '../../../client/commands/spec-options.ts';

const directory = mkdtempSync(join(tmpdir(), 'longhaul-spec-'));
afterAll(() => rmSync(directory, { recursive: true }));

describe('a migration named on the command line', () => {
  it('by its images gets absolute paths and the name of the first', async () => {
    const spec = await specFromArguments(['web 01.vmdk', '/data.img'], []);
    expect(spec.name).toBe('web-01');
    expect(spec.source).toMatchObject({ disks: [{ path: resolve('web 01.vmdk') }, { path: '/data.img' }] });
  });

  it('by an address keeps it, whatever its name ends with, and is named after its last part', async () => {
    const spec = await specFromArguments(['https://images.example/web02.json', 'b.img'], []);
    expect(spec.name).toBe('web02.json');
    expect(spec.source).toMatchObject({
      disks: [{ url: 'https://images.example/web02.json' }, { path: resolve('b.img') }],
    });
    await expect(specFromArguments(['https://h.example/a?sig=hunter2'], [])).rejects.toMatchObject({
      code: 'SPEC_INVALID',
      found: expect.not.stringContaining('hunter2') as string,
    });
  });

  it.each([
    ['web01.ova', 'web01'],
    ['web01.ovf', 'web01'],
    ['disk.raw.tar.gz', 'disk'],
    ['my vm.qcow2.xz', 'my-vm'],
    ['bundle.ZIP', 'bundle'],
  ])('by an archive is taken out of it: %s', async (file, name) => {
    expect(await specFromArguments([file], [])).toMatchObject({
      name,
      source: { kind: 'archive', path: resolve(file), verify: true, limits: {} },
    });
    const url = `https://h.example/${encodeURIComponent(file)}`;
    expect(await specFromArguments([url], [])).toMatchObject({ name, source: { kind: 'archive', url } });
  });

  it('by an archive and something beside it is refused', async () => {
    await expect(specFromArguments(['web01.ova', 'data.vmdk'], [])).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      found: expect.stringContaining('web01.ova') as string,
    });
  });

  it('by an archive may leave the manifest alone and bring its own cards', async () => {
    const settings = await settingsOf({ verify: false, mac: ['52:54:00:AA:BB:CC@lan'] });
    expect((await specFromArguments(['web01.ova'], settings)).source).toMatchObject({
      verify: false,
      nics: [{ mac: '52:54:00:aa:bb:cc', network: 'lan' }],
    });
    await expect(specFromArguments(['web01.vmdk'], settings)).rejects.toMatchObject({
      code: 'SPEC_INVALID',
      found: expect.stringContaining('verify') as string,
    });
  });

  it('by a file that is no spec but a disk is refused without being read whole', async () => {
    const path = join(directory, 'disk.yaml');
    writeFileSync(path, '');
    // More than fits into a string.
    truncateSync(path, 2 ** 40);
    await expect(specFromArguments([path], [])).rejects.toMatchObject({
      code: 'SPEC_INVALID',
      found: expect.stringContaining('the file has more than 1048576 characters') as string,
    });
  });

  it('has every option in its place of the spec', async () => {
    const settings = await settingsOf({
      name: 'db',
      pool: 'fast',
      format: 'raw',
      firmware: 'uefi',
      cpus: 4,
      memory: 8192,
      network: ['lan=bridge:br0', 'other'],
      mac: ['52:54:00:AA:BB:CC@lan'],
      verifyBoot: false,
      onFailure: 'fail',
      set: ['guest.root=/dev/sda2', 'target.autostart=true'],
    });
    const spec = await specFromArguments(['/a.img'], settings);
    expect(spec).toMatchObject({
      name: 'db',
      source: { nics: [{ mac: '52:54:00:aa:bb:cc', network: 'lan' }] },
      guest: { root: '/dev/sda2' },
      target: {
        pool: 'fast',
        format: 'raw',
        firmware: 'uefi',
        cpus: 4,
        memoryMiB: 8192,
        networks: { lan: 'bridge:br0', default: 'other' },
        autostart: true,
      },
      policy: { verifyBoot: false, onFailure: 'fail' },
    });
  });

  it('by a spec file lets options take the place of what the file says', async () => {
    const path = join(directory, 'vm.yaml');
    writeFileSync(path, 'name: a\nsource: {kind: image, disks: [/a.img]}\ntarget: {pool: slow}\n');
    const spec = await specFromArguments([path], await settingsOf({ targetDir: '/fast' }));
    expect(spec.target).toMatchObject({ directory: '/fast' });
    expect(spec.target.pool).toBeUndefined();
  });

  it('by a spec file and images at once is refused', async () => {
    await expect(specFromArguments(['a.yaml', 'b.img'], [])).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    });
  });

  it('that does not fit the spec is refused with the place and the nearest key', async () => {
    await expect(specFromArguments(['/a.img'], [parseSetting('target.formt=raw')])).rejects.toMatchObject({
      code: 'SPEC_INVALID',
      found:
        'The migration asked for is not valid.\n  target.formt: is not a key of the spec; did you mean "format"?',
    });
  });
});

describe('a value given to --set', () => {
  it.each([
    ['target.cpus=4', ['target', 'cpus'], 4],
    ['guest.fix=false', ['guest', 'fix'], false],
    ['source.nics[1].mac=52:54:00:00:00:01', ['source', 'nics', 1, 'mac'], '52:54:00:00:00:01'],
    ['target.pool=', ['target', 'pool'], undefined],
  ])('%s is read by what it looks like', (text, path, value) => {
    expect(parseSetting(text)).toEqual({ path, value });
  });

  it.each(['target.cpus', '=4', 'a..b=1', '__proto__.x=1', 'target.constructor.x=1'])(
    '%s is refused',
    (text) => {
      expect(() => parseSetting(text)).toThrow(/does not say what to set/);
    },
  );
});
