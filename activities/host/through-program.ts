import { spawn } from 'node:child_process';
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { hasErrno } from '../../contracts/errors.ts';
import { baseEnv, limitedCommand, type ToolLimits } from './tool.ts';

export interface Filter {
  program: string;
  args: readonly string[];
  limits: Omit<ToolLimits, 'wallMs'>;
  /** Last words that mean it did not end well, although its exit code says so. */
  complaint?: RegExp;
}

/** Thrown when a filter did not end well. */
export class FilterFailed extends Error {
  readonly missing: boolean;

  /** @param missing whether the program is not installed */
  constructor(message: string, missing = false) {
    super(message);
    this.missing = missing;
  }
}

const maxWordsBytes = 2_000;

/**
 * What a program makes of a stream, or of a file that it reads itself, as it comes: no shell, under limits, with a bare
 * environment. It is killed when nobody reads on and when this process dies.
 *
 * @throws FilterFailed; an error of `input`; on abort, the signal's reason
 */
export async function* throughProgram(
  { program, args, limits, complaint }: Filter,
  input: FileHandle | AsyncIterable<Buffer>,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  signal.throwIfAborted();
  const [command, commandArgs] = limitedCommand(program, args, limits);
  const child = spawn(command, commandArgs, {
    env: baseEnv,
    stdio: ['fd' in input ? input.fd : 'pipe', 'pipe', 'pipe'],
    signal,
    killSignal: 'SIGKILL',
  });
  let words = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    words = (words + chunk.toString('utf8')).slice(-maxWordsBytes);
  });
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.once('error', () => resolve(null));
    child.once('close', (code, killedBy) => resolve(code ?? killedBy));
  });
  // A program that stops reading is judged by its exit code; what cannot be read for it is thrown on.
  let failure: unknown;
  if (child.stdin !== null && !('fd' in input))
    pipeline(Readable.from(input), child.stdin).catch((error: unknown) => {
      if (!isStoppedReading(error)) failure = error;
    });
  try {
    if (child.stdout !== null) for await (const chunk of child.stdout) yield chunk as Buffer;
    const result = await ended;
    signal.throwIfAborted();
    if (failure !== undefined) throw failure;
    if (result === 127 && /failed to execute/.test(words))
      throw new FilterFailed(`${program} is not installed on this host`, true);
    if (result !== 0 || complaint?.test(words) === true)
      throw new FilterFailed(`${program} ended with ${result ?? 'an error'}: ${lastLine(words)}`);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    child.kill('SIGKILL');
  }
}

const lastLine = (words: string): string => words.trim().split('\n').at(-1) || 'no message';

function isStoppedReading(error: unknown): boolean {
  if (hasErrno(error, 'EPIPE')) return true;
  return error instanceof Error && 'code' in error && /^ERR_STREAM_/.test(String(error.code));
}
