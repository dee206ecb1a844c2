import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import type { Log } from '../../activities/host/step-io.ts';
import { baseEnv, limitedCommand, runTool } from '../../activities/host/tool.ts';
import { LonghaulError, messageOf } from '../../contracts/errors.ts';
import { setUpNamespace } from '../namespace-setup.ts';
import { claimablePort } from './ports.ts';

const namespace = 'default';
/** Migrations stay listed this long after they ended; the server's own default is a day. */
const retentionHours = 90 * 24;
/** Exit code of flock(1) when another process holds the lock; EX_TEMPFAIL of sysexits(3). */
const lockedExitCode = 75;
const lockWaitSeconds = 3;
const stopGraceMs = 15_000;
/** So many servers may end before one answers, see `startEmbeddedServer`. */
const maxStarts = 3;

export interface EmbeddedServerOptions {
  /** Path of the Temporal CLI, from `findTemporalBinary`. */
  binary: string;
  /** Absolute; made when missing. The database is `temporal.db` in it. */
  stateDir: string;
  /** Default 7233; 0 takes a free one. */
  port?: number;
  /** Default the port and 1000; 0 takes a free one. */
  uiPort?: number;
  /** Time limit of the start, default 60 s. */
  readyMs?: number;
  log: Log;
}

export interface EmbeddedServer {
  /** `127.0.0.1:7233` */
  address: string;
  namespace: string;
  uiUrl: string;
  pid: number;
  /** Resolves when the server has ended, asked to or not, with how. Never rejects. */
  ended: Promise<string>;
  /** Ends it in order, its database complete on disk. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Starts Temporal's development server on the loopback interface, with its database in the state directory:
 * a later start on the same directory carries every workflow on. Registers the search attributes. The server
 * dies with this process, however that ends.
 *
 * The server looks for some ten free ports before it listens on them, and panics when another program takes
 * one in between (temporalio/cli, devserver/freeport.go): one that ends before it answers is started again.
 *
 * @throws LonghaulError TEMPORAL_ALREADY_RUNNING when a server has this state directory;
 *   TEMPORAL_START_FAILED when a port is taken or the server ends or does not answer in time.
 */
export async function startEmbeddedServer(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  await mkdir(options.stateDir, { recursive: true, mode: 0o700 });
  for (let start = 1; ; start += 1) {
    try {
      return await startOnce(options);
    } catch (error) {
      if (!(error instanceof LonghaulError) || error.details.ended !== true || start === maxStarts)
        throw error;
      options.log.warn({ how: error.found }, 'the Temporal server ended at once; starting it again');
    }
  }
}

async function startOnce(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  await claimStateDirectory(options.stateDir);
  const port = await claimablePort(options.port ?? 7233, 'the Temporal server');
  const uiPort = await claimablePort(options.uiPort ?? port + 1000, 'the Temporal web UI');
  const child = spawnServer(options, port, uiPort);
  const lastWords = followOutput(child, options.log);
  const ended = endOf(child);
  const stop = () => stopServer(child, ended);
  const address = `127.0.0.1:${port}`;
  const waiting = new AbortController();
  try {
    await Promise.race([
      prepare(address, options.readyMs ?? 60_000, waiting.signal),
      ended.then((how) => {
        throw child.exitCode === lockedExitCode
          ? alreadyRunning(options.stateDir)
          : startFailed(how, lastWords(), { ended: true });
      }),
    ]);
  } catch (error) {
    await stop();
    throw error instanceof LonghaulError ? error : startFailed(messageOf(error), lastWords(), {}, error);
  } finally {
    waiting.abort();
  }
  return { address, namespace, uiUrl: `http://127.0.0.1:${uiPort}`, pid: child.pid ?? -1, ended, stop };
}

const lockOf = (stateDir: string) => join(stateDir, 'temporal.lock');

/**
 * Sees that no server holds the lock of the state directory; the new one takes it for itself and keeps it
 * until it ends, however it ends. Waits a little: the server of a killed process may still be dying.
 */
async function claimStateDirectory(stateDir: string): Promise<void> {
  const { exitCode } = await runTool({
    program: 'flock',
    args: [
      ...['--timeout', String(lockWaitSeconds), `--conflict-exit-code=${lockedExitCode}`],
      ...[lockOf(stateDir), 'true'],
    ],
    limits: { wallMs: 30_000 },
    acceptExitCodes: [lockedExitCode],
  });
  if (exitCode === lockedExitCode) throw alreadyRunning(stateDir);
}

function spawnServer(options: EmbeddedServerOptions, port: number, uiPort: number): ChildProcess {
  const [command, args] = limitedCommand(
    'flock',
    [
      ...['--no-fork', '--nonblock', `--conflict-exit-code=${lockedExitCode}`, lockOf(options.stateDir)],
      ...[options.binary, 'server', 'start-dev'],
      ...['--db-filename', join(options.stateDir, 'temporal.db')],
      ...['--ip', '127.0.0.1', '--port', String(port)],
      ...['--ui-ip', '127.0.0.1', '--ui-port', String(uiPort), '--ui-disable-news-fetch'],
      ...['--namespace', namespace, '--log-level', 'warn', '--log-format', 'json'],
    ],
    {},
  );
  return spawn(command, args, {
    env: baseEnv,
    cwd: options.stateDir,
    // A group of its own: Ctrl-C on a terminal must stop the worker first, and the server after it.
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
}

/**
 * Passes the server's log on, most of it as debugging matter; returns a reader of its last lines, or of why
 * a Go program gave up: that line stands above its stack.
 */
function followOutput(child: ChildProcess, log: Log): () => string {
  const last: string[] = [];
  let crash: string | undefined;
  if (child.stderr) {
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (/^(panic|fatal error): /.test(line)) crash ??= line;
      last.push(line);
      if (last.length > 5) last.shift();
      log.debug({ line }, 'Temporal server');
    });
  }
  return () => crash ?? (last.join(' | ') || 'no message');
}

async function endOf(child: ChildProcess): Promise<string> {
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    return signal === null ? `it ended with ${code ?? 'no exit code'}` : `it was killed by ${signal}`;
  } catch (error) {
    return messageOf(error);
  }
}

