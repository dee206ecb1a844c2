import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { availableParallelism, homedir, hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { AzureOptions } from '../activities/sources/azure/clouds.ts';
import type { ProxySettings } from '../activities/transfer/connection-pool.ts';
import type { TransferOptions } from '../activities/transfer/transfer-plane.ts';
import type { SecretSources } from '../activities/host/secrets.ts';
import { hasErrno, LonghaulError, messageOf } from '../contracts/errors.ts';
import { labelPattern, labelRule, maxLabels } from '../contracts/labels.ts';

/** What a worker was told, every default filled in. Made once; nothing else reads the environment. */
export interface WorkerOptions {
  hostId: string;
  /** What VMs may ask for; see contracts/labels.ts. */
  labels: string[];
  stateDir: string;
  libvirtUri: string;
  defaultTargetDirectory: string;
  acceleration: 'auto' | 'kvm' | 'tcg';
  /** Upper bound of steps at once (each disk that is converted is one); memory may lower it, see slots.ts. */
  configuredSlots: number;
  logLevel: string;
  transfer: TransferOptions;
  azure: AzureOptions;
  /** Seconds running steps get to end by themselves on SIGTERM before they are stopped and left to a retry. */
  drainSeconds: number;
  temporal: TemporalOptions;
  secrets: SecretSources;
}

export interface TemporalOptions {
  connection: ReturnType<typeof loadClientConnectConfig>['connectionOptions'];
  address: string;
  namespace: string;
}

/** What a command line may override. */
export interface WorkerOverrides {
  address?: string;
  namespace?: string;
  profile?: string;
  stateDir?: string;
  hostId?: string;
  labels?: string[];
  slots?: number;
}

/** Ports of the embedded server; 0 takes a free one. */
export interface UpOverrides {
  port?: number;
  uiPort?: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Resolves configuration from command line, then environment, then defaults.
 *
 * LONGHAUL_STATE_DIR, LONGHAUL_HOST_ID, LONGHAUL_LABELS, LONGHAUL_LIBVIRT_URI, LONGHAUL_TARGET_DIR,
 * LONGHAUL_ACCELERATION, LONGHAUL_SLOTS, LONGHAUL_CONNECTIONS, LONGHAUL_MAX_MIB_PER_SECOND, LONGHAUL_LOG_LEVEL, LONGHAUL_DRAIN_SECONDS;
 * LONGHAUL_AZURE_RESOURCE_MANAGER and AZURE_AUTHORITY_HOST for a private cloud; TEMPORAL_* as in Temporal's
 * environment configuration (profiles, TLS, API key).
 *
 * @throws LonghaulError OPTION_INVALID for a value that makes no sense.
 */
export function resolveWorkerOptions(
  overrides: WorkerOverrides = {},
  env: Environment = process.env,
): WorkerOptions {
  const stateDir = resolve(overrides.stateDir ?? env['LONGHAUL_STATE_DIR'] ?? defaultStateDir(env));
  return {
    hostId: hostIdFrom(overrides.hostId ?? env['LONGHAUL_HOST_ID']) ?? stableHostId(stateDir),
    labels: labelsFrom(overrides.labels ?? env['LONGHAUL_LABELS']?.split(/[\s,]+/) ?? []),
    stateDir,
    libvirtUri: env['LONGHAUL_LIBVIRT_URI'] ?? 'qemu:///system',
    defaultTargetDirectory: env['LONGHAUL_TARGET_DIR'] ?? '/var/lib/libvirt/images',
    acceleration: oneOf('LONGHAUL_ACCELERATION', env['LONGHAUL_ACCELERATION'] ?? 'auto', [
      'auto',
      'kvm',
      'tcg',
    ]),
    configuredSlots:
      overrides.slots ?? wholeNumber('LONGHAUL_SLOTS', env['LONGHAUL_SLOTS'], availableParallelism()),
    logLevel: env['LONGHAUL_LOG_LEVEL'] ?? 'info',
    transfer: {
      connections: wholeNumber('LONGHAUL_CONNECTIONS', env['LONGHAUL_CONNECTIONS'], 16),
      ...maxRate(env),
      proxy: resolveProxy(env),
    },
    azure: resolveAzureOptions(env),
    drainSeconds: wholeNumber('LONGHAUL_DRAIN_SECONDS', env['LONGHAUL_DRAIN_SECONDS'], 30),
    temporal: resolveTemporal(overrides, env),
    secrets: { environment: env, credentialsDirectory: env['CREDENTIALS_DIRECTORY'] },
  };
}

/**
 * Where a private Azure cloud is. The SDK reads more by itself: AZURE_TENANT_ID and the like for the default login.
 *
 * @throws LonghaulError OPTION_INVALID for what is no address.
 */
export function resolveAzureOptions(env: Environment = process.env): AzureOptions {
  const authorityHost = httpsOrigin('AZURE_AUTHORITY_HOST', env['AZURE_AUTHORITY_HOST']);
  const resourceManager = httpsOrigin(
    'LONGHAUL_AZURE_RESOURCE_MANAGER',
    env['LONGHAUL_AZURE_RESOURCE_MANAGER'],
  );
  return {
    ...(authorityHost === undefined ? {} : { authorityHost }),
    ...(resourceManager === undefined ? {} : { resourceManager }),
  };
}

/**
 * Where Temporal is, through its own environment configuration; the embedded server's address by default.
 *
 * @throws LonghaulError OPTION_INVALID for a profile or a file that cannot be used.
 */
export function resolveTemporal(
  overrides: WorkerOverrides = {},
  env: Environment = process.env,
): TemporalOptions {
  const environment = Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  const config = temporalConfig(overrides.profile ?? env['TEMPORAL_PROFILE'], environment);
  const address = overrides.address ?? config.connectionOptions.address ?? '127.0.0.1:7233';
  refuseNameless(address, config.connectionOptions.tls);
  return {
    connection: { ...config.connectionOptions, address },
    address,
    namespace: overrides.namespace ?? config.namespace ?? 'default',
  };
}

/** Node takes no IP address as the name that a server's certificate is checked for. */
function refuseNameless(address: string, tls: TemporalOptions['connection']['tls']): void {
  const host = address.slice(0, address.lastIndexOf(':')).replaceAll(/[[\]]/g, '');
  const named = typeof tls === 'object' && tls !== null && tls.serverNameOverride !== undefined;
  if (tls === undefined || tls === null || tls === false || named || isIP(host) === 0) return;
  throw new LonghaulError('OPTION_INVALID', {
    found: `${address} names no server that a certificate could be checked for`,
    remedy:
      'Give the name of the server in place of its IP address, or set TEMPORAL_TLS_SERVER_NAME to a name in its certificate.',
  });
}

function temporalConfig(profile: string | undefined, environment: Record<string, string>) {
  try {
    return loadClientConnectConfig({ profile, overrideEnvVars: environment });
  } catch (error) {
    throw new LonghaulError(
      'OPTION_INVALID',
      {
        found: `The Temporal configuration cannot be used: ${messageOf(error)}.`,
        remedy:
          'Correct the profile (--profile, TEMPORAL_PROFILE) or the file it is read from (TEMPORAL_CONFIG_FILE, by default temporalio/temporal.toml in your configuration directory).',
      },
      error,
    );
  }
}

/** Where the Temporal program is looked for and kept, and what fetching it needs of the environment. */
export function resolveEmbeddedOptions(env: Environment = process.env) {
  const passed = Object.entries(env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && /^(https?_proxy|no_proxy|all_proxy|pip_.*|ssl_cert_.*|home)$/i.test(entry[0]),
  );
  return {
    cacheDir: join(env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'longhaul'),
    searchPath: env['PATH'] ?? '',
    downloadEnv: Object.fromEntries(passed),
  };
}

/** System-wide for root, else under the user's state directory (XDG base directory specification). */
function defaultStateDir(env: Environment = process.env): string {
  if (process.getuid?.() === 0) return '/var/lib/longhaul';
  return join(env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state'), 'longhaul');
}

/**
 * The id of this host, kept in the state directory: the same after restarts and renames of the machine, so
 * that a host's queue and its partial files stay together.
 */
function stableHostId(stateDir: string): string {
  const path = join(stateDir, 'host-id');
  const existing = readIfThere(path);
  if (existing !== undefined) return existing;
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const name = hostname()
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .slice(0, 40);
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${name}-${randomBytes(3).toString('hex')}\n`, { mode: 0o600 });
  try {
    // link() refuses to replace: of two workers that start at once, both get the first one's id.
    linkSync(draft, path);
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  return readFileSync(path, 'utf8').trim();
}

/** It stands in the names of queues and workflows, and in commands that people type. */
function hostIdFrom(text: string | undefined): string | undefined {
  if (text === undefined || /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(text)) return text;
  throw new LonghaulError('OPTION_INVALID', {
    found: `"${text}" is not the id of a host`,
    remedy: 'Give letters, digits and . _ -, 63 at most, beginning with a letter or digit.',
  });
}

function labelsFrom(texts: readonly string[]): string[] {
  const labels = [...new Set(texts.filter((text) => text !== ''))].sort();
  const wrong = labels.find((label) => !labelPattern.test(label));
  if (wrong === undefined && labels.length <= maxLabels) return labels;
  throw new LonghaulError('OPTION_INVALID', {
    found: wrong === undefined ? `a host has ${labels.length} labels` : `"${wrong}" is not a label`,
    remedy: wrong === undefined ? `Give it ${maxLabels} at most.` : `A label ${labelRule}.`,
  });
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function wholeNumber(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new LonghaulError('OPTION_INVALID', {
    found: `${name} is "${text}"`,
    remedy: `Set ${name} to a whole number from 1.`,
  });
}

function maxRate(env: Environment): Pick<TransferOptions, 'maxBytesPerSecond'> {
  const text = env['LONGHAUL_MAX_MIB_PER_SECOND'];
  if (text === undefined) return {};
  return { maxBytesPerSecond: wholeNumber('LONGHAUL_MAX_MIB_PER_SECOND', text, 1) * 1024 ** 2 };
}

/**
 * The proxy settings that curl and others honour; the lower-case name counts first.
 *
 * @throws LonghaulError OPTION_INVALID for what is no address of a proxy.
 */
function resolveProxy(env: Environment): ProxySettings {
  return {
    http: proxyAddress(env, 'http_proxy'),
    https: proxyAddress(env, 'https_proxy'),
    none: env['no_proxy'] ?? env['NO_PROXY'],
  };
}

function proxyAddress(env: Environment, name: string): string | undefined {
  const text = env[name] ?? env[name.toUpperCase()];
  if (text === undefined || text === '') return undefined;
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url.href;
  // Not its value, which may hold a password.
  throw new LonghaulError('OPTION_INVALID', {
    found: `${name} is not the address of an HTTP proxy`,
    remedy: `Set ${name} to an address such as http://proxy.example:3128, or to nothing.`,
  });
}

function httpsOrigin(name: string, text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined;
  const url = URL.parse(text);
  if (url?.protocol === 'https:' && url.href === `${url.origin}/`) return url.origin;
  throw new LonghaulError('OPTION_INVALID', {
    found: `${name} is not the https address of a server`,
    remedy: `Set ${name} to an address without path, such as https://login.example.`,
  });
}

function oneOf<T extends string>(name: string, text: string, allowed: readonly T[]): T {
  const match = allowed.find((value) => value === text);
  if (match !== undefined) return match;
  throw new LonghaulError('OPTION_INVALID', {
    found: `${name} is "${text}"`,
    remedy: `Set ${name} to one of ${allowed.join(', ')}.`,
  });
}
