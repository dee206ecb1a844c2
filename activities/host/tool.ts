import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { hasErrno, LonghaulError } from '../../contracts/errors.ts';

/** Limits of a child process. All are applied by the kernel or by us, none by the program's goodwill. */
export interface ToolLimits {
  /** Wall-clock time after which the program is killed. */
  wallMs: number;
  /** Address space, RLIMIT_AS. Left out for programs that map far more than they use (QEMU system emulation). */
  memoryBytes?: number;
  /** CPU time, RLIMIT_CPU. */
  cpuSeconds?: number;
}

export interface ToolCall {
  program: string;
  args: readonly string[];
  limits: ToolLimits;
  signal?: AbortSignal;
  /** Written to standard input, which is closed afterwards. */
  input?: string | Uint8Array;
  env?: Readonly<Record<string, string>>;
  /** Called for each line of output as it comes; carriage returns count as line ends. */
  onLine?: (line: string, stream: 'stdout' | 'stderr') => void;
  /** Exit codes besides 0 that are an answer, not a failure. */
  acceptExitCodes?: readonly number[];
}

export interface ToolResult {
  exitCode: number;
  stdout: string;
  stderr: string;
}

const maxStdoutBytes = 8 * 1024 * 1024;
const maxStderrBytes = 64 * 1024;
const killGraceMs = 5_000;

/**
 * The environment of every child: nothing of ours, so that no secret travels in it. Threads share one heap, because glibc
 * sets 64 MiB of addresses aside for each further one (mallopt(3), M_ARENA_MAX), QEMU begins up to 64 threads, and a limit
 * of memory is one of addresses.
 */
export const baseEnv = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LANG: 'C.UTF-8',
  LC_ALL: 'C.UTF-8',
  MALLOC_ARENA_MAX: '1',
} as const;

/** Puts limits before a command: prlimit(1), and setpriv(1) so that it dies with this process. */
export function limitedCommand(
  program: string,
  args: readonly string[],
  limits: Omit<ToolLimits, 'wallMs'>,
): [string, string[]] {
  const rlimits = ['--core=0'];
  if (limits.memoryBytes !== undefined) rlimits.push(`--as=${limits.memoryBytes}`);
  if (limits.cpuSeconds !== undefined) rlimits.push(`--cpu=${limits.cpuSeconds}`);
  return ['setpriv', ['--pdeathsig', 'KILL', '--', 'prlimit', ...rlimits, '--', program, ...args]];
}

/**
 * Runs a program without a shell, under limits, with a bare environment; it is killed when `signal` aborts
 * and when this process dies.
 *
 * @throws LonghaulError TOOL_MISSING (exit 127 of prlimit), TOOL_FAILED, TOOL_TIMEOUT, TOOL_KILLED; on
 *   abort, the signal's reason.
 */
export async function runTool(call: ToolCall): Promise<ToolResult> {
  call.signal?.throwIfAborted();
  const [command, args] = limitedCommand(call.program, call.args, call.limits);
  const child = spawn(command, args, {
    env: { ...baseEnv, ...call.env },
    stdio: [call.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });

  const state = { timedOut: false };
  let killTimer: NodeJS.Timeout | undefined;
  const stop = () => {
    child.kill('SIGTERM');
    killTimer ??= setTimeout(() => child.kill('SIGKILL'), killGraceMs);
  };
  const wallTimer = setTimeout(() => {
    state.timedOut = true;
    stop();
  }, call.limits.wallMs);
  call.signal?.addEventListener('abort', stop, { once: true });

  const stdout = collect(child.stdout, maxStdoutBytes, 'head');
  const stderr = collect(child.stderr, maxStderrBytes, 'tail');
  if (call.onLine) {
    const { onLine } = call;
    if (child.stdout) createInterface({ input: child.stdout }).on('line', (line) => onLine(line, 'stdout'));
    if (child.stderr) createInterface({ input: child.stderr }).on('line', (line) => onLine(line, 'stderr'));
  }
  if (child.stdin && call.input !== undefined) {
    // A program that ends without reading its input is judged by its exit code.
    child.stdin.on('error', () => undefined);
    child.stdin.end(call.input);
  }

  try {
    const { exitCode, killedBy } = await ended(child);
    if (call.signal?.aborted) throw call.signal.reason;
    const what = [call.program, call.args[0]].filter(Boolean).join(' ');
    const lastWords = stderr().trim().split('\n').slice(-5).join(' | ') || 'no message';
    if (state.timedOut) {
      throw new LonghaulError('TOOL_TIMEOUT', {
        found: `${what} did not finish within ${Math.round(call.limits.wallMs / 1000)} s; it last said: ${lastWords}`,
        remedy: 'See whether the host is overloaded or its storage hangs, then retry.',
      });
    }
    if (killedBy !== null) {
      throw new LonghaulError('TOOL_KILLED', {
        found: `${what} was killed by ${killedBy}; it last said: ${lastWords}`,
        remedy:
          'SIGKILL often means the host ran out of memory, SIGABRT or SIGSEGV a defect of the program; see dmesg and retry.',
        details: { signal: killedBy },
      });
    }
    if (exitCode === 127 && /failed to execute/.test(stderr())) {
      throw new LonghaulError('TOOL_MISSING', {
        found: `${call.program} is not installed`,
        remedy: 'Run `longhaul doctor`; it names the package.',
        details: { program: call.program },
      });
    }
    if (exitCode !== 0 && !call.acceptExitCodes?.includes(exitCode)) {
      throw new LonghaulError('TOOL_FAILED', {
        found: `${what} ended with ${exitCode}: ${lastWords}`,
        remedy: "The message is the program's own; mend what it names and retry.",
        details: { program: call.program, exitCode, stderr: stderr().slice(-2000) },
      });
    }
    return { exitCode, stdout: stdout(), stderr: stderr() };
  } finally {
    clearTimeout(wallTimer);
    clearTimeout(killTimer);
    call.signal?.removeEventListener('abort', stop);
  }
}

function ended(
  child: ReturnType<typeof spawn>,
): Promise<{ exitCode: number; killedBy: NodeJS.Signals | null }> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) => {
      reject(
        hasErrno(error, 'ENOENT')
          ? new LonghaulError(
              'TOOL_MISSING',
              { found: 'setpriv is not installed', remedy: 'Install the package util-linux.' },
              error,
            )
          : error,
      );
    });
    child.once('close', (code, killedBy) => resolve({ exitCode: code ?? -1, killedBy }));
  });
}

/** Collects a stream up to a bound, keeping its start or its end. */
function collect(
  stream: NodeJS.ReadableStream | null,
  maxBytes: number,
  keep: 'head' | 'tail',
): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream?.on('data', (chunk: Buffer) => {
    if (keep === 'head' && size >= maxBytes) return;
    chunks.push(chunk);
    size += chunk.length;
    while (keep === 'tail' && chunks.length > 1 && size - (chunks[0]?.length ?? 0) >= maxBytes) {
      size -= chunks.shift()?.length ?? 0;
    }
  });
  return () => Buffer.concat(chunks).toString('utf8');
}
