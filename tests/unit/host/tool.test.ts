import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { runTool, type ToolCall } from '../../../activities/host/tool.ts';
import { scratchDirectory } from '../../support/scratch.ts';

const shell = (script: string, more: Partial<ToolCall> = {}) =>
  runTool({ program: 'sh', args: ['-c', script], limits: { wallMs: 20_000 }, ...more });

/** Each of them takes memory while all others are there. */
const sixtyFourThreads = `
import ctypes, os, threading
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
begun = threading.Barrier(65)
def work():
    libc.malloc(1000)
    begun.wait()
try:
    for _ in range(64): threading.Thread(target=work).start()
except RuntimeError as error:
    print(error, flush=True)
    os._exit(1)
begun.wait()
print('all there')
`;

const since = (started: number) => performance.now() - started;

describe('a program that is run', () => {
  it('is killed when its time is up', async () => {
    const started = performance.now();
    await expect(
      shell('echo almost done >&2; exec sleep 60', { limits: { wallMs: 2_000 } }),
    ).rejects.toMatchObject({
      code: 'TOOL_TIMEOUT',
      found: expect.stringContaining('almost done') as string,
    });
    expect(since(started)).toBeLessThan(20_000);
  });

  it('is killed although it takes no notice of SIGTERM', async () => {
    const deaf = `trap '' TERM; while :; do sleep 0.2; done`;
    await expect(shell(deaf, { limits: { wallMs: 200 } })).rejects.toMatchObject({ code: 'TOOL_TIMEOUT' });
  });

  it('gets no more memory than its limit', async () => {
    const ask = (mebibytes: number) =>
      runTool({
        program: 'python3',
        args: ['-c', `print(len(bytearray(${mebibytes} << 20)) >> 20)`],
        limits: { wallMs: 20_000, memoryBytes: 512 * 2 ** 20 },
      });
    expect((await ask(64)).stdout).toBe('64\n');
    await expect(ask(600)).rejects.toMatchObject({
      code: 'TOOL_FAILED',
      found: expect.stringContaining('MemoryError') as string,
    });
  });

  it('may have as many threads as QEMU within a limit of memory', async () => {
    const { stdout } = await runTool({
      program: 'python3',
      args: ['-c', sixtyFourThreads],
      limits: { wallMs: 20_000, memoryBytes: 2 ** 30 },
    });
    expect(stdout).toBe('all there\n');
  });

  it('gets no more of the processor than its limit', async () => {
    await expect(
      shell('while :; do :; done', { limits: { wallMs: 25_000, cpuSeconds: 1 } }),
    ).rejects.toMatchObject({
      code: 'TOOL_KILLED',
      details: { signal: expect.stringMatching(/^SIG(XCPU|KILL)$/) as string },
    });
  });

  it('is killed on abort, and the reason of the abort is what comes out', async () => {
    const abort = new AbortController();
    const reason = new Error('the step was cancelled');
    const started = performance.now();
    const running = shell('exec sleep 60', { signal: abort.signal });
    await sleep(200);
    abort.abort(reason);
    await expect(running).rejects.toBe(reason);
    expect(since(started)).toBeLessThan(5_000);
  });

  it('is not even started after an abort', async () => {
    const mark = join(scratchDirectory(), 'started');
    const reason = new Error('too late');
    await expect(shell(`touch ${mark}`, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(existsSync(mark)).toBe(false);
  });

  it('sees nothing of our environment but what it is given', async () => {
    process.env['LONGHAUL_TEST_SECRET'] = 'hunter2';
    try {
      const { stdout } = await runTool({
        program: 'env',
        args: [],
        limits: { wallMs: 20_000 },
        env: { GIVEN: 'yes' },
      });
      const names = stdout
        .trim()
        .split('\n')
        .map((line) => line.split('=')[0]);
      expect(names.toSorted()).toEqual(['GIVEN', 'LANG', 'LC_ALL', 'MALLOC_ARENA_MAX', 'PATH']);
    } finally {
      delete process.env['LONGHAUL_TEST_SECRET'];
    }
  });

  it('dies with the process that runs it', async () => {
    const pidFile = join(scratchDirectory(), 'pid');
    const tool = new URL('../../../activities/host/tool.ts', import.meta.url).href;
    const parent = spawn(process.execPath, [
      '--input-type=module',
      '--eval',
      `import { runTool } from '${tool}';
       await runTool({ program: 'sh', args: ['-c', 'echo $$ >${pidFile}; exec sleep 60'], limits: { wallMs: 60_000 } });`,
    ]);
    const started = performance.now();
    while (!existsSync(pidFile) || readFileSync(pidFile, 'utf8') === '') {
      expect(since(started)).toBeLessThan(20_000);
      await sleep(50);
    }
    const child = `/proc/${readFileSync(pidFile, 'utf8').trim()}/stat`;
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    // Whoever adopts the dead child may take a moment to bury it.
    const dead = () => {
      try {
        return / Z /.test(readFileSync(child, 'utf8'));
      } catch {
        return true;
      }
    };
    for (let tries = 0; tries < 40 && !dead(); tries++) await sleep(50);
    expect(dead()).toBe(true);
  });

  it('gets its input, and its lines are handed on as they come', async () => {
    const lines: string[] = [];
    const result = await shell('cat; echo oops >&2; exit 3', {
      input: 'one\rtwo\n',
      onLine: (line, stream) => lines.push(`${stream}: ${line}`),
      acceptExitCodes: [3],
    });
    expect(result).toEqual({ exitCode: 3, stdout: 'one\rtwo\n', stderr: 'oops\n' });
    expect(lines.toSorted()).toEqual(['stderr: oops', 'stdout: one', 'stdout: two']);
  });

  it('that is not installed is told from one that fails', async () => {
    const call = { args: [], limits: { wallMs: 20_000 } };
    await expect(runTool({ ...call, program: 'no-such-program' })).rejects.toMatchObject({
      code: 'TOOL_MISSING',
      details: { program: 'no-such-program' },
    });
    await expect(shell('echo no such file >&2; exit 127')).rejects.toMatchObject({ code: 'TOOL_FAILED' });
  });
});
