import { runTool, type ToolCall, type ToolResult } from '../host/tool.ts';

/** Address space of a qemu-img that only looks: metadata caches and thread stacks fit many times over. */
const lookMemoryBytes = 1024 ** 3;

/** A map of every extent takes longer the more there may be: a second more for each of these of a disk's size. */
const mappedBytesPerSecond = 1024 ** 3;

/**
 * Seconds qemu-img gets for a question. It maps some 25 000 extents a second on a busy host: a GiB that lies in
 * pieces of 64 KiB takes it two thirds of a second.
 */
export const askSeconds = (virtualSizeBytes = 0): { wall: number; cpu: number } => {
  const more = Math.ceil(virtualSizeBytes / mappedBytesPerSecond);
  return { wall: 120 + more, cpu: 60 + more };
};

/**
 * Runs qemu-img for a quick question, under tight limits. What it opens must be named by blockdev.ts with
 * the format stated at every level.
 *
 * @param options.virtualSizeBytes the disk's, where the answer grows with it
 * @throws LonghaulError as `runTool`.
 */
export function askQemuImg(
  args: readonly string[],
  {
    virtualSizeBytes,
    ...options
  }: Pick<ToolCall, 'signal' | 'onLine' | 'acceptExitCodes'> & { virtualSizeBytes?: number } = {},
): Promise<ToolResult> {
  const { wall, cpu } = askSeconds(virtualSizeBytes);
  return runTool({
    program: 'qemu-img',
    args,
    limits: { wallMs: wall * 1000, cpuSeconds: cpu, memoryBytes: lookMemoryBytes },
    ...options,
  });
}

/** The share done, 0 to 1, in a line of `qemu-img -p`: `    (12.34/100%)`. */
export function shareOf(line: string): number | undefined {
  const [, percent] = /\((\d+(?:\.\d+)?)\/100%\)/.exec(line) ?? [];
  return percent === undefined ? undefined : Number(percent) / 100;
}
