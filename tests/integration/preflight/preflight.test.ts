import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { PreflightDeps } from '../../../activities/preflight/check.ts';
import { preflight } from '../../../activities/preflight/preflight.ts';
import { createSecretResolver } from '../../../activities/host/secrets.ts';
import { runTool } from '../../../activities/host/tool.ts';
import { LonghaulError } from '../../../contracts/errors.ts';
import { migrationSpec, type MigrationSpecInput } from '../../../contracts/spec.ts';
import type { Accelerator, PreflightResult } from '../../../contracts/values.ts';
import { testIo } from '../../support/io.ts';
import { testSources } from '../../support/sources.ts';
import { scratchDirectory } from '../../support/scratch.ts';

const uri = 'qemu:///system';
const virsh = (...args: string[]) => execFileSync('virsh', ['-q', '-c', uri, ...args], { encoding: 'utf8' });
const uniqueName = (prefix: string) => `${prefix}-${process.pid}-${Date.now()}`;

interface Setting {
  root: string;
  image: string;
  target: string;
  deps: PreflightDeps;
  spec: MigrationSpecInput;
}

/** A host with real libvirt, an image of 64 MiB virtual size with 1 MiB of data, and an empty target. */
function setting(accelerator: Accelerator = 'kvm', libvirtUri = uri): Setting {
  const root = scratchDirectory();
  const [image, target, stateDir] = ['web01.qcow2', 'target', 'state'].map((name) => join(root, name)) as [
    string,
    string,
    string,
  ];
  mkdirSync(target);
  mkdirSync(stateDir);
  const raw = join(root, 'raw');
  writeFileSync(raw, Buffer.alloc(2 ** 20, 'data'));
  truncateSync(raw, 64 * 2 ** 20);
  execFileSync('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, image]);
  const deps: PreflightDeps = {
    host: {
      hostId: 'test',
      stateDir,
      libvirtUri,
      defaultTargetDirectory: target,
      accelerator: () => Promise.resolve(accelerator),
    },
    virsh: async (args, signal) => {
      const limits = { wallMs: 30_000 };
      const call = { program: 'virsh', args: ['-q', '-c', libvirtUri, ...args], limits, signal };
      try {
        return (await runTool(call)).stdout;
      } catch (error) {
        if (!(error instanceof LonghaulError)) throw error;
        throw new LonghaulError('LIBVIRT_UNREACHABLE', { found: libvirtUri, remedy: 'Start it.' }, error);
      }
    },
    ownsDomain: () => Promise.resolve(false),
    resolveSecret: createSecretResolver({ environment: { KEY: 'correct horse' } }),
    sourceOf: testSources(),
    isDrained: () => false,
  };
  const spec = { name: uniqueName('web'), source: { kind: 'image' as const, disks: [image] } };
  return { root, image, target, deps, spec };
}

function run({ deps, spec }: Pick<Setting, 'deps' | 'spec'>): Promise<PreflightResult> {
  const ctx = { run: { migrationId: 'm', runId: 'r' }, spec: migrationSpec.parse(spec) };
  return preflight(ctx, deps, testIo());
}

const blockersOf = ({ findings }: PreflightResult) =>
  findings.filter(({ severity }) => severity === 'blocker').map(({ code }) => code);

const digest = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

describe('preflight', () => {
  it('finds nothing to block a good migration, and creates and changes nothing', async () => {
    const made = setting();
    const before = { image: digest(made.image), files: readdirSync(made.root, { recursive: true }) };
    const result = await run(made);
    expect(blockersOf(result)).toEqual([]);
    expect(result).toMatchObject({
      targetDirectory: made.target,
      accelerator: 'kvm',
      vm: { name: made.spec.name },
      disks: [{ index: 0, virtualSizeBytes: 64 * 2 ** 20, image: { format: 'qcow2' } }],
    });
    expect(result.space.neededBytes).toBeGreaterThanOrEqual(2 ** 20);
    expect(result.space.neededBytes).toBeLessThan(4 * 2 ** 20);
    expect(result.space.freeBytes).toBeGreaterThan(0);
    expect({ image: digest(made.image), files: readdirSync(made.root, { recursive: true }) }).toEqual(before);
  });

  it('looks at every file that is to go into the guest', async () => {
    const made = setting();
    const script = join(made.root, 'join.sh');
    writeFileSync(script, 'echo no interpreter\n');
    const guest = {
      agentPackages: [join(made.root, 'gone.deb')],
      firstBoot: [script],
      sshKeys: [{ user: 'root', keyFile: join(made.root, 'gone.pub') }],
    };
    const result = await run({ ...made, spec: { ...made.spec, guest } });
    const blockers = result.findings.filter(({ severity }) => severity === 'blocker');
    expect(blockers.map(({ code, found }) => `${code} ${found}`)).toEqual([
      `GUEST_FILE_UNUSABLE ${join(made.root, 'gone.deb')}: it does not exist`,
      `GUEST_FILE_UNUSABLE ${script}: it does not begin with #!`,
      `GUEST_FILE_UNUSABLE ${join(made.root, 'gone.pub')}: it does not exist`,
    ]);
  });

  it('says everything that is wrong at once, not only the first', async () => {
    const made = setting('tcg');
    writeFileSync(join(made.target, `${made.spec.name}-disk1.qcow2`), 'somebody else');
    const result = await run({
      ...made,
      spec: {
        ...made.spec,
        guest: { luksKeys: [{ key: 'env:NOT_THERE' }, { key: 'env:KEY' }] },
        target: { networks: { lan: 'default' }, accelerator: 'kvm' },
      },
    });
    expect(blockersOf(result)).toEqual([
      'TARGET_EXISTS',
      'NETWORK_UNMAPPED',
      'SECRET_UNRESOLVED',
      'ACCELERATION_UNAVAILABLE',
    ]);
    expect(JSON.stringify(result), 'no secret in the result').not.toContain('correct horse');
    expect(result.findings.every(({ found, remedy }) => found.length > 0 && remedy.length > 0)).toBe(true);
  });

  it('refuses what names a host that is drained, and not what was placed there or has begun', async () => {
    const made = setting();
    const deps = { ...made.deps, isDrained: () => true };
    const spec = { ...made.spec, target: { host: 'test' } };
    const result = await run({ deps, spec });
    expect(blockersOf(result)).toEqual(['HOST_DRAINED']);
    expect(result.findings[0]?.remedy).toContain('longhaul host undrain test');
    expect(blockersOf(await run({ deps, spec: made.spec }))).toEqual([]);
    mkdirSync(join(made.deps.host.stateDir, 'migrations', 'm', 'r'), { recursive: true });
    expect(blockersOf(await run({ deps, spec }))).toEqual([]);
  });

  it('finds a domain of the same name, unless this run defined it', async () => {
    // libvirt's test driver comes with a domain named test, and asks no emulator anything.
    const made = setting('kvm', 'test:///default');
    const spec = { ...made.spec, name: 'test' };
    const result = await run({ ...made, spec });
    expect(blockersOf(result)).toEqual(['DOMAIN_EXISTS']);
    expect(result.findings[0]?.found).toContain('named test');
    const own = { ...made.deps, ownsDomain: () => Promise.resolve(true) };
    expect(blockersOf(await run({ spec, deps: own }))).toEqual([]);
  });

  it('reads the directory of a storage pool, and refuses pools it cannot write files to', async () => {
    const made = setting();
    const pool = uniqueName('pool');
    const inPool = () => run({ ...made, spec: { ...made.spec, target: { pool } } });

    expect(blockersOf(await inPool())).toEqual(['POOL_UNUSABLE']);
    virsh('pool-define-as', pool, 'dir', '--target', made.target);
    onTestFinished(() => void virsh('pool-undefine', pool));
    const inactive = await inPool();
    expect(blockersOf(inactive)).toEqual(['POOL_UNUSABLE']);
    expect(inactive.findings[0]?.remedy).toContain(`virsh pool-start ${pool}`);
    virsh('pool-start', pool);
    onTestFinished(() => void virsh('pool-destroy', pool));
    expect(await inPool()).toMatchObject({ targetDirectory: made.target });
    expect(blockersOf(await inPool())).toEqual([]);
    const slip = await run({ ...made, spec: { ...made.spec, target: { pool: `${pool}x` } } });
    expect(slip.findings[0]?.found).toContain(`did you mean "${pool}"?`);
  });

  it('does not make a missing target directory', async () => {
    const made = setting();
    const directory = join(made.root, 'not-mounted');
    const result = await run({ ...made, spec: { ...made.spec, target: { directory } } });
    expect(blockersOf(result)).toEqual(['TARGET_DIRECTORY_UNUSABLE']);
    expect(existsSync(directory)).toBe(false);
  });

  it('sees a dangling symbolic link where a disk would go', async () => {
    const made = setting();
    symlinkSync('/nowhere', join(made.target, `${made.spec.name}-disk1.qcow2`));
    expect(blockersOf(await run(made))).toEqual(['TARGET_EXISTS']);
  });

  it('refuses disks that do not fit, with the numbers', async () => {
    const made = setting();
    const mount = join(made.root, 'small');
    mkdirSync(mount);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', mount]);
    onTestFinished(() => void execFileSync('umount', [mount]));
    const result = await run({ ...made, spec: { ...made.spec, target: { directory: mount } } });
    expect(blockersOf(result)).toEqual(['SPACE_INSUFFICIENT']);
    expect(result.findings.find(({ severity }) => severity === 'blocker')?.found).toMatch(/MiB .* free$/);
    expect(result.space.neededBytes).toBeGreaterThan(result.space.freeBytes);
  });

  it('tells networks that do not exist from bridges that do not, and accepts what is there', async () => {
    const made = setting();
    const nics = [{ network: 'lan' }, { network: 'dmz' }, { network: 'office' }];
    const result = await run({
      ...made,
      spec: {
        ...made.spec,
        source: { kind: 'image', disks: [made.image], nics },
        target: { networks: { lan: 'defualt', dmz: 'bridge:nobr0', office: 'default' } },
      },
    });
    const found = result.findings.filter(({ code }) => code === 'NETWORK_UNMAPPED').map((each) => each.found);
    expect(found).toEqual([
      expect.stringMatching(/libvirt network defualt, .* did you mean "default"\?$/),
      expect.stringContaining('bridge nobr0'),
    ]);
  });

  it('reports a truncated image as such, and everything else besides', async () => {
    const made = setting('tcg');
    truncateSync(made.image, 100);
    const result = await run({
      ...made,
      spec: { ...made.spec, target: { accelerator: 'kvm' } },
    });
    expect(blockersOf(result)).toEqual([
      expect.stringMatching(/^IMAGE_(TRUNCATED|CORRUPT)$/),
      'ACCELERATION_UNAVAILABLE',
    ]);
    expect(result.disks).toEqual([]);
    expect(statSync(made.image).size).toBe(100);
  });

  it('blocks when libvirt does not answer, and says so once', async () => {
    const made = setting('kvm', 'qemu+unix:///system?socket=/nowhere');
    expect(blockersOf(await run(made))).toEqual(['LIBVIRT_UNREACHABLE']);
  });

  it('warns of emulation, and of a VM larger than the host', async () => {
    const made = setting('tcg');
    const result = await run({
      ...made,
      spec: { ...made.spec, target: { cpus: 512, memoryMiB: 16_777_216 } },
    });
    expect(blockersOf(result)).toEqual([]);
    expect(result.accelerator).toBe('tcg');
    expect(result.findings.map(({ code }) => code)).toEqual(
      expect.arrayContaining(['emulation', 'cpus-exceed-host', 'memory-exceeds-host']),
    );
  });

  it('ends with the reason of a cancellation, not with findings', async () => {
    const made = setting();
    const reason = new Error('cancelled');
    const ctx = { run: { migrationId: 'm', runId: 'r' }, spec: migrationSpec.parse(made.spec) };
    await expect(preflight(ctx, made.deps, testIo(AbortSignal.abort(reason)))).rejects.toBe(reason);
  });
});
