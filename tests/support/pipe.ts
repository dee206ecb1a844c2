import { execFileSync } from 'node:child_process';

const maxOutputBytes = 64 * 1024 * 1024;

/** What a program of the host makes of its standard input. */
export function pipe(program: string, args: readonly string[], input: Buffer | string = ''): Buffer {
  return execFileSync(program, args, { input, maxBuffer: maxOutputBytes });
}
