import { XMLParser } from 'fast-xml-parser';
import { LonghaulError } from '../../contracts/errors.ts';
import { runTool, type ToolResult } from './tool.ts';

export interface ListedDomain {
  name: string;
  uuid: string;
}

export interface ListedNetwork {
  name: string;
  active: boolean;
}

export interface StoragePool {
  name: string;
  /** libvirt's pool type; only `dir`, `fs` and `netfs` hold files. */
  type: string;
  active: boolean;
  /** Absolute path of the directory, for pools that have one. */
  targetPath?: string;
  /** As of libvirt's last refresh of the pool. */
  availableBytes: number;
}

const wallMs = 60_000;

/**
 * virsh(1) with types. Domains are named by UUID: a domain's name may also be another one's id.
 *
 * Every call throws LonghaulError LIBVIRT_UNREACHABLE when libvirt does not answer, TOOL_FAILED with virsh's
 * words when it refuses, TOOL_MISSING without virsh, and the signal's reason on abort.
 */
export class Virsh {
  readonly uri: string;
  readonly #signal: AbortSignal | undefined;

  constructor(uri: string, signal?: AbortSignal) {
    this.uri = uri;
    this.#signal = signal;
  }

  /** Any other call of virsh; gives its standard output. */
  async call(args: readonly string[]): Promise<string> {
    return (await this.#run(args)).stdout;
  }

  /** Versions, for example { libvirt: '9.0.0', hypervisor: 'QEMU 7.2.22' }. */
  async version(): Promise<{ libvirt: string; hypervisor: string }> {
    const { stdout } = await this.#run(['version']);
    const after = (label: string) => new RegExp(`^${label}: (.*)$`, 'm').exec(stdout)?.[1]?.trim() ?? '';
    return {
      libvirt: after('Using library').replace(/^libvirt /, ''),
      hypervisor: after('Running hypervisor'),
    };
  }

  /** All domains, defined and running. */
  async domains(): Promise<ListedDomain[]> {
    const { stdout } = await this.#run(['list', '--all', '--uuid', '--name']);
    return [...stdout.matchAll(/^([0-9a-f-]{36})\s+(.*?)\s*$/gm)].map(([, uuid = '', name = '']) => ({
      uuid,
      name,
    }));
  }

  /**
   * The domain's state and its reason in libvirt's words, for example `shut off (destroyed)` or
   * `paused (I/O error)`; undefined when there is no such domain (any more).
   */
  async state(uuid: string): Promise<string | undefined> {
    const result = await this.#orAbsent(this.#run(['domstate', '--reason', `--domain=${uuid}`]));
    return result?.stdout.trim();
  }

  /** The definition the domain's next start would use, or undefined when there is no such domain. */
  async xml(uuid: string): Promise<string | undefined> {
    const result = await this.#orAbsent(this.#run(['dumpxml', '--inactive', `--domain=${uuid}`]));
    return result?.stdout;
  }

  /** Defines a persistent domain, or changes the one of the same name and UUID. Starts nothing. */
  async define(xmlPath: string): Promise<void> {
    await this.#run(['define', `--file=${xmlPath}`]);
  }

  /** Undefines a domain and removes its NVRAM. No disk is touched. */
  async undefine(uuid: string): Promise<void> {
    await this.#run(['undefine', '--nvram', `--domain=${uuid}`]);
  }

  async setAutostart(uuid: string): Promise<void> {
    await this.#run(['autostart', `--domain=${uuid}`]);
  }

  /** Ends a running domain at once; one that is gone already is fine. */
  async destroy(uuid: string): Promise<void> {
    await this.#orAbsent(this.#run(['destroy', `--domain=${uuid}`]));
  }

  /** Writes the screen to a file, as PNG or PPM by libvirt's age. */
  async screenshot(uuid: string, path: string): Promise<void> {
    await this.#run(['screenshot', `--domain=${uuid}`, `--file=${path}`]);
  }

  /**
   * Asks the guest agent.
   *
   * @returns its answer, a JSON document written by the guest; undefined when no agent answers in time.
   */
  async agentCommand(uuid: string, command: string, timeoutSeconds: number): Promise<string | undefined> {
    const args = [
      'qemu-agent-command',
      `--domain=${uuid}`,
      `--timeout=${timeoutSeconds}`,
      `--cmd=${command}`,
    ];
    const { exitCode, stdout } = await this.#run(args, { acceptExitCodes: [1] });
    return exitCode === 0 ? stdout.trim() : undefined;
  }

  async networks(): Promise<ListedNetwork[]> {
    const all = await this.#run(['net-list', '--all', '--name']);
    const active = new Set(lines((await this.#run(['net-list', '--name'])).stdout));
    return lines(all.stdout).map((name) => ({ name, active: active.has(name) }));
  }

  /** A storage pool by name, or undefined when there is none. */
  async pool(name: string): Promise<StoragePool | undefined> {
    const known = lines((await this.#run(['pool-list', '--all', '--name'])).stdout);
    if (!known.includes(name)) return undefined;
    const active = lines((await this.#run(['pool-list', '--name'])).stdout).includes(name);
    const { stdout } = await this.#run(['pool-dumpxml', `--pool=${name}`]);
    return { name, active, ...poolFacts(stdout) };
  }

  async #run(
    args: readonly string[],
    more: { acceptExitCodes?: readonly number[] } = {},
  ): Promise<ToolResult> {
    try {
      return await runTool({
        program: 'virsh',
        args,
        env: { LIBVIRT_DEFAULT_URI: this.uri },
        limits: { wallMs },
        ...(this.#signal ? { signal: this.#signal } : {}),
        ...more,
      });
    } catch (error) {
      throw unreachable(error, this.uri) ?? error;
    }
  }

  async #orAbsent(call: Promise<ToolResult>): Promise<ToolResult | undefined> {
    try {
      return await call;
    } catch (error) {
      if (/failed to get domain|Domain not found|domain is not running/i.test(words(error))) return undefined;
      throw error;
    }
  }
}

const lines = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

/** What virsh said when it failed. */
function words(error: unknown): string {
  return error instanceof LonghaulError && error.code === 'TOOL_FAILED' ? error.found : '';
}

function unreachable(error: unknown, uri: string): LonghaulError | undefined {
  const connectionLost =
    /failed to connect to the hypervisor|Failed to connect socket|Cannot (recv|write) data|client socket is closed|End of file while reading data/i;
  if (!connectionLost.test(words(error))) return undefined;
  return new LonghaulError(
    'LIBVIRT_UNREACHABLE',
    {
      found: `${uri} does not answer: ${words(error)}`,
      remedy: 'Start it (systemctl start libvirtd; without a service manager, scripts/start-libvirt.sh).',
      details: { uri },
    },
    error,
  );
}

/** https://libvirt.org/formatstorage.html */
function poolFacts(xml: string): Pick<StoragePool, 'type' | 'targetPath' | 'availableBytes'> {
  const parser = new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: '@',
    parseTagValue: false,
    parseAttributeValue: false,
  });
  const { pool } = parser.parse(xml) as {
    pool: { '@type': string; target?: { path?: string }; available?: { '#text': string } };
  };
  const targetPath = pool.target?.path;
  return {
    type: pool['@type'],
    availableBytes: Number(pool.available?.['#text'] ?? 0),
    ...(targetPath === undefined ? {} : { targetPath }),
  };
}