async function stopServer(child: ChildProcess, ended: Promise<string>): Promise<void> {
  child.kill('SIGTERM');
  const killTimer = setTimeout(() => child.kill('SIGKILL'), stopGraceMs);
  await ended;
  clearTimeout(killTimer);
}

/** Waits until the server answers, then makes the namespace ours: retention and search attributes. */
async function prepare(address: string, readyMs: number, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + readyMs;
  const connection = await untilAnswering(address, deadline, signal);
  try {
    await connection.withDeadline(deadline, () => setUpNamespace(connection, namespace, { retentionHours }));
  } finally {
    await connection.close();
  }
}

async function untilAnswering(address: string, deadline: number, signal: AbortSignal): Promise<Connection> {
  for (;;) {
    const connection = Connection.lazy({ address, connectTimeout: 2_000 });
    try {
      await connection.withDeadline(Date.now() + 2_000, () =>
        connection.workflowService.describeNamespace({ namespace }),
      );
      return connection;
    } catch (error) {
      await connection.close();
      if (Date.now() > deadline || signal.aborted) throw error;
      await sleep(100);
    }
  }
}

function alreadyRunning(stateDir: string): LonghaulError {
  return new LonghaulError('TEMPORAL_ALREADY_RUNNING', {
    found: `a server has ${lockOf(stateDir)} locked`,
    remedy: `Use the one that runs, or stop it first (fuser ${lockOf(stateDir)} names it), or choose another state directory.`,
    details: { stateDir },
  });
}

function startFailed(
  how: string,
  lastWords: string,
  details: { ended?: true },
  cause?: unknown,
): LonghaulError {
  return new LonghaulError(
    'TEMPORAL_START_FAILED',
    {
      found: `Temporal's server did not come up: ${how}; it last said: ${lastWords}`,
      remedy:
        "The message is the server's own; mend what it names, above all space and rights of the state directory.",
      details,
    },
    cause,
  );
}
