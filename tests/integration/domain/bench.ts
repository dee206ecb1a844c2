import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DefineInput, StepContext } from '../../../contracts/steps.ts';
import { migrationSpec, type MigrationSpecInput } from '../../../contracts/spec.ts';
import type { TargetDisk } from '../../../contracts/values.ts';
import type { Log, StepIo } from '../../../activities/host/step-io.ts';
import { domainUuid } from '../../../activities/domain/identity.ts';

export const libvirtUri = 'qemu:///system';
const run = promisify(execFile);
const startScript = join(import.meta.dirname, '../../../scripts/start-libvirt.sh');

const silent: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** virsh as an operator would call it. */
export async function virsh(...args: string[]): Promise<string> {
  const { stdout } = await run('virsh', ['--quiet', '-c', libvirtUri, ...args]);
  return stdout;
}

/** A host of its own with a libvirt that other tests share: names and ids are made for each bench. */
export class DomainBench {
  readonly dir: string;
  readonly name: string;
  readonly run;
  readonly reports: string[] = [];
  readonly host;

  private constructor(dir: string) {
    const id = randomBytes(4).toString('hex');
    this.dir = dir;
    this.name = `lh-test-${id}`;
    this.run = { migrationId: `test-${id}`, runId: 'run-1' };
    this.host = { stateDir: join(dir, 'state'), libvirtUri };
  }

  /** Starts libvirt where nobody did. The disks' directory lets QEMU's user pass but not look. */
  static async create(): Promise<DomainBench> {
    await run('bash', [startScript]);
    const dir = await mkdtemp('/tmp/longhaul-domain-');
    await chmod(dir, 0o711);
    await mkdir(join(dir, 'disks'), { mode: 0o711 });
    return new DomainBench(dir);
  }

  get uuid(): string {
    return domainUuid(this.run.migrationId);
  }

  get deps() {
    return { host: this.host };
  }

  diskPath(name = 'disk0.raw'): string {
    return join(this.dir, 'disks', name);
  }

  io(signal: AbortSignal = new AbortController().signal): StepIo {
    return { signal, report: (doing) => this.reports.push(doing), log: silent };
  }

  context(policy: MigrationSpecInput['policy'] = {}, target: MigrationSpecInput['target'] = {}): StepContext {
    const source = { kind: 'image', disks: [this.diskPath()] } as const;
    return { run: this.run, spec: migrationSpec.parse({ name: this.name, source, policy, target }) };
  }

  async disk(path = this.diskPath(), format: TargetDisk['format'] = 'raw', index = 0): Promise<TargetDisk> {
    const { size } = await stat(path);
    return {
      ...{ index, path, format, virtualSizeBytes: size, allocatedBytes: size, dataBytes: size },
      ...{ seconds: 0, verified: false },
    };
  }

  async input(disks?: TargetDisk[], more: Partial<DefineInput> = {}): Promise<DefineInput> {
    return {
      vm: {
        name: this.name,
        cpus: 1,
        memoryMiB: 256,
        nics: [{ mac: '52:54:00:aa:bb:01', network: 'default' }],
      },
      disks: disks ?? [await this.disk()],
      accelerator: 'tcg',
      ...more,
    };
  }

  /** Running clones of this bench's domain. */
  async clones(): Promise<string[]> {
    const names = (await virsh('list', '--all', '--name')).split('\n');
    return names.filter((name) => name.startsWith(`longhaul-boot-${this.uuid.slice(0, 8)}-`));
  }

  /** Names beside the disks that a boot check made. */
  async throwaways(): Promise<string[]> {
    return (await readdir(join(this.dir, 'disks'))).filter((name) => name.startsWith('.longhaul-'));
  }

  async remove(): Promise<void> {
    for (const name of await this.clones()) await virsh('destroy', name);
    await run('virsh', ['-c', libvirtUri, 'destroy', this.uuid]).catch(() => undefined);
    await run('virsh', ['-c', libvirtUri, 'undefine', '--nvram', this.uuid]).catch(() => undefined);
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** Asks until the answer is yes; the test fails by its own assertion after that. */
export async function eventually(ask: () => Promise<boolean>, timeoutMs = 30_000): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (performance.now() < deadline) {
    if (await ask()) return true;
    await sleep(100);
  }
  return false;
}
